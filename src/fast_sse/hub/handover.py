"""What this node handed over: counts on the entries of its tail, and the sweep over them.

Handed over means written at least once to a socket, live or by a catch-up. A delivery says nothing of it to anybody: a
flush adds to one integer of each entry that it wrote, and the *sweep* reads them. It looks at every entry once, in log
order, before the tail may drop it: one that was written is told in the next turn; one that was not, and wants a letter,
waits. So whatever happened on the way (no matching set, a deserted one, one that was given up, a flush that comes later)
shows in that integer.

What is handed over at or below `swept` is told in the next turn, too, and waits no more. What other nodes told of places
that this node has not swept yet lies `ahead` until the sweep meets it: without that a node that lags would make letters of
what others handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fast_sse.hub.tail import Entry, Tail
from fast_sse.hub.waiting import Wait, Waiting
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.letter import wants_letter
from fast_sse.model.message import Record

#: Entries that one step of the sweep looks at, so that a backlog holds nobody up.
SLICE = 4096
#: Hand-overs that are kept while they cannot be told; above it the oldest are forgotten.
UNTOLD_MAX = 1_000_000


class Handover:
    """The hand-overs of one node. Until `keep` is called it counts, and nothing waits.

    Attributes:
        waiting: what was not handed over yet and may become a letter.
        origin: where this node began to follow the log, or did so again.
        swept: the position through which entries were looked at.
        handed: hand-overs that no turn told yet: sockets by position.
        ahead: what other nodes handed over (or decided: 0) above `swept`.
        asked: what the turn that is under way calls due, but for what was handed over meanwhile.
        dead: positions of the letters of this epoch: never too few, but perhaps some that are gone.
        late: ids of letters whose message was handed over after all.
        heard: while the log before this node's start is loaded, what was settled of it meanwhile; None afterwards.
        decided: nothing at or below it was undecided then.
        unsure_below: after the log lost its tail, what was handed over up to there is not known any more.
        lived_s: how long this node has been taking turns: the clock of the grace. It stands while turns fail, and while
            the whole process does.
        leaps: how often the log went on elsewhere, so that what waits must be loaded again.
        written: sockets times records, by how.
        on_flush: called with what each flush wrote, and to how many sockets.
    """

    def __init__(self, tail: Tail, clock: Callable[[], float]) -> None:
        self._tail = tail
        self._clock = clock
        self.origin: Cursor | None = None
        self._keeps = False
        self._ignored: frozenset[str] = frozenset()
        self.waiting = Waiting()
        self.swept: Position = 0
        self.handed: dict[Position, int] = {}
        self.ahead: dict[Position, int] = {}
        self.asked: dict[Position, Wait] = {}
        self.dead: set[Position] = set()
        self.late: dict[str, None] = {}
        self.heard: set[Position] | None = None
        self.decided: Position = 0
        self.unsure_below: Position = 0
        self.lived_s = 0.0
        self.leaps = 0
        self.written = {"live": 0, "catch_up": 0}
        self.on_flush: Callable[[Sequence[Entry], int], object] = lambda _entries, _sockets: None
        #: Own hand-overs of what the follower has yet to take; and those of a log that leapt, with their fingerprints.
        self._early: dict[Position, int] = {}
        self._doubtful: dict[Position, tuple[str, int, int]] = {}
        tail.before_drop = self.sweep

    def keep(self, ignored: frozenset[str], waiting_max: int) -> None:
        """From now on what is not handed over waits. `ignored`: event types that nobody misses."""
        self._keeps = True
        self._ignored = ignored
        self.waiting.records_max = waiting_max

    # -- the log ------------------------------------------------------------------------------------

    def start_at(self, cursor: Cursor, reason: str = "") -> None:
        """The tail begins anew at `cursor`; it was swept before. `reason`: of a leap, as a gap names it."""
        if reason == "epoch":
            self._forget()
        elif reason == "trimmed":
            self.waiting.trimmed(cursor.position)
        elif reason in ("lost_tail", "ahead"):
            self._doubt()
        if reason in ("epoch", "lost_tail", "ahead"):
            self.leaps += 1
            self.heard = set()
        self.origin = cursor
        self.swept = self._tail.swept = cursor.position

    def sweep_all(self) -> None:
        """Look at everything that the tail holds and was not looked at, at once."""
        while self.sweep():
            pass

    def _forget(self) -> None:
        self.waiting.clear()
        for some in (self.handed, self.ahead, self.asked, self.dead, self.late, self._early, self._doubtful):
            some.clear()

    def _doubt(self) -> None:
        """Part of the log is gone, and its numbers may come again: what waits is loaded anew, and what is to be told is told
        only of records that are found there again. What was told may be gone as well, so it is told again if it is.
        """
        self.unsure_below = 0 if self._tail.floor is None else self._tail.floor.position
        for entry in self._tail.first_after(0, len(self._tail)):
            if entry.written:
                untold = self.handed.get(entry.position, 0)
                self._doubtful[entry.position] = (entry.record.fingerprint, untold, entry.written)
        self.waiting.clear()
        for some in (self.handed, self.ahead, self.asked, self._early):
            some.clear()

    def put_back(self) -> Position | None:
        """Nothing came of the turn under way: what it called due waits again. The first place of that."""
        asked, self.asked = self.asked, {}
        if asked:
            assert self.origin is not None
            self.waiting.put_back(asked, self.origin.position)
        return next(iter(asked), None)

    def erase(self, target: Channel) -> None:
        """What was published to exactly this channel waits no more. The tail still has it."""
        if len(self.waiting):
            for entry in self._tail.first_after(0, len(self._tail)):
                if entry.record.channel == target:
                    self.waiting.settle(entry.position)

    # -- the sweep ----------------------------------------------------------------------------------

    def sweep(self) -> bool:
        """Look at the next entries of the tail, a slice of them; False when there are none."""
        entries = self._tail.first_after(self.swept, SLICE)
        if not entries:
            return False
        self.swept = self._tail.swept = entries[-1].position
        if not self._keeps:
            return True
        met = self._meet(entries) if self._early or self.ahead else ()
        handed, waiting, ignored, lived_s = self.handed, self.waiting.newer, self._ignored, self.lived_s
        for entry in entries:
            if entry.written:
                handed[entry.position] = entry.written
            elif entry.position not in met and wants_letter(entry.record, ignored):
                record = entry.record
                waiting[entry.position] = Wait(lived_s, record.fingerprint, len(record.data) >> 10)
        self.waiting.let_go()
        return True

    def _meet(self, entries: Sequence[Entry]) -> set[Position]:
        """Of these entries, take over what was known before they came; those that other nodes settled."""
        settled = set()
        for entry in entries:
            if early := self._early.pop(entry.position, 0):
                entry.first_s = entry.first_s or self._clock()
                entry.written += early
            if (count := self.ahead.pop(entry.position, None)) is not None:
                entry.elsewhere += count
                settled.add(entry.position)
        return settled

    def load(self, record: Record) -> None:
        """A record of the log before this node's start, of which no receipt says that it is settled."""
        position = record.position
        print_, untold, written = self._doubtful.pop(position, ("", 0, 0))
        known = self.heard is not None and position in self.heard
        if print_ == record.fingerprint and (count := untold if known else written):
            self.handed[position] = count
        elif not known and wants_letter(record, self._ignored):
            self.waiting.older[position] = Wait(self.lived_s, record.fingerprint, len(record.data) >> 10)

    @property
    def doubts(self) -> bool:
        """Whether hand-overs are still to be told that were told to a log that lost them."""
        return bool(self._doubtful)

    def loaded(self) -> None:
        """All of it is loaded."""
        self.heard = None
        self._doubtful.clear()
        self.ahead = {place: count for place, count in self.ahead.items() if place > self.swept}

    # -- hand-overs ---------------------------------------------------------------------------------

    def flushed(self, entries: Sequence[Entry], sockets: int) -> None:
        """A live set wrote these, and counted that on them."""
        self.written["live"] += len(entries) * sockets
        self.on_flush(entries, sockets)
        if entries[0].position <= self.swept:
            for entry in entries:
                self._again(entry.position, entry.record, sockets)

    def caught_up(self, entries: Sequence[Entry]) -> None:
        """A stream that is catching up was written these entries."""
        self.written["catch_up"] += len(entries)
        self._count(entries)

    def _count(self, entries: Sequence[Entry]) -> None:
        now_s, swept = self._clock(), self.swept
        for entry in entries:
            if not entry.written:
                entry.first_s = now_s
            entry.written += 1
            if entry.position <= swept:
                self._again(entry.position, entry.record, 1)

    def replayed(self, records: Sequence[Record]) -> None:
        """A stream that is catching up was written these records of the store: those that the tail has are counted there."""
        self.written["catch_up"] += len(records)
        tail = self._tail
        if (floor := tail.floor) is None or records[-1].position > floor.position:
            found = [(record, tail.find(record.position)) for record in records]
            self._count([entry for _, entry in found if entry is not None])
            records = [record for record, entry in found if entry is None]
        self._below(records)

    def _below(self, records: Sequence[Record]) -> None:
        """Records that the tail has no more, or not yet."""
        if not self._keeps or not records:
            return
        positions = [record.position for record in records]
        if positions[-1] > self.swept:
            for position in positions:
                if position > self.swept:
                    self._early[position] = self._early.get(position, 0) + 1
        loading = self.heard is not None and positions[-1] > self.decided
        if not loading and all(
            some.isdisjoint(positions) for some in (self.dead, self.asked.keys(), *self.waiting.places)
        ):
            return
        for record in records:
            position = record.position
            if position > self.swept:
                return
            if position in self.waiting or (loading and position > self.decided):
                self._again(position, record, 1)
            else:
                self._note_late(position, record)

    def _again(self, position: Position, record: Record, sockets: int) -> None:
        """A hand-over at or below `swept`, where the sweep comes no more; above it the sweep will see it."""
        if position > self.swept or not self._keeps:
            return
        self.waiting.settle(position)
        if self.heard is not None:
            self.heard.add(position)
        self._note_late(position, record)
        self.handed[position] = self.handed.get(position, 0) + sockets

    def _note_late(self, position: Position, record: Record) -> None:
        """Its letter, if it has one or is about to, is to be removed."""
        if position in self.dead or position in self.asked:
            assert self.origin is not None
            self.late[self.origin.at(position, record.fingerprint).text] = None
            self.dead.discard(position)
            self.asked.pop(position, None)

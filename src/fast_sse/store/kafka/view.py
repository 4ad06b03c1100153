"""A node's view of the topic: what was read from it, in SQLite, with the indexes that reads and keys need.

The topic is the log and the view can always be made again from it, so it is not fsynced with every group: after a
power cut it merely begins a little earlier (`view_file`). Every decision here (which entry wins a key, what an erasure takes, what is a dead letter) follows from the topic alone, by
offset and LogAppendTime, so that all nodes come to the same view.

A position is an offset + 1. Beside the tables of `rows.schema`, of which `mark.counted` says up to which position
the topic was read:

    print   fingerprints of places that hold no record: erased ones and the last that was trimmed, so that cursors there
            stay good, duplicates, conflicts and control entries, so that a lost tail is known to the entry
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, Position
from fast_sse.model.message import ERASED
from fast_sse.store.base import Windows
from fast_sse.store.kafka.bound import Bound, Rank
from fast_sse.store.kafka.entry import KIND, TopicEntry, decode
from fast_sse.store.kafka.fold import PLACE_BYTES, Answered, FoldedGroup, Folding, Raw, known_keys
from fast_sse.store.kafka.letter_fold import LetterFold, cut_letters, trim_letters
from fast_sse.store.kafka.view_file import ViewFile
from fast_sse.store.letters import LetterBounds
from fast_sse.store.rows.connect import overwriting
from fast_sse.store.rows.letters import NOTHING_DROPPED
from fast_sse.store.rows.log import FIRST_OF_CHANNEL_SQL, SqliteLog
from fast_sse.store.rows.pages import INTEGER_MAX

_STEP = 500
#: Keys above their number that wait for `forget_keys`; reading a long topic for the first time does not wait for it.
_EXCESS_MAX = 2_000

_Entry = tuple[Raw, TopicEntry | None]


def _no_token(token: int) -> bool:  # noqa: ARG001  what a caller that waits for no answer says
    return False


class View(ViewFile):
    """The open file. Blocking code; `lock` is held while writing."""

    def __init__(
        self,
        path: Path,
        windows: Windows,
        letters: LetterBounds = LetterBounds(),  # noqa: B008 - frozen
        queue: str = "",
    ) -> None:
        """`queue`: the topic's name, for people who look at what it holds that is no message."""
        super().__init__(path)
        self._windows = windows
        self._window_ms = int(windows.key_window_s * 1000)
        self._letter_bounds = letters
        self._queue = queue
        self._origin = Cursor(KIND, "", 0, NO_FINGERPRINT)
        self._keys = 0
        #: Keys ranked at or below this are treated as forgotten: `keys_max` live keys rank above (`bound`). Read from any thread.
        self.floor: Rank | None = None
        #: Keys forgotten before their window ended, because there were more than `keys_max`.
        self.keys_cut = 0
        #: Dead letters that their bounds took, by why.
        self.letters_dropped = NOTHING_DROPPED

    def open(self, epoch: str) -> bool:
        """See `ViewFile.open`."""
        kept = super().open(epoch)
        self._origin = Cursor(KIND, epoch, 0, NO_FINGERPRINT)
        self._count_keys()
        return kept

    # -- what it holds ------------------------------------------------------------------------------

    @property
    def read_to(self) -> Position:
        """Up to here the topic was read, whether or not it held records."""
        return int(self.log.connection.execute("SELECT counted FROM mark").fetchone()[0])

    @property
    def newest(self) -> Position:
        """The last place that holds something, or the trim mark."""
        return self.log.ends().newest

    @property
    def trimmed(self) -> Position:
        """Everything up to here is gone from the topic."""
        return self.log.ends().trimmed

    def print_at(self, position: Position) -> str | None:
        """The fingerprint of a place; None when nothing is known of it."""
        return print_at(self.log, position)

    @property
    def anchor(self) -> Position:
        """The last entry that is known, a record or not; 0 when none is."""
        return self.entry_near(INTEGER_MAX, above=False) or 0

    def entry_near(self, position: Position, *, above: bool) -> Position | None:
        """The nearest known entry at or below a place, or strictly above it."""
        end, which = ("min", ">") if above else ("max", "<=")
        arms = [f"SELECT {end}(seq) AS seq FROM {table} WHERE seq {which} ?1" for table in ("log", "print")]  # noqa: S608
        sql = f"SELECT {end}(seq) FROM ({arms[0]} UNION ALL {arms[1]})"  # noqa: S608
        found: Position | None = self.log.connection.execute(sql, (position,)).fetchone()[0]
        return found

    # -- what the topic does to it ------------------------------------------------------------------

    def fold(self, batch: Sequence[Raw], waits_for: Callable[[int], bool] = _no_token) -> FoldedGroup:
        """Take the next entries of the topic; a transaction ends with an erasure, which follows in steps of its own.

        `waits_for`: whether a control entry of this token is to be answered.
        """
        entries = [(raw, decode(raw.value)) for raw in batch]
        with self.lock:
            groups = [self._fold(part, waits_for) for part in _parted(entries)]
        group = groups[0]
        for more in groups[1:]:
            for into, taken in zip(group[:3], more[:3], strict=True):
                into += taken  # type: ignore[operator]
            group.erased.update(more.erased)
        return group._replace(time_ms=batch[-1].time_ms)

    def _fold(self, entries: Sequence[_Entry], waits_for: Callable[[int], bool]) -> FoldedGroup:
        digests = [key.digest for _, entry in entries if entry for key in entry.draft.keys]
        folding = Folding(self._window_ms, self.log.last_ms())
        if digests:
            folding.know(*known_keys(self.log, digests), self._bound(len(digests)))
        for raw, entry in entries:
            folding.take(raw, entry)
        letters = self._letter_fold() if folding.asides else None
        last, group = entries[-1][0], folding.group
        with self.transaction():
            self.log.forget_keys(folding.ended)
            self.log.insert(folding.values)
            self.log.connection.executemany("INSERT INTO print VALUES (?, ?)", folding.others)
            if letters is not None:
                group.answers.extend(_answers(letters, folding.asides, waits_for))
            self._note_read(last.offset + 1)
        self._keys += folding.more_keys
        if folding.floor is not None:
            self.floor = folding.floor
        while self._excess > _EXCESS_MAX:
            self._forget_excess(last.time_ms)
        if letters is not None:
            self.letters_dropped = letters.rows.dropped
            if letters.erased:
                self._empty_wal()
        for record in group.records:
            if record.is_control:
                group.erased[record.position] = self._erase(record.channel, record.position)
        return group

    def _letter_fold(self) -> LetterFold:
        return LetterFold(
            self.log,
            self._origin,
            self._letter_bounds,
            self.letters_dropped,
            queue=self._queue,
            print_at=self.print_at,
        )

    def trim_to(self, low: Position) -> int:
        """One step towards the topic's beginning: what lies at or below `low` goes. How many records and letters went.

        The mark is the last record of them. What the topic let go before it was read here is behind the mark, too: then nobody
        knows the mark's time.
        """
        with self.lock:
            sql = "SELECT count(*), max(seq) FROM (SELECT seq FROM log WHERE seq <= ? ORDER BY seq LIMIT ?)"
            count, last = self.log.connection.execute(sql, (low, _STEP)).fetchone()
            with self.transaction():
                letters = trim_letters(self.log, low, _STEP)
                unread = count < _STEP and low > self.read_to
                mark = low if unread else last
                if mark is not None:
                    self._trim_to(mark, unread=unread)
            return int(count) + letters

    def _trim_to(self, mark: Position, *, unread: bool) -> None:
        execute, fingerprint = self.log.connection.execute, self.print_at(mark)
        self.log.set_trimmed(mark)
        self.log.forget_up_to(mark)
        execute("DELETE FROM log WHERE seq <= ?", (mark,))
        execute("DELETE FROM print WHERE seq <= ?", (mark,))
        if fingerprint is not None:
            execute("INSERT INTO print VALUES (?, ?)", (mark, fingerprint))
        if unread:
            execute("UPDATE mark SET trimmed_ms = NULL")
            self._note_read(mark)

    def forget_keys(self, now_ms: int, leeway_ms: int = 0) -> int:
        """One step of forgetting keys past their window, by `leeway_ms` or more, or above their number; how many went.

        Nothing that counts: when this is done changes no decision. `leeway_ms` is how far the time of the next entry may
        lie behind `now_ms`.
        """
        with self.lock:
            with self.transaction():
                expired = self.log.forget_expired_keys(now_ms - leeway_ms, _STEP)
            self._keys -= expired
            cut = self._forget_excess(now_ms)
            if self._excess <= 0:
                self.floor = None
            return expired + cut

    def _forget_excess(self, now_ms: int) -> int:
        """One step of forgetting keys that do not count any more; how many went."""
        if self._excess <= 0:
            return 0
        cut = self.log.oldest_keys(min(_STEP, self._excess))
        with self.transaction():
            self.log.forget_keys([digest for _, digest in cut])
        self._keys -= len(cut)
        self.keys_cut += sum(expires_ms > now_ms for expires_ms, _ in cut)
        return len(cut)

    @property
    def _excess(self) -> int:
        return self._keys - self._windows.keys_max

    def _bound(self, more: int) -> Bound | None:
        """Where keys are cut while up to `more` are set; None when none are."""
        count = self._excess + more
        return Bound(self.log.oldest_keys(count), self._excess) if count > 0 else None

    def _count_keys(self) -> None:
        self._keys = self.log.keys()
        bound = self._bound(0)
        self.floor = bound.floor if bound else None

    def cut(self, position: Position) -> None:
        """The topic lost what lies above `position`, and so does the view, keys and dead letters included."""
        with self.lock, self.transaction() as execute:
            execute("DELETE FROM log WHERE seq > ?", (position,))
            execute("DELETE FROM print WHERE seq > ?", (position,))
            self.log.forget_empty()
            cut_letters(self.log, position)
            execute(
                f"DELETE FROM key WHERE substr(sha, -{PLACE_BYTES}) > ?",  # noqa: S608
                (position.to_bytes(PLACE_BYTES, "big"),),
            )
            self._note_read(position)
        self._count_keys()

    def _note_read(self, position: Position) -> None:
        self.log.connection.execute("UPDATE mark SET counted = ?", (position,))

    def _erase(self, target: Channel, below: Position) -> int:
        """Overwrite the records of a channel below a place, in steps; their fingerprints stay."""
        execute = self.log.connection.execute
        erased = 0
        with overwriting(execute):
            while True:
                places = [row[0] for row in execute(FIRST_OF_CHANNEL_SQL, (*target, below, _STEP)).fetchall()]
                prints = [(place, self.print_at(place) or NO_FINGERPRINT) for place in places]
                with self.transaction():
                    self.log.connection.executemany("INSERT INTO print VALUES (?, ?)", prints)
                    gone = self.log.erase(target, below, _STEP).messages
                    if gone < _STEP:
                        self.log.forget_empty(target)
                erased += gone
                if gone < _STEP:
                    break
        self._empty_wal()
        return erased

    def _empty_wal(self) -> None:
        """Copy what is overwritten into the file: until then its write-ahead log has what it was."""
        self.log.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _parted(entries: Sequence[_Entry]) -> Iterable[Sequence[_Entry]]:
    """The entries in parts that end with an erasure: what comes after it finds what is left."""
    start = 0
    for number, (_, entry) in enumerate(entries, 1):
        if entry is not None and entry.draft.event == ERASED:
            yield entries[start:number]
            start = number
    if start < len(entries):
        yield entries[start:]


def _answers(
    letters: LetterFold, asides: Sequence[_Entry], waits_for: Callable[[int], bool]
) -> Iterable[Answered]:
    for raw, entry in asides:
        found = letters.take(raw, entry, answered=entry is not None and waits_for(entry.token))
        if found is not None:
            yield found


def print_at(log: SqliteLog, position: Position) -> str | None:
    """The fingerprint of a place; None when nothing is known of it."""
    if position > INTEGER_MAX:
        return None
    record = log.get(position)
    if record is not None:
        return record.fingerprint
    sql = "SELECT ifnull((SELECT print FROM print WHERE seq = ?1), (SELECT ?2 FROM log WHERE seq = ?1 AND body = x''))"
    found: str | None = log.connection.execute(sql, (position, NO_FINGERPRINT)).fetchone()[0]
    return found

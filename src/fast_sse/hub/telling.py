"""One node's half of the turns: what it says to its store, and what it learns from the answer.

A turn that was sent and whose outcome is not known is sent again as it is, with its number, until it is answered; what
happens meanwhile waits for the next one. A turn that would say nothing is not sent, but where other nodes may hand over
what waits here, each turn is sent for the sake of the answer.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice

import msgspec

from fast_sse.hub.acks import Acks
from fast_sse.hub.handover import UNTOLD_MAX, Handover
from fast_sse.hub.tail import Tail
from fast_sse.model.cursor import Position
from fast_sse.model.errors import DiskFullError, NotStoredError, UnavailableError
from fast_sse.store.letters import (
    DUE_KIB_MAX,
    DUE_MAX,
    HANDED_MAX,
    LATE_MAX,
    SILENCE_S,
    Begun,
    Due,
    Handed,
    Receipt,
    Settled,
    Turn,
    Turner,
)

#: So many turns, at least, lie in a grace.
_TURNS_OF_A_GRACE = 10
_TURN_S_MIN, _TURN_S_MAX = 0.1, 1.0
#: What waits may be more than the letters that are kept.
_WAITING_MIN = 100_000


class LetterRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a message that was handed to nobody becomes a dead letter.

    Attributes:
        enabled: False makes none; poison is kept all the same.
        grace_s: how long a message waits for a hand-over.
        max_count, max_age_s: letters that are kept, and for how long.
        ignored: event types that nobody misses.
    """

    enabled: bool = True
    grace_s: float = 30.0
    max_count: int = 100_000
    max_age_s: float = 604_800.0
    ignored: frozenset[str] = frozenset()

    @property
    def turn_s(self) -> float:
        """Seconds between turns."""
        return min(_TURN_S_MAX, max(_TURN_S_MIN, self.grace_s / _TURNS_OF_A_GRACE))

    @property
    def wait_s(self) -> float:
        """How long a message waits: what another node hands over within the grace is told before."""
        return self.grace_s + 2 * self.turn_s

    @property
    def patience_s(self) -> float:
        """For so long a node that is silent is reckoned with, and trimming keeps what waits."""
        return 2 * self.grace_s + SILENCE_S

    @property
    def waiting_max(self) -> int:
        """Messages that wait at most."""
        return max(self.max_count, _WAITING_MIN)


class Telling:
    """What the turns of one process say and hear.

    Attributes:
        under_way: the turn whose outcome is not known.
        turners: the processes that the store knows, of the last answer; None before the first.
        wanted: a client asks for counts, of which other nodes may have told more.
        changed: an operator changed the letters: the answer to the next turn says how many there are now.
    """

    def __init__(
        self,
        handover: Handover,
        tail: Tail,
        acks: Acks,
        rules: LetterRules,
        who: tuple[str, str],
        *,
        shared: bool,
    ) -> None:
        """`who`: the node and the start of its process. `shared`: other processes may hand over what the log holds."""
        self._handover = handover
        self._tail = tail
        self._acks = acks
        self._rules = rules
        self._node, self._start = who
        self._shared = shared
        self.under_way: Turn | None = None
        self.turners: Sequence[Turner] | None = None
        self.wanted = self.changed = False
        #: The store may have taken the turn that is under way.
        self._unsure = False
        self._number = 0
        self._seen = ""
        self._told: tuple[Position, Position | None] = (0, None)
        self._more = False
        #: Part of what others told up to the last answer is still to be heard.
        self._unheard = False
        #: Places that `through` stays below, because hand-overs there were forgotten, and until when.
        self._held: tuple[Position, float] | None = None
        #: While the store is away nothing is due, and what others told meanwhile is heard before anything is.
        self._due_from_s = 0.0

    def begin(self, begun: Begun) -> None:
        """A new beginning, at the start and when the log went on elsewhere: what waits is about to be loaded."""
        self.under_way = None
        self._handover.asked.clear()
        self._handover.dead = set(begun.letters)
        self._handover.decided = begun.decided
        self._seen = begun.seen
        self._told = (0, None)
        unsure, self._handover.unsure_below = self._handover.unsure_below, 0
        if unsure > begun.decided:
            self._held = (begun.decided, self._handover.lived_s + self._rules.patience_s)
        for receipt in begun.receipts:
            self._hear(receipt)

    @property
    def knows(self) -> bool:
        """Whether it is known which other processes there are."""
        return not self._shared or self.turners is not None

    def twins(self) -> bool:
        """Whether another process of this node's name lives, as far as the store can know."""
        return any(
            one.node == self._node and one.start != self._start and one.current for one in self.turners or ()
        )

    def silent(self, position: Position) -> list[str]:
        """Nodes that have not told yet how far they handed over this message, or were not heard in full."""
        others = (one for one in self.turners or () if one.start != self._start)
        return sorted({one.node for one in others if self._unheard or one.through < position})

    # -- what is said -------------------------------------------------------------------------------

    def failed(self, error: UnavailableError) -> None:
        """The store did not answer the turn. Where it certainly did not take it, what became due while the store was away waits
        on: who comes on its return is still in time.
        """
        self._due_from_s = self._handover.lived_s + 2 * self._rules.turn_s
        turn = self.under_way
        self._unsure = self._unsure or not isinstance(error, (NotStoredError, DiskFullError))
        if turn is None or self._unsure or (first := self._handover.put_back()) is None:
            return
        decided = None if turn.decided is None else min(turn.decided, first - 1)
        self.under_way = msgspec.structs.replace(turn, due=(), decided=decided)

    def next_turn(self, *, goodbye: bool = False) -> Turn | None:
        """What there is to say; None when that is nothing."""
        if self.under_way is not None:
            return self.under_way
        handover = self._handover
        self._forget()
        handed = self._take_handed()
        late = list(islice(handover.late, LATE_MAX))
        for letter_id in late:
            del handover.late[letter_id]
        acks = self._acks.take_untold(LATE_MAX)
        acks = acks if self._shared else []
        due = self._take_due()
        through = self._through()
        first = handover.waiting.first
        decided = through if first is None else min(through, first - 1)
        place = (through, None if handover.heard is not None else decided)
        if not (handed or late or acks or due or goodbye or place != self._told or self._listens()):
            return None
        self._number += 1
        self.wanted = self.changed = self._unsure = False
        self.under_way = Turn(
            node=self._node,
            start=self._start,
            number=self._number,
            every_ms=int(self._rules.turn_s * 1000),
            grace_s=self._rules.grace_s,
            decides=self._rules.enabled,
            through=place[0],
            decided=place[1],
            seen=self._seen,
            handed=handed,
            due=due,
            late=late,
            acks=acks,
            goodbye=goodbye,
        )
        return self.under_way

    def _listens(self) -> bool:
        """Whether the answer alone is worth a turn: not on an idle node."""
        if self._more or self.changed or (self.wanted and self._shared):
            return True
        return self._shared and (len(self._handover.waiting) > 0 or self._behind())

    def _behind(self) -> bool:
        """Whether another node is about to tell of what this one has swept."""
        swept = self._handover.swept
        return any(
            one.current and one.start != self._start and one.through < swept for one in self.turners or ()
        )

    def _take_handed(self) -> list[Handed]:
        handed = self._handover.handed
        some = [Handed(place, count) for place, count in islice(handed.items(), HANDED_MAX)]
        for one in some:
            del handed[one.position]
        return some

    def _take_due(self) -> Sequence[Due]:
        handover, rules, since_s = self._handover, self._rules, self._due_since_s
        if handover.lived_s < self._due_from_s:
            return ()
        if not rules.enabled:
            handover.waiting.take_due(since_s, len(handover.waiting), sys.maxsize)
            return ()
        due = handover.waiting.take_due(since_s, DUE_MAX, DUE_KIB_MAX)
        handover.asked = due
        return [Due(place, wait.fingerprint) for place, wait in due.items()]

    @property
    def _due_since_s(self) -> float:
        """What waits since then is due."""
        return self._handover.lived_s - self._rules.wait_s

    def _through(self) -> Position:
        """The place below which all hand-overs are told with this turn. It never goes back but with the log."""
        through = self._handover.swept
        if self._handover.doubts:
            through = min(through, self._handover.decided)
        if rest := self._handover.handed:
            through = min(through, min(rest) - 1)
        if self._held is not None:
            place, until_s = self._held
            if self._handover.lived_s < until_s:
                through = min(through, place)
            else:
                self._held = None
        return max(through, min(self._told[0], self._handover.swept))

    def _forget(self) -> None:
        """Too much could not be told for too long: the oldest hand-overs are forgotten, and that is seen in `through`."""
        handed = self._handover.handed
        if excess := max(0, len(handed) - UNTOLD_MAX):
            gone = sorted(handed)[:excess]
            for place in gone:
                del handed[place]
            lowest = gone[0] if self._held is None else min(gone[0], self._held[0] + 1)
            self._held = (lowest - 1, self._handover.lived_s + self._rules.patience_s)

    # -- what is heard ------------------------------------------------------------------------------

    def settled(self, turn: Turn, answer: Settled) -> bool:
        """Take the answer to a turn; whether there may be more to say or to hear at once."""
        handover = self._handover
        self.under_way = None
        handover.asked.clear()
        self._told = (turn.through, turn.decided)
        self.turners = answer.turners
        handover.dead.update(position for position, _, _ in answer.dead)
        lags = len(handover.ahead) > UNTOLD_MAX
        if not lags:  # else it hears them later
            for receipt in answer.receipts:
                self._hear(receipt)
            self._seen = answer.seen
            self._more = answer.more
        self._unheard = lags or answer.more
        self._shorten_dead()
        full = len(turn.handed) == HANDED_MAX or LATE_MAX in (len(turn.late), len(turn.acks))
        return full or self._more or (bool(turn.due) and handover.waiting.is_due(self._due_since_s))

    def _hear(self, receipt: Receipt) -> None:
        for handed in receipt.handed:
            self._settle(handed.position, handed.count)
        for position in receipt.decided:
            self._settle(position, 0)
        self._handover.dead.update(receipt.decided)
        for ack in receipt.acks:
            self._acks.hear(ack)

    def _settle(self, position: Position, sockets: int) -> None:
        handover = self._handover
        if handover.heard is not None:
            handover.heard.add(position)
        if position > handover.swept:
            handover.ahead[position] = handover.ahead.get(position, 0) + sockets
            return
        handover.waiting.settle(position)
        if sockets and (entry := self._tail.find(position)) is not None:
            entry.elsewhere += sockets

    def _shorten_dead(self) -> None:
        """Of letters that are above their bound the oldest are gone, so their positions need not be known."""
        dead, bound = self._handover.dead, self._rules.max_count
        if len(dead) > 2 * bound + DUE_MAX:
            self._handover.dead = set(sorted(dead)[-bound:])

"""Three nodes as the design has them, and what is true of them: what was written to a socket, told, decided, and may be false.

A node here knows what a real one knows: what it took from the log, what waits, what it handed over and has not told, and what it
heard. The world knows all: it says of each letter whether it may be there, and of each message whether it must be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.contract.letters.node import EVERY_MS, GRACE_S, SILENT_S

from fast_sse.model.cursor import Cursor, Position
from fast_sse.store.letters import Begun, Due, Handed, Receipt, Settled, Turn

#: What waited as long is due.
WAITS_MS = int(GRACE_S * 1000) + 2 * EVERY_MS
CURRENT_MS = 3 * EVERY_MS

Process = tuple[str, str]


@dataclass
class NodeModel:
    """One process.

    `stopped`: it does nothing until it is woken. `loading`: it has not read what waits yet, and says no decided place.
    `unanswered`: a turn whose answer it never had. `heard`: what others told it, in all.
    """

    name: str
    start: str
    through: Position = 0
    seen: str = ""
    number: int = 0
    stopped: bool = False
    loading: bool = True
    heard: dict[Position, int] = field(default_factory=dict)
    waiting: dict[Cursor, int] = field(default_factory=dict)
    handed: dict[Position, int] = field(default_factory=dict)
    ahead: set[Position] = field(default_factory=set)
    unanswered: Turn | None = None

    @property
    def process(self) -> Process:
        return self.name, self.start

    def begin(self, begun: Begun, log: Sequence[Cursor], now_ms: int) -> None:
        """What is above the decided place and in no receipt waits, with a new grace."""
        self.seen, self.through = begun.seen, begun.newest
        self._note(begun.receipts)
        settled = settled_in(begun.receipts)
        for cursor in log:
            if begun.decided < cursor.position <= begun.newest and cursor.position not in settled:
                self.waiting[cursor] = now_ms + WAITS_MS

    def take(self, log: Sequence[Cursor], now_ms: int) -> None:
        """Sweep what is new in the log."""
        for cursor in log:
            if cursor.position > self.through and cursor.position not in self.ahead:
                self.waiting[cursor] = now_ms + WAITS_MS
        self.through = max([self.through, *(cursor.position for cursor in log)])
        self.ahead.clear()

    def hand_over(self, cursor: Cursor) -> None:
        """Write what was taken to a socket."""
        self.waiting.pop(cursor, None)
        self.handed[cursor.position] = self.handed.get(cursor.position, 0) + 1

    def turn(self, log: Sequence[Cursor], now_ms: int, *, goodbye: bool) -> Turn:
        """The next turn; the same one again while its answer is missing."""
        if self.unanswered is not None:
            return self.unanswered
        due = [cursor for cursor, due_ms in self.waiting.items() if due_ms <= now_ms]
        left = [cursor.position for cursor in self.waiting if cursor not in due]
        below = [cursor.position for cursor in log if not left or cursor.position < min(left)]
        self.number += 1
        self.unanswered = Turn(
            node=self.name,
            start=self.start,
            number=self.number,
            every_ms=EVERY_MS,
            grace_s=GRACE_S,
            through=self.through,
            decided=None if self.loading else min(self.through, max(below, default=0)),
            seen=self.seen,
            handed=[Handed(position, count) for position, count in self.handed.items()],
            due=[Due(cursor.position, cursor.fingerprint) for cursor in due],
            goodbye=goodbye,
        )
        self.handed.clear()
        for cursor in due:
            del self.waiting[cursor]
        return self.unanswered

    def hear(self, settled: Settled) -> None:
        """The answer: what others settled does not wait here any more."""
        self.unanswered = None
        self.seen = settled.seen
        self._note(settled.receipts)
        positions = settled_in(settled.receipts)
        self.ahead |= {position for position in positions if position > self.through}
        self.waiting = {at: ms for at, ms in self.waiting.items() if at.position not in positions}

    def _note(self, receipts: Sequence[Receipt]) -> None:
        for receipt in receipts:
            for one in receipt.handed:
                self.heard[one.position] = self.heard.get(one.position, 0) + one.count


def settled_in(receipts: Sequence[Receipt]) -> set[Position]:
    handed = {one.position for receipt in receipts for one in receipt.handed}
    return handed | {position for receipt in receipts for position in receipt.decided}


@dataclass
class Facts:
    """What the store heard of one process, and what nobody did. `late`: letters that its last turn removed."""

    number: int = 0
    late: int = 0
    told_ms: int | None = None
    through: Position = 0
    behind_ms: int | None = None
    untold: set[Position] = field(default_factory=set)


@dataclass
class World:
    """All that is true."""

    processes: dict[Process, Facts] = field(default_factory=dict)
    handed: set[Position] = field(default_factory=set)
    #: To how many sockets each was written, in all.
    written: dict[Position, int] = field(default_factory=dict)
    told: set[Position] = field(default_factory=set)
    #: Whatever became a letter, and whether it says that it may have been delivered.
    dead: dict[Position, bool] = field(default_factory=dict)
    #: The letters that are there.
    letters: set[Position] = field(default_factory=set)
    late: int = 0

    def begins(self, process: Process, newest: Position, now_ms: int) -> None:
        self.processes[process] = Facts()
        self._went_on(process, newest, now_ms)

    def hands_over(self, process: Process, position: Position) -> None:
        self.handed.add(position)
        self.written[position] = self.written.get(position, 0) + 1
        self.processes[process].untold.add(position)

    def applied(self, turn: Turn, settled: Settled, now_ms: int) -> None:
        """A turn was applied: each letter that it made may be there, and what it told removes letters."""
        process = turn.node, turn.start
        facts = self.processes[process]
        if turn.number <= facts.number:
            assert {position for position, *_ in settled.dead} <= self.dead.keys(), (
                "a turn did something again"
            )
            assert settled.late in (0, facts.late), "answered like the first time, as far as that is known"
            return
        facts.late = settled.late
        facts.number, facts.told_ms, facts.through, facts.behind_ms = turn.number, now_ms, turn.through, None
        self._went_on(process, turn.through, now_ms)
        handed = {one.position for one in turn.handed}
        assert settled.late == len(handed & self.letters)
        self.told |= handed
        self.letters -= handed
        facts.untold.clear()
        for position, _, maybe in settled.dead:
            assert position not in self.dead, "a message died twice"
            assert position not in self.told, "a message died although it was told as handed over"
            for other in self.processes.values():
                assert position not in other.untold or maybe or self._is_excused(other, position, now_ms)
            self.dead[position] = maybe
            self.letters.add(position)

    def _went_on(self, process: Process, through: Position, now_ms: int) -> None:
        for other, facts in self.processes.items():
            if other != process and facts.behind_ms is None and facts.through < through:
                facts.behind_ms = now_ms

    def _is_excused(self, facts: Facts, position: Position, now_ms: int) -> bool:
        """Not promised: a hand-over since the last turn, of one that keeps pace; and one that told nothing for too long."""
        told = (
            facts.told_ms is not None and now_ms - facts.told_ms <= CURRENT_MS and facts.through >= position
        )
        silent = facts.behind_ms is not None and now_ms - facts.behind_ms >= SILENT_S * 1000
        return told or silent

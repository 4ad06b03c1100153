"""What operators see of dead letters: few lines, each with numbers, and no content."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.hub.support import Facts
from tests.hub.test_telling import TALLY, answer

from fast_sse.hub.report import QUIET_S, LetterReport
from fast_sse.observe.observer import LettersDropped, LettersMade, TurnsFailed, TurnsRecovered


class Told:
    """A report on a clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.facts = Facts()
        self.let_go = {"overflow": 0, "trimmed": 0}
        self.report = LetterReport(self.facts, lambda: self.now_s, self.let_go)

    def turn(self, *dead: tuple[int, Any, bool], **dropped: int) -> None:
        """One that was taken."""
        tally = msgspec.structs.replace(TALLY, dropped={**TALLY.dropped, **dropped})
        self.report.took(0.0, answer(dead=dead, tally=tally))
        self.report.tell()


def test_letters_are_told_at_most_once_in_ten_seconds() -> None:
    """The first at once; the rest together, by reason."""
    told = Told()
    told.turn((1, "no_subscriber", False))
    told.turn((2, "expired", True))
    told.turn((3, "no_subscriber", False))
    assert told.facts.told == [LettersMade(1, 0, 0)]
    told.now_s += QUIET_S
    told.turn()
    told.turn()
    assert told.facts.told == [LettersMade(1, 0, 0), LettersMade(1, 1, 1)]


def test_each_kind_of_drop_is_told_at_once_and_then_seldom() -> None:
    """Each is a letter that nobody will see."""
    told = Told()
    told.turn(count=2)
    told.let_go["overflow"] = 3
    told.turn(count=5)
    assert told.facts.told == [LettersDropped("count", 2), LettersDropped("overflow", 3)]
    told.now_s += QUIET_S
    told.turn(count=5)
    assert told.facts.told[2:] == [LettersDropped("count", 3)]
    assert told.report.dropped == {"count": 5, "bytes": 0, "age": 0, "overflow": 3, "trimmed": 0}


def test_a_trouble_is_told_once() -> None:
    """Not for each attempt; its end is told, too."""
    told = Told()
    for _ in range(3):
        told.report.failed("away")
    told.turn()
    told.turn()
    told.report.failed("away again")
    assert told.facts.told == [TurnsFailed("away"), TurnsRecovered(), TurnsFailed("away again")]

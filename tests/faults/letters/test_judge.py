"""The judge names each defect that it is given, and nothing else."""

from __future__ import annotations

import pytest
from tests.faults.letters.judge import Letter, Told, Verdict, judge


def letter(name: str, *, maybe: bool = False, node: str = "n0") -> Letter:
    """One that died a second after it was published."""
    return Letter(name, maybe, 2_000, 1_000, node)


def told(*letters: Letter, made: int = 0, in_doubt: int = 0, late: int = 0) -> Told:
    """What a node says."""
    return Told(letters, made, in_doubt, late)


A, B, DOUBT = letter("a"), letter("b"), letter("s", maybe=True)


def test_all_that_is_due_and_nothing_else_is_clean() -> None:
    """On every node alike, each decided once, and what was seen in doubt alone."""
    verdict = judge("ab", "s", [told(A, B, DOUBT, made=2, in_doubt=1), told(A, B, DOUBT, made=1)])
    verdict.assert_clean()
    assert verdict.marked == {"s"}
    assert verdict.latency_ms == [1_000] * 3
    with pytest.raises(AssertionError):
        verdict.assert_sure()


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        ("missing", judge("ab", "", [told(A)])),
        ("doubled", judge("a", "", [told(A, A)])),
        ("doubled", judge("a", "", [told(A), told()])),
        ("doubled", judge("a", "", [told(A), told(letter("a", node="n1"))])),
        ("doubled", judge("a", "", [told(A, made=1), told(A, made=1)])),
        ("doubled", judge("ab", "", [told(A, B)], purged="b")),
        ("false", judge("a", "s", [told(A, letter("s"))])),
        ("false", judge("a", "s", [told(A, made=2, late=1)])),
        ("stray", judge("a", "", [told(A, B)])),
        ("empty", judge("", "s", [told()])),
    ],
)
def test_each_defect_has_its_name(kind: str, verdict: Verdict) -> None:
    """One slip is one kind of defect."""
    assert verdict.found == {kind}


def test_what_was_made_in_doubt_and_removed_is_no_defect() -> None:
    """The mark said what it could not know."""
    judge("a", "s", [told(A, made=2, in_doubt=1, late=1)]).assert_clean()


def test_what_is_purged_and_stays_away_is_no_defect() -> None:
    """It was made once."""
    judge("ab", "", [told(A, made=2)], purged="b").assert_clean()

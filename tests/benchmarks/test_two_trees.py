"""Two checkouts side by side: which figures are compared, and how."""

from __future__ import annotations

import pytest

from benchmarks import plan, two_trees


def test_ratios_are_those_of_pairs() -> None:
    """A machine that halves its speed between two rounds changes no ratio."""
    assert "1.10 [1.10, 1.10] x" in two_trees.row("cpu", [(1.1, 1.0), (2.2, 2.0)])


def test_a_range_is_that_of_the_pairs() -> None:
    """Noise is seen: the lowest and the highest pair stand beside the median."""
    assert "1.00 [0.50, 2.00] x" in two_trees.row("cpu", [(1.0, 1.0), (1.0, 2.0), (2.0, 1.0)])


def test_every_part_exists() -> None:
    """Each part that is compared is one of the plan."""
    assert set(two_trees.COSTS) <= set(plan.FULL)


def test_what_is_no_checkout_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong path is named before anything is measured."""
    monkeypatch.setattr("sys.argv", ["two_trees.py", "/nonexistent"])
    with pytest.raises(SystemExit):
        two_trees.arguments()
    assert "/nonexistent is no checkout" in capsys.readouterr().err

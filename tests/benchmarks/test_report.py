"""A table says what was measured, how sure it is, and what speaks against it."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.report import Goal, Run

from benchmarks import plan, report


def run_of(peer: str, number: int, cpu_us: float, scenario: str = "fanout", **more: float) -> Run:
    """One measurement."""
    figures = {"cpu_us_per_delivery": cpu_us, **more}
    return {
        "scenario": scenario,
        "peer": peer,
        "round": number,
        "options": {"rate": 30.0},
        "figures": figures,
    }


RUNS = [
    run_of("nchan", 1, 10.0),
    run_of(report.MEMORY, 1, 5.0),
    run_of("nchan", 2, 20.0),
    run_of(report.MEMORY, 2, 16.0),
]


def test_cells_are_medians_with_their_range() -> None:
    """Of several rounds the middle one counts, and the lowest and the highest are shown; a single value stands alone."""
    assert report.cell([3.0, 1.0, 2.0], ".1f") == "2.0 [1.0, 3.0]"
    assert report.cell([2.0, 2.0], ".1f") == "2.0"
    assert report.cell([], ".1f") == "-"


def test_a_ratio_is_that_of_neighbours() -> None:
    """Pairs are made within a round: 5/10 and 16/20, not the ratio of the medians."""
    ours = report.by_round(RUNS, "fanout", report.MEMORY, "cpu_us_per_delivery")
    base = report.by_round(RUNS, "fanout", "nchan", "cpu_us_per_delivery")
    assert report.ratios(ours, base) == [0.5, 0.8]
    assert report.table(RUNS).endswith(
        "| 15.00 [10.00, 20.00] | 10.50 [5.00, 16.00]<br>0.65 [0.50, 0.80] x |"
    )


def test_a_round_without_its_neighbour_is_no_pair() -> None:
    """What only one of both measured, or measured as nothing, gives no ratio."""
    assert report.ratios({1: 2.0, 2: 3.0, 3: 1.0}, {2: 6.0, 3: 0.0}) == [0.5]
    failed = {"scenario": "fanout", "peer": "nchan", "round": 3, "options": {}, "error": "did not start"}
    assert report.pairs([*RUNS, run_of(report.MEMORY, 3, 1.0), failed], "fanout") == 2


@pytest.mark.parametrize(
    ("at_most", "found", "met"), [(True, 0.8, True), (True, 0.9, False), (False, 0.9, True)]
)
def test_goals_are_judged_in_their_direction(at_most: bool, found: float, met: bool) -> None:
    """A cost may be at most its bound, a speed must be at least that."""
    assert Goal("", "", "", report.MEMORY, 0.85, at_most).met(found) is met


def test_every_goal_has_its_line_even_when_nothing_was_measured() -> None:
    """The list of goals never shrinks to the ones that were reached."""
    text = report.goals(RUNS)
    assert text.count("not measured") == len(report.GOALS) - 1
    assert "| <= 0.85 x nchan | 0.65 [0.50, 0.80] x | 2 | met |" in text


def test_a_goal_without_a_base_is_judged_by_itself() -> None:
    """Seconds and losses are promised as they are; a ratio needs its neighbour."""
    runs = [run_of(report.SQLITE, number, 1.0, lost=number - 1.0) for number in (1, 2, 3)]
    alone = Goal("lost", "fanout", "lost", report.SQLITE, 0, base="")
    assert alone.words == "<= 0"
    assert alone.measured(runs) == [0.0, 1.0, 2.0]
    assert not alone.met(1.0)
    assert Goal("cpu", "fanout", "cpu_us_per_delivery", report.SQLITE, 1).measured(runs) == []


def test_goals_and_rows_speak_of_the_same_figures() -> None:
    """A goal is judged by a figure that the table shows."""
    assert {(goal.scenario, goal.key) for goal in report.GOALS} <= {
        (row.scenario, row.key) for row in report.ROWS
    }


def test_a_point_of_a_chart_is_named_by_its_place() -> None:
    """Many points share one scenario: a reader must know which one a doubt is about."""
    options = {"subscribers": 10, "rate": 300.0}
    run = {"scenario": plan.BY_RATE, "peer": "hub", "round": 1, "options": options, "error": "no"}
    assert report.label(run) == "by rate 300"
    assert report.notes([run]) == ["- by rate 300 hub: failed: no (round 1)"]
    assert report.label(run | {"scenario": plan.BY_SUBSCRIBERS}) == "by subscribers 10"


def test_doubts_are_told_once_with_their_rounds() -> None:
    """A loss, a limit of the generator, a taken core and a failed run are told; the same words are not repeated."""
    doubtful: dict[str, Any] = {
        "lost": 2,
        "generator_share": 0.95,
        "generator_was_limit": True,
        "server_waited_share": 0.3,
    }
    runs = [run_of("hub", number, 1.0, **doubtful) for number in (1, 2)]
    failed = {"scenario": "idle", "peer": "hub", "round": 1, "options": {}, "error": "did not start"}
    absent = {"scenario": "publish", "peer": "hub", "round": 1, "options": {}, "left_out": "one channel only"}
    first, *others = report.notes([*runs, failed, absent])
    for words in ("LOST 2", "GENERATOR AT ITS LIMIT (95%)", "server waiting", "30%", "(round 1, 2)"):
        assert words in first
    assert others == [
        "- idle hub: failed: did not start (round 1)",
        "- publish hub: left out: one channel only (round 1)",
    ]
    assert report.line(failed) == "FAILED: did not start"
    assert report.line(absent) == "left out: one channel only"


@pytest.mark.parametrize(
    ("limited", "verdict"),
    [((1, 1, 0), "met at most: the generator was nchan's limit"), ((1, 0, 0), "met")],
)
def test_a_rate_that_the_generator_held_down_is_no_full_victory(
    limited: tuple[int, ...], verdict: str
) -> None:
    """If the base was faster than the generator in most rounds, the ratio to it is too high, and the verdict says so."""
    runs = [
        one
        for number, held in enumerate(limited)
        for one in (
            run_of("nchan", number, 0.0, "publish", rate_per_s=100.0, generator_was_limit=bool(held)),
            run_of(report.MEMORY, number, 0.0, "publish", rate_per_s=70.0),
        )
    ]
    assert Goal("", "publish", "rate_per_s", report.MEMORY, 0.6, at_most=False).verdict(runs) == verdict
    assert Goal("", "publish", "rate_per_s", report.MEMORY, 0.8, at_most=False).verdict(runs) == "**missed**"
    assert Goal("", "publish", "rate_per_s", report.MEMORY, 0.8).verdict(runs) == "met"

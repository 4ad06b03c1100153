"""The five lines of the front page say what was measured, and name what was missed."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.report import BASE, MEMORY, SQLITE, Run

from benchmarks import headline, report, results

ROOT = Path(__file__).parents[2]
RUNS: list[Run] = [
    {"scenario": "fanout", "peer": peer, "round": number, "figures": {"cpu_us_per_delivery": cost}}
    for peer, costs in ((SQLITE, (9.0, 7.0, 8.0)), (MEMORY, (5.0, 5.0, 5.0)), (BASE, (10.0, 10.0, 10.0)))
    for number, cost in enumerate(costs)
]


def test_a_line_shows_medians() -> None:
    """One cell for each server, and a dash for what was not measured."""
    rows = headline.table(RUNS).splitlines()[2:]
    assert len(rows) == 5
    assert rows[0] == "| CPU for one delivery, 1,000 subscribers (µs) | 8.0 | 5.0 | 10.0 | - | - |"
    assert rows[1].endswith("| - | - | - | - | - |")


def test_missed_goals_are_counted() -> None:
    """The sentence counts what the table of goals calls missed, and says what was not measured."""
    words = headline.goals(RUNS)
    known = len(report.GOALS)
    assert words.startswith(f"We set {known} goals before we measured, and 0 are missed")
    assert words.endswith(f" {known - 2} were not measured.")
    slow = [
        {**run, "figures": {"cpu_us_per_delivery": 1000.0}} if run["peer"] == SQLITE else run for run in RUNS
    ]
    assert ", and 1 are missed" in headline.goals(slow)


def test_the_front_page_is_what_the_last_run_says() -> None:
    """What stands in the README was written by the tool, from the newest run that may be quoted."""
    newest = max((ROOT / "benchmarks" / "results").glob("sidebyside-*.json"))
    runs = json.loads(newest.read_text())["runs"]
    shown = (
        (ROOT / "README.md").read_text().partition(f"{results.BEGIN}\n")[2].partition(f"\n{results.END}")[0]
    )
    assert shown == results.front_page(runs)

"""A table says what was measured, how sure it is, and what speaks against it."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import report

FACTS = {
    "command": "benchmarks/spine.py",
    "commit": "abc",
    "changed_sources": True,
    "date": "today",
    "cpu": "some",
    "cores": 2,
    "kernel": "6",
    "load_average": 0.1,
    "nchan": {"nginx": "1"},
    "fast-sse": {"python": "3"},
}


def fanout(peer: str, number: int, cpu_us: float, **more: float) -> report.Run:
    """One run of the fan-out."""
    figures = {"cpu_us_per_delivery": cpu_us, **more}
    return {"scenario": "fanout", "peer": peer, "round": number, "options": {"rate": 30}, "figures": figures}


RUNS = [fanout("nchan", 1, 10.0), fanout("hub", 1, 5.0), fanout("nchan", 2, 12.0), fanout("hub", 2, 5.0)]


def test_cells_are_medians_with_range_and_ratio() -> None:
    """The peer's cell has a range; ours says how many times better it is, by medians."""
    last = report.table(RUNS).splitlines()[-1]
    assert last.endswith("| 11.00 [10.00, 12.00] | 5.00 (2.20x) |")


def test_more_is_better_turns_the_ratio() -> None:
    """Twice the deliveries and half the cost are both 2x."""
    assert report.ratio([2.0], [1.0], False) == report.ratio([1.0], [2.0], True) == " (2.00x)"
    assert report.ratio([2.0], [1.0], None) == report.ratio([], [1.0], True) == ""


def test_doubts_stand_under_the_table() -> None:
    """A loss, a limit of the generator, a taken core and a failed run are told with their round."""
    doubtful = fanout(
        "hub", 3, 1.0, lost=2, generator_share=0.95, generator_was_limit=True, server_waited_share=0.3
    )
    failed = {"scenario": "idle", "peer": "hub", "round": 1, "options": {}, "error": "did not start"}
    text = report.table([*RUNS, doubtful, failed])
    for words in (
        "LOST 2",
        "GENERATOR AT ITS LIMIT (95%)",
        "server waiting",
        "30%",
        "did not start",
        "round 3",
    ):
        assert words in text


def test_only_a_quotable_run_changes_the_readme(tmp_path: Path) -> None:
    """The table replaces what is between the markers and nothing else; another run leaves it alone."""
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(tmp_path, FACTS, RUNS, quotable=False)
    assert "old" in readme.read_text()
    result, _ = report.write(tmp_path, FACTS, RUNS, quotable=True)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert "abc with uncommitted changes" in text
    assert json.loads(result.read_text())["runs"] == RUNS

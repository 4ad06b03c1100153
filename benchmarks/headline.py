"""The five lines of the front page: what a newcomer asks first, and how many goals are missed.

Everything else stands in benchmarks/README.md.
"""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

from benchmarks import report
from benchmarks.report import BASE, MEMORY, SQLITE, Run

WHY = "docs/performance.md#where-the-goals-are-missed-and-why"
ALL = "All figures, with their range and the machine: [benchmarks/README.md](benchmarks/README.md)."

#: Columns, and what a newcomer calls them.
SERVERS = {
    SQLITE: "Fast SSE, on disk",
    MEMORY: "Fast SSE, in memory",
    BASE: "nchan (C)",
    "centrifugo": "Centrifugo (Go)",
    "sse-starlette": "sse-starlette",
}


class Line(NamedTuple):
    """One row: a figure of a scenario, in words, and how it is written."""

    words: str
    scenario: str
    key: str
    form: str


LINES = [
    Line("CPU for one delivery, 1,000 subscribers (µs)", "fanout", "cpu_us_per_delivery", ".1f"),
    Line("deliveries a second, at full speed", "burst", "deliveries_per_s", ",.0f"),
    Line("publishes a second, 32 connections", "publish", "single_32_publishes_per_s", ",.0f"),
    Line("from publish to subscriber, median (ms)", "latency", "latency_p50_ms", ".1f"),
    Line("memory of an idle subscriber (bytes)", "idle", "rss_bytes_per_subscriber", ",.0f"),
]


def table(runs: list[Run]) -> str:
    """Markdown: medians, and `-` for what was not measured."""
    rows = ["| | " + " | ".join(SERVERS.values()) + " |", "|---|" + "---|" * len(SERVERS)]
    for line in LINES:
        found = (report.by_round(runs, line.scenario, peer, line.key) for peer in SERVERS)
        cells = (f"{median(one.values()):{line.form}}" if one else "-" for one in found)
        rows.append(f"| {line.words} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def goals(runs: list[Run]) -> str:
    """How many goals are missed, how many may be, and where that is explained."""
    verdicts = [goal.verdict(runs) for goal in report.GOALS]
    missed, unknown = verdicts.count("**missed**"), verdicts.count("not measured")
    unsure = sum(verdict.startswith("met at most") for verdict in verdicts)
    said = [
        f"We set {len(verdicts)} goals before we measured, and {missed} are missed: [which, and why]({WHY})."
    ]
    if unsure:
        said.append(f"{unsure} more may be, since our generator could not ask the peer for more.")
    if unknown:
        said.append(f"{unknown} were not measured.")
    return " ".join(said)

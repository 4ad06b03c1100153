"""From runs to tables: medians with their range, ratios of neighbours, and what makes a figure doubtful beside it.

A run is one measurement of one server: `scenario`, `peer`, `round`, `options`, and `figures`, or the `error` it
ended with, or why it was `left_out`. A ratio is ours to the peer's within one round; its median and range are over
rounds, so a machine that was slow for a whole round is slow in both halves of the pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any, NamedTuple

from benchmarks.plan import BY_CHANNELS, BY_RATE, BY_SUBSCRIBERS

BASE, MEMORY, SQLITE, BARE = "nchan", "fast-sse memory", "fast-sse sqlite", "bare sqlite"

#: A core that others use for more than this share of a window is not the server's or the generator's own.
WAITED_SHARE_MAX = 0.05

Run = dict[str, Any]


#: The option along which a chart's points lie.
AXES = {BY_SUBSCRIBERS: "subscribers", BY_CHANNELS: "channels", BY_RATE: "rate"}


class Row(NamedTuple):
    """One line of the table; `compared` is False where a ratio says nothing."""

    scenario: str
    key: str
    title: str
    form: str
    compared: bool = True


ROWS = [
    Row("fanout", "cpu_us_per_delivery", "CPU per delivery (us)", ".2f"),
    Row("fanout", "latency_p50_ms", "latency p50 (ms)", ".2f"),
    Row("fanout", "latency_p99_ms", "latency p99 (ms)", ".2f"),
    Row("fanout", "bytes_per_delivery", "bytes on the wire per delivery", ".0f", compared=False),
    Row("burst", "deliveries_per_s", "deliveries/s", ",.0f"),
    Row("burst", "publishes_per_s", "publishes accepted/s meanwhile", ",.0f"),
    Row("burst", "cpu_us_per_delivery", "CPU per delivery (us)", ".2f"),
    Row("burst", "lost", "deliveries lost", ".0f", compared=False),
    Row("large", "cpu_us_per_delivery", "CPU per delivery (us)", ".1f"),
    Row("large", "latency_p99_ms", "latency p99 (ms)", ".2f"),
    Row("publish", "single_1_publishes_per_s", "publishes/s, 1 connection", ",.0f"),
    Row("publish", "single_32_publishes_per_s", "publishes/s, 32 connections", ",.0f"),
    Row("publish", "single_32_cpu_us_per_publish", "CPU per publish, 32 connections (us)", ".1f"),
    Row("publish", "batch_1_publishes_per_s", "publishes/s in batches of 100, 1 connection", ",.0f"),
    Row("publish", "batch_32_publishes_per_s", "publishes/s in batches of 100, 32 connections", ",.0f"),
    Row("idle", "rss_bytes_per_subscriber", "RSS per idle subscriber (bytes)", ",.0f"),
    Row("idle", "cpu_us_per_subscribe", "CPU per subscription set up (us)", ".1f"),
    Row("latency", "latency_p50_ms", "p50 (ms)", ".2f"),
    Row("latency", "latency_p99_ms", "p99 (ms)", ".2f"),
    Row("latency", "post_p50_ms", "publish answered, p50 (ms)", ".2f", compared=False),
    Row("replay", "replay_messages_per_s", "messages/s to one client", ",.0f"),
    Row("replay", "storm_level_s", "1,000 clients level, 100 messages each (s)", ".2f"),
    Row("replay", "lost", "messages lost", ".0f", compared=False),
    Row("original", "latency_p95_ms", "message latency p95 (ms)", ".2f"),
    Row("original", "post_p95_ms", "POST p95 (ms)", ".2f"),
    Row("original", "accepted", "messages produced", ".0f", compared=False),
    Row("original", "lost", "messages lost", ".0f", compared=False),
]


class Goal(NamedTuple):
    """What was promised of one figure: ours to that of `base` in the same round, or ours itself where there is none."""

    title: str
    scenario: str
    key: str
    ours: str
    bound: float
    at_most: bool = True
    base: str = BASE

    def met(self, found: float) -> bool:
        """Judged by the median."""
        return found <= self.bound if self.at_most else found >= self.bound

    def measured(self, runs: Iterable[Run]) -> list[float]:
        """One number for each round that has what it takes."""
        runs = list(runs)
        ours = by_round(runs, self.scenario, self.ours, self.key)
        return (
            ratios(ours, by_round(runs, self.scenario, self.base, self.key))
            if self.base
            else [*ours.values()]
        )

    def flattered(self, runs: Iterable[Run]) -> bool:
        """Whether the base could have done more in most rounds, had the generator: a ratio of rates is then too high."""
        if self.at_most or not self.base:
            return False
        theirs = by_round(runs, self.scenario, self.base, "generator_was_limit")
        return sum(theirs.values()) * 2 > len(theirs)

    def verdict(self, runs: list[Run]) -> str:
        """The last column of the table."""
        found = self.measured(runs)
        if not found:
            return "not measured"
        if not self.met(median(found)):
            return "**missed**"
        return f"met at most: the generator was {self.base}'s limit" if self.flattered(runs) else "met"

    @property
    def words(self) -> str:
        """The bound as the table shows it."""
        return f"{'<=' if self.at_most else '>='} {self.bound:g}{f' x {self.base}' if self.base else ''}"


GOALS = [
    Goal("CPU per delivery, 1,000 subscribers, 30 msg/s, memory", "fanout", "cpu_us_per_delivery", MEMORY, 0.85),
    Goal("the same, SQLite", "fanout", "cpu_us_per_delivery", SQLITE, 0.85),
    Goal("deliveries/s at full speed, memory", "burst", "deliveries_per_s", MEMORY, 15, at_most=False),
    Goal("deliveries/s at full speed, SQLite (nchan in memory)", "burst", "deliveries_per_s", SQLITE, 10, at_most=False),
    Goal("lost of them, SQLite", "burst", "lost", SQLITE, 0, base=""),
    Goal("CPU per delivery of 50 KB, memory", "large", "cpu_us_per_delivery", MEMORY, 0.6),
    Goal("the same, SQLite", "large", "cpu_us_per_delivery", SQLITE, 0.6),
    Goal("publishes/s, 32 connections, memory (ours signed)", "publish", "single_32_publishes_per_s", MEMORY, 0.6, at_most=False),
    Goal("publishes/s, 32 connections, SQLite", "publish", "single_32_publishes_per_s", SQLITE, 0.4, at_most=False, base=BARE),
    Goal("publishes/s in batches, SQLite", "publish", "batch_32_publishes_per_s", SQLITE, 0.5, at_most=False, base=BARE),
    Goal("CPU per subscription set up, memory", "idle", "cpu_us_per_subscribe", MEMORY, 1.7),
    Goal("the same, SQLite", "idle", "cpu_us_per_subscribe", SQLITE, 1.7),
    Goal("RSS per idle subscriber, memory", "idle", "rss_bytes_per_subscriber", MEMORY, 0.25),
    Goal("the same, SQLite", "idle", "rss_bytes_per_subscriber", SQLITE, 0.25),
    Goal("latency p50, 100 subscribers, memory", "latency", "latency_p50_ms", MEMORY, 1),
    Goal("latency p99, 100 subscribers, memory", "latency", "latency_p99_ms", MEMORY, 1),
    Goal("latency p50, 100 subscribers, SQLite", "latency", "latency_p50_ms", SQLITE, 1),
    Goal("latency p99, 100 subscribers, SQLite", "latency", "latency_p99_ms", SQLITE, 1),
    Goal("replay by one client, SQLite", "replay", "replay_messages_per_s", SQLITE, 0.4, at_most=False, base=BARE),
    Goal("1,000 clients resume 100 messages each, all level (s), SQLite", "replay", "storm_level_s", SQLITE, 2, base=""),
    Goal("the original's load test: message latency p95 (ms), SQLite", "original", "latency_p95_ms", SQLITE, 5, base=""),
    Goal("its POST p95 (ms), SQLite", "original", "post_p95_ms", SQLITE, 10, base=""),
    Goal("lost of its messages, SQLite", "original", "lost", SQLITE, 0, base=""),
]  # fmt: skip


def label(run: Run) -> str:
    """The scenario, and for a chart's point its place in it."""
    scenario: str = run["scenario"]
    name = AXES.get(scenario)
    return f"{scenario} {run['options'][name]:g}" if name else scenario


def line(run: Run) -> str:
    """One run for the eye that waits."""
    if "figures" not in run:
        return f"left out: {run['left_out']}" if "left_out" in run else f"FAILED: {run['error']}"
    figures = run["figures"]
    rows = [row for row in ROWS if row.scenario == run["scenario"]] or ROWS[:3]  # a chart's point
    shown = [f"{row.key}={figures[row.key]:{row.form}}" for row in rows if row.key in figures]
    return "; ".join([" ".join(shown), *doubts(figures)])


def doubts(figures: dict[str, Any]) -> list[str]:
    """What a reader must know before believing a run."""
    found = []
    if figures.get("generator_was_limit"):
        found.append(f"GENERATOR AT ITS LIMIT ({figures['generator_share']:.0%})")
    for who in ("server", "generator"):
        share = figures.get(f"{who}_waited_share", 0)
        if share > WAITED_SHARE_MAX:
            found.append(f"other work kept the {who} waiting for its core, {share:.0%} of the time")
    wrong = ("lost", "duplicates", "refused", "closed_by_server")
    found += [f"{key.upper().replace('_', ' ')} {figures[key]}" for key in wrong if figures.get(key)]
    if figures.get("witness_agrees") is False:
        found.append("THE WITNESS DISAGREES WITH THE COUNT")
    return found


def by_round(runs: Iterable[Run], scenario: str, peer: str, key: str) -> dict[int, float]:
    """One figure of a server in each round that has it."""
    return {
        run["round"]: run["figures"][key]
        for run in runs
        if run["scenario"] == scenario and run["peer"] == peer and key in run.get("figures", {})
    }


def ratios(ours: dict[int, float], base: dict[int, float]) -> list[float]:
    """Ours to the base's, in each round that has both."""
    return [value / base[number] for number, value in ours.items() if base.get(number)]


def cell(numbers: Iterable[float], form: str) -> str:
    """Median [lowest, highest]."""
    found = list(numbers)
    if not found:
        return "-"
    if len(set(found)) == 1:
        return f"{found[0]:{form}}"
    return f"{median(found):{form}} [{min(found):{form}}, {max(found):{form}}]"


def table(runs: list[Run]) -> str:
    """Markdown: a row per figure, a column per server; under each but nchan's, its ratio to nchan's."""
    peers = list(dict.fromkeys(run["peer"] for run in runs))
    lines = ["| | " + " | ".join(peers) + " |", "|---|" + "---|" * len(peers)]
    for row in ROWS:
        found = {peer: by_round(runs, row.scenario, peer, row.key) for peer in peers}
        if not any(found.values()):
            continue
        cells = []
        for peer, numbers in found.items():
            text = cell(numbers.values(), row.form)
            shares = ratios(numbers, found.get(BASE, {})) if row.compared and peer != BASE else []
            cells.append(f"{text}<br>{cell(shares, '.2f')} x" if shares else text)
        lines.append(f"| {row.scenario}: {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def goals(runs: list[Run]) -> str:
    """Markdown: what was promised, the ratio that was measured, and whether it is met."""
    lines = ["| figure | goal | measured | rounds | |", "|---|---|---|---|---|"]
    for goal in GOALS:
        found = goal.measured(runs)
        measured = f"{cell(found, '.2f')}{' x' if goal.base else ''}" if found else "-"
        lines.append(f"| {goal.title} | {goal.words} | {measured} | {len(found)} | {goal.verdict(runs)} |")
    return "\n".join(lines)


def notes(runs: list[Run]) -> list[str]:
    """Everything that speaks against a figure, and everything that is not there; the same words are said once."""
    said: dict[str, list[str]] = {}
    for run in runs:
        if "figures" in run:
            words = "; ".join(doubts(run["figures"]))
        else:
            words = f"left out: {run['left_out']}" if "left_out" in run else f"failed: {run['error']}"
        if words:
            said.setdefault(f"{label(run)} {run['peer']}: {words}", []).append(str(run["round"]))
    return [f"- {words} (round {', '.join(dict.fromkeys(numbers))})" for words, numbers in said.items()]


def pairs(runs: list[Run], scenario: str, ours: str = MEMORY) -> int:
    """In how many rounds both we and nchan were measured."""
    rounds = [
        {
            run["round"]
            for run in runs
            if run["scenario"] == scenario and run["peer"] == peer and "figures" in run
        }
        for peer in (BASE, ours)
    ]
    return len(rounds[0] & rounds[1])

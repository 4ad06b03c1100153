"""From runs to a table: medians with their range, ratios, and what makes a figure doubtful next to it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Any

BEGIN, END = "<!-- spine:begin -->", "<!-- spine:end -->"
BASE = "nchan"

#: A core that others use for more than this share of a window is not the server's or the generator's own.
WAITED_SHARE_MAX = 0.05

Run = dict[str, Any]

#: Scenario, key, title, unit format, and whether less is better (None: neither, no ratio).
ROWS: list[tuple[str, str, str, str, bool | None]] = [
    ("fanout", "cpu_us_per_delivery", "CPU per delivery, fan-out at a fixed rate (us)", ".2f", True),
    ("fanout", "latency_p50_ms", "latency p50 (ms)", ".2f", True),
    ("fanout", "latency_p99_ms", "latency p99 (ms)", ".2f", True),
    ("fanout", "bytes_per_delivery", "bytes on the wire per delivery", ".0f", None),
    ("burst", "deliveries_per_s", "deliveries/s at full speed", ",.0f", False),
    ("burst", "publishes_per_s", "publishes accepted/s meanwhile", ",.0f", False),
    ("burst", "cpu_us_per_delivery", "CPU per delivery at full speed (us)", ".2f", True),
    ("burst", "lost", "deliveries lost", ".0f", None),
    ("burst", "generator_share", "the generator's own share of its core", ".2f", None),
    ("idle", "rss_bytes_per_subscriber", "RSS per idle subscriber (bytes)", ",.0f", True),
    ("idle", "cpu_us_per_subscribe", "CPU per subscription set up (us)", ".1f", True),
]


def line(run: Run) -> str:
    """One run for the eye that waits."""
    if "error" in run:
        return f"FAILED: {run['error']}"
    figures = run["figures"]
    shown = [
        f"{key}={figures[key]:{form}}"
        for scenario, key, _, form, _ in ROWS
        if scenario == run["scenario"] and key in figures
    ]
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
    wrong = ("lost", "surplus", "refused", "closed_by_server")
    found += [f"{key.upper().replace('_', ' ')} {figures[key]}" for key in wrong if figures.get(key)]
    if figures.get("witness_agrees") is False:
        found.append("THE WITNESS DISAGREES WITH THE COUNT")
    return found


def values(runs: list[Run], scenario: str, peer: str, key: str) -> list[float]:
    """One figure of every round of a peer."""
    return [
        run["figures"][key]
        for run in runs
        if run["scenario"] == scenario and run["peer"] == peer and key in run.get("figures", {})
    ]


def cell(numbers: list[float], form: str) -> str:
    """Median [lowest, highest]."""
    if not numbers:
        return "-"
    if len(set(numbers)) == 1:
        return f"{numbers[0]:{form}}"
    return f"{median(numbers):{form}} [{min(numbers):{form}}, {max(numbers):{form}}]"


def ratio(ours: list[float], base: list[float], less_is_better: bool | None) -> str:
    """How many times better than the peer, by medians; below 1 is worse."""
    if less_is_better is None or not ours or not base or not median(ours) or not median(base):
        return ""
    times = median(base) / median(ours) if less_is_better else median(ours) / median(base)
    return f" ({times:.2f}x)"


def table(runs: list[Run]) -> str:
    """Markdown: a row per figure, a column per server, the ratio to nchan in each of ours."""
    peers = list(dict.fromkeys(run["peer"] for run in runs))
    lines = ["| | " + " | ".join(peers) + " |", "|---|" + "---|" * len(peers)]
    for scenario, key, title, form, less_is_better in ROWS:
        found = {peer: values(runs, scenario, peer, key) for peer in peers}
        if not any(found.values()):
            continue
        base = found.get(BASE, [])
        cells = [
            cell(numbers, form) + ("" if peer == BASE else ratio(numbers, base, less_is_better))
            for peer, numbers in found.items()
        ]
        lines.append(f"| {scenario}: {title} | " + " | ".join(cells) + " |")
    notes = [
        f"- {run['scenario']} {run['peer']}, round {run['round']}: " + (run.get("error") or "; ".join(said))
        for run in runs
        if (said := doubts(run.get("figures", {}))) or "error" in run
    ]
    return "\n".join(lines + (["", "To know before believing:", *notes] if notes else []))


def machine(root: Path) -> dict[str, Any]:
    """Where and of what this was measured."""
    model = "unknown"
    for cpu_line in Path("/proc/cpuinfo").read_text().splitlines():
        if cpu_line.startswith("model name"):
            model = cpu_line.partition(":")[2].strip()
            break
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": git(root, "rev-parse", "--short=12", "HEAD"),
        "changed_sources": bool(git(root, "status", "--porcelain", "--", "src")),
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def git(root: Path, *words: str) -> str:
    """What git says, or nothing where there is no repository."""
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def section(facts: dict[str, Any], runs: list[Run]) -> str:
    """The README's part: how, on what, what came out."""
    versions = [f"{name} {number}" for part in (BASE, "fast-sse") for name, number in facts[part].items()]
    settings = {run["scenario"]: run["options"] for run in runs}
    rounds = max(run["round"] for run in runs)
    commit = facts["commit"] + (" with uncommitted changes in src" if facts["changed_sources"] else "")
    return "\n".join(
        [
            (
                f"`{facts['command']}` at {commit}, {facts['date']}; median [lowest, highest] of {rounds} rounds; "
                "in parentheses how many times better than nchan (below 1: worse)."
            ),
            "",
            table(runs),
            "",
            (
                f"Machine: {facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, load average before "
                f"{facts['load_average']}. {', '.join(versions)}."
            ),
            "",
            *(
                f"- {name}: " + ", ".join(f"{key} {value}" for key, value in options.items())
                for name, options in settings.items()
            ),
        ]
    )


def write(directory: Path, facts: dict[str, Any], runs: list[Run], *, quotable: bool) -> list[Path]:
    """Keep the raw runs; put the table between the markers of the README if it may be quoted."""
    folder = directory / ("results" if quotable else "scratch")
    folder.mkdir(exist_ok=True)
    result = folder / f"spine-{time.strftime('%Y-%m-%d')}.json"
    result.write_text(json.dumps({"facts": facts, "runs": runs}, indent=1) + "\n")
    if not quotable:
        return [result]
    readme = directory / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{section(facts, runs)}\n{END}{after}")
    return [result, readme]

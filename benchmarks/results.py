"""Where figures are kept: raw runs as JSON, tables between markers, charts beside the docs.

Only a run that may be quoted touches what is committed; every other one writes to scratch/.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks import charts, headline, report
from benchmarks.report import Run

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

Facts = dict[str, Any]


def machine(root: Path) -> Facts:
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
        "memory_kib": memory_kib(Path("/proc/meminfo").read_text()),
        "kernel": platform.release(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def memory_kib(meminfo: str) -> int:
    """All of the machine's memory."""
    return next(int(line.split()[1]) for line in meminfo.splitlines() if line.startswith("MemTotal:"))


def git(root: Path, *words: str) -> str:
    """What git says, or nothing where there is no repository."""
    done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def commit(facts: Facts) -> str:
    """Which code it was."""
    return f"{facts['commit']}{' with uncommitted changes in src' if facts['changed_sources'] else ''}"


def how(facts: Facts) -> str:
    """One paragraph: command, code, machine."""
    return (
        f"`{facts['command']}` at {commit(facts)}, {facts['date']}. {facts['cpu']}, {facts['cores']} cores, "
        f"{facts['memory_kib'] / 1024**2:.1f} GiB, Linux {facts['kernel']}, load average before it "
        f"{facts['load_average']}. The server has one core, the generator another."
    )


def front_page(runs: list[Run]) -> str:
    """For the README: five lines, what is missed, and where the rest is."""
    return f"{headline.table(runs)}\n\n{headline.goals(runs)} {headline.ALL}"


def section(facts: Facts, runs: list[Run]) -> str:
    """For the benchmarks' own page: everything."""
    settings: dict[str, list[str]] = {}
    for run in runs:
        words = ", ".join(f"{key} {value:g}" for key, value in run["options"].items())
        if words not in settings.setdefault(run["scenario"], []):
            settings[run["scenario"]].append(words)
    versions = [
        f"- {peer} ({said['note']}): "
        + ", ".join(f"{name} {number}" for name, number in said["version"].items())
        for peer, said in facts["peers"].items()
    ]
    said = report.notes(runs)
    return "\n".join(
        [
            how(facts),
            "",
            "Median [lowest, highest] of the rounds; under it the ratio to nchan's figure of the same round.",
            "",
            report.table(runs),
            "",
            report.goals(runs),
            *(f"\n![{name.partition('.')[0]}](../docs/images/{name})" for name in charts.drawn(runs, "")),
            "",
            *versions,
            "",
            *(f"- {name}: " + "; ".join(words) for name, words in settings.items()),
            *(["", "To know before believing:", "", *said] if said else []),
            *(["", "Not measured here:", "", *(f"- {line}" for line in facts["absent"])]),
        ]
    )


def between_markers(text: str, new: str, first: str = BEGIN, last: str = END) -> str:
    """The page with `new` between its markers. Raises ValueError where it has none."""
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"no {first} … {last} in the page")
    return f"{before}{first}\n{new}\n{last}{after}"


def write(root: Path, facts: Facts, runs: list[Run], *, quotable: bool) -> list[Path]:
    """Keep the raw runs and draw the charts; put tables into the pages if the run may be quoted."""
    benchmarks = root / "benchmarks"
    results = benchmarks / ("results" if quotable else "scratch")
    images = root / "docs" / "images" if quotable else results
    for folder in (results, images):
        folder.mkdir(exist_ok=True, parents=True)
    files = {
        results / f"sidebyside-{time.strftime('%Y-%m-%d')}.json": json.dumps(
            {"facts": facts, "runs": runs}, indent=1
        )
        + "\n"
    }
    files |= {images / name: svg for name, svg in charts.drawn(runs, commit(facts)).items()}
    if quotable:
        for page, words in (
            (root / "README.md", front_page(runs)),
            (benchmarks / "README.md", section(facts, runs)),
        ):
            files[page] = between_markers(page.read_text(), words)
    for path, text in files.items():
        path.write_text(text)
    return list(files)

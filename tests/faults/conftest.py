"""Writes down what the full counts proved: one row of docs/chaos.md for each, by the tool and never by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.faults.counts import Record

ROOT = Path(__file__).parent.parent.parent
BOOK = ROOT / "docs" / "chaos.md"
HEAD = """# What the full counts proved

Written by `make chaos`, one row for each fault test that ran in full, passed or not; never typed. "0 lost of N" bounds
the true rate below 3/N with 95 % confidence. How each fault is made, and how it is known that it struck:
`tests/faults/`. A commit with a `+` had changes that were not committed.

| when (UTC) | command | commit | N | figure | result |
|---|---|---|---|---|---|
"""


def commit() -> str:
    """The commit under test, with a + when the product or its tests were changed since."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.strip()

    return git("rev-parse", "--short", "HEAD") + (
        "+" if git("status", "--porcelain", "--", "src", "tests") else ""
    )


def row(name: str, n: str, figure: str, result: str) -> str:
    """One line of the table."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    cells = (when, f"`pytest -m chaos -k {name}` on {os.cpu_count()} cores", commit(), n, figure, result)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Record:
    """`record(n, figure)`: what a fault test counted and found; a row of the book when it ran in full."""

    def note(n: str, figure: str) -> None:
        request.node.user_properties.append(("figure", (n, figure)))

    return note


def figures_of(properties: list[tuple[str, object]]) -> list[tuple[str, str]]:
    """What a test recorded, as (N, figure)."""
    return [(str(value[0]), str(value[1])) for name, value in properties if name == "figure"]  # type: ignore[index]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the rows of a test in full once its verdict is known."""
    report = yield
    if call.when == "call" and item.get_closest_marker("chaos"):
        figures = figures_of(item.user_properties) or [("-", "ended before it counted anything")]
        if not BOOK.exists():
            BOOK.parent.mkdir(exist_ok=True)
            BOOK.write_text(HEAD)
        with BOOK.open("a") as book:
            book.writelines(row(item.name.split("[")[0], *figure, report.outcome) for figure in figures)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print every figure, small counts too: "passed" alone does not say of how many."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {n}: {figure}"
        for report in reports
        for n, figure in figures_of(report.user_properties)
    ]
    if lines:
        terminalreporter.section("faults: figures")
        for line in lines:
            terminalreporter.line(line)

"""Writes down what the full counts proved: one row of docs/chaos.md for each, by the tool and never by hand."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from tests.faults.book import row, write
from tests.faults.counts import Record


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
        write([row(item.name.split("[")[0], *figure, report.outcome) for figure in figures])
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

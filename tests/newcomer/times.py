"""How long the steps of a first hour took: a row of docs/newcomer.md each run, written by the test and never by hand."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "newcomer.md"
STEPS = (
    "packages before",
    "first event",
    "again, from the cache",
    "quick start",
    "tutorial",
    "make test, up to its tests",
)
HEAD = f"""# A newcomer's first hour

Written by `pytest -m chaos tests/newcomer`, never typed. Each row is a machine on which nobody worked before. All that README,
the [quick start](quick-start.md) and the [tutorial](tutorial.md) say was pasted as it stands. Numbers are seconds.

- **load**: how many processes wanted a core, on average over a quarter of an hour. With more than there are cores, times are longer.
- **packages before**: the line with `apt-get` in README. Root installs only make, and `make demo` the rest.
- **first event**: from `make demo` until a subscriber printed a message, with nothing downloaded before.
- **again, from the cache**: the same with `.venv` deleted, and the packages downloaded before.
- **tutorial**: from the empty folder until each window showed what was bought while the shop was dead. Chromium ran outside that machine.
- **make test, up to its tests**: test tools, lint, types and layers, then one file of tests.

| when (UTC) | commit | machine | who | {" | ".join(STEPS)} |
|---|---|---|---|{"---|" * len(STEPS)}
"""


class Times:
    """The seconds of one run."""

    def __init__(self) -> None:
        self.where = self.who = self.commit = ""
        self.seconds: dict[str, float] = {}

    def of(self, where: str, who: str, commit: str) -> None:
        """Whose they are, and with what."""
        self.where, self.who, self.commit = where, who, commit

    def note(self, step: str, seconds: float) -> float:
        """Keep what a step took, and return it."""
        assert step in STEPS
        self.seconds[step] = seconds
        return seconds

    def row(self, when: datetime) -> str:
        """A line of the page; a step that was not reached has a dash."""
        took = [f"{self.seconds[step]:.1f}" if step in self.seconds else "-" for step in STEPS]
        machine = f"{self.where}, {os.cpu_count()} cores, load {os.getloadavg()[2]:.1f}"
        return f"| {' | '.join((when.strftime('%Y-%m-%d %H:%M'), self.commit, machine, self.who, *took))} |\n"

    def write(self, page: Path) -> None:
        """Append the row, and make the page where there is none."""
        before = page.read_text() if page.exists() else HEAD
        page.write_text(before + self.row(datetime.now(UTC)))

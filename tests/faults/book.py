"""The book of the full counts, docs/chaos.md: its head, and a row for each test, in sentences that a reader takes in at once."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
BOOK = ROOT / "docs" / "chaos.md"
HEAD = """# What the full counts proved

`make chaos` kills, stops, cuts and fills hubs and their servers, and counts what clients saw. It adds a row to this page for each test,
passed or failed. Read here how often each fault was made, and what was found. The tests are in `tests/faults/`: each one makes sure that
its fault really struck.

- **No defect**: the checker found nothing wrong. Otherwise the row counts each defect by its name. A message was *lost*, came twice
  (*duplicate*), out of order (*reorder*) or on a wrong channel (*leak*), or was never published (*phantom*). Clients saw different orders
  (*disagreement*). A *gap* had no reason. An answer told a browser to give up (*final*). Nothing was there to be checked (*empty*).
- **Pairs**: a message and a client that had to get it. The true rate of defects is below the **95 % bound** with 95 % confidence.
- **No defect** of dead letters: each message that was due has one letter, the same on all nodes. No letter is false or of another run.
  Otherwise the row counts them: missing, doubled, false, stray. **Marked** letters say `maybe_delivered`, of messages that a client saw.
- **Decided after**: from the publish to the letter, by the clock of the store. Some tests set that clock.
- **A commit with a `+`** had changes that were not committed.

| when (UTC) | command | commit | how many | figure | result |
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


def told(figure: str) -> str:
    """A figure of several parts, and its evidence line by line, as sentences."""
    parts = "; ".join(line.strip() for line in figure.splitlines()).split("; ")
    return ". ".join(part[:1].upper() + part[1:] for part in parts)


def row(name: str, n: str, figure: str, result: str) -> str:
    """One line of the table."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    command = f"`pytest -m chaos -k {name}` on {os.cpu_count()} cores"
    cells = (when, command, commit(), n, told(figure), result)
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def write(rows: list[str]) -> None:
    """Add rows to the book."""
    if not BOOK.exists():
        BOOK.parent.mkdir(exist_ok=True)
        BOOK.write_text(HEAD)
    with BOOK.open("a") as book:
        book.writelines(rows)

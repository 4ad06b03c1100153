"""The table of docs/clients.md, written by what was measured: `.venv/bin/python -m tests.clients.table`.

It plays every scenario with every client that is installed, which takes half an hour, and writes the table and the
recipes between their markers. What it saw it keeps in .clients/measured.json: `--again` writes the page from there,
`--recipes` writes the recipes only.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.clients import recipes
from tests.clients.catalogue import HOME, Client, catalogue
from tests.clients.expected import SPARED, flaw_of
from tests.clients.foreign import LOCKS, build, foreign
from tests.clients.scenarios import SCENARIOS, cells, complaints
from tests.clients.verdict import Cell
from tests.support.server import ROOT

PAGE = ROOT / "docs" / "clients.md"
#: Clients that play together; more would wait for one another on a small machine.
TOGETHER = 10

KEPT = HOME / "measured.json"

#: By scenario, then by row.
Table = dict[str, dict[str, Cell]]


def everyone() -> tuple[list[Client], dict[str, str]]:
    """All clients that can play, and by language why its clients cannot."""
    missing = {language: reason for language in LOCKS if (reason := build(language))}
    there = [client for client in foreign() if client.language not in missing]
    return [*catalogue(), *there], missing


def groups(clients: Sequence[Client]) -> Iterator[list[Client]]:
    """Those that play together."""
    for at in range(0, len(clients), TOGETHER):
        yield list(clients[at : at + TOGETHER])


async def measured(clients: Sequence[Client]) -> Table:
    """Play everything, one scenario and one group after the other."""
    table: Table = {}
    for scenario in SCENARIOS:
        found = table[scenario.name] = {}
        for group in groups(clients):
            with tempfile.TemporaryDirectory() as directory:
                found |= await cells(scenario.name, group, Path(directory))
        for said in complaints(scenario.name, found):
            sys.stderr.write(f"{said}\n")
        KEPT.write_text(json.dumps(table))
    return table


def kept() -> Table:
    """What was measured last."""
    table = json.loads(KEPT.read_text())
    return {name: {row: Cell(*cell) for row, cell in found.items()} for name, found in table.items()}


class Notes:
    """Footnotes: equal sentences share a number."""

    def __init__(self) -> None:
        self._sentences: list[str] = []

    def mark(self, sentence: str) -> str:
        """The mark in the table."""
        if sentence not in self._sentences:
            self._sentences.append(sentence)
        return f" ({self._sentences.index(sentence) + 1})"

    def __str__(self) -> str:
        return "\n".join(f"{number}. {text}" for number, text in enumerate(self._sentences, 1))


def _figure(row: str, scenario: str, cell: Cell | None, notes: Notes) -> str:
    """One cell as text."""
    if cell is None:
        spared = SPARED.get((row, scenario))
        return f"-{notes.mark(spared)}" if spared else "-"
    flaw = flaw_of(row, scenario)
    mark = notes.mark(flaw.note) if flaw else ""
    if cell.clean:
        return f"0 of {cell.of}{mark}"
    parts = [
        f"{count} {word}"
        for count, word in zip(cell[1:4], ("lost", "double", "phantom"), strict=True)
        if count
    ]
    if not cell.came_back:
        parts.append("gives up")
    elif cell.untold:
        parts.append("not told")
    return f"**{', '.join(parts)}**{f' of {cell.of}' if cell.came_back else ''}{mark}"


def rendered(table: Table, clients: Sequence[Client], missing: dict[str, str]) -> str:
    """The table, its notes, and what could not be played."""
    notes = Notes()
    heads = ["client", "version", *(scenario.title for scenario in SCENARIOS)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for client in clients:
        cells_of = [
            _figure(client.row, one.name, table[one.name].get(client.row), notes) for one in SCENARIOS
        ]
        lines.append(f"| {' | '.join([client.row, client.version, *cells_of])} |")
    messages = sum(cell.of for column in table.values() for cell in column.values())
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    said = f"{len(clients)} rows, {messages:,} messages, measured {when}."
    absent = [f"Not played: the clients in {language}: {reason}." for language, reason in missing.items()]
    return "\n".join([*lines, "", said, *absent, "", str(notes), ""])


def scenarios_rendered() -> str:
    """What each column is."""
    return "\n".join(f"- **{scenario.title}**: {scenario.what}" for scenario in SCENARIOS) + "\n"


def between(page: str, marker: str) -> str:
    """The part of a page between two markers."""
    (found,) = re.findall(rf"<!-- {marker} -->\n(.*?)<!-- /{marker} -->", page, re.DOTALL)
    return str(found)


def replaced(page: str, marker: str, text: str) -> str:
    """The page with that part replaced."""
    return page.replace(f"<!-- {marker} -->\n{between(page, marker)}", f"<!-- {marker} -->\n{text}")


def write(table: Table | None, clients: Sequence[Client], missing: dict[str, str]) -> None:
    """Write what there is into the page."""
    page = PAGE.read_text()
    if table is not None:
        page = replaced(page, "table", rendered(table, clients, missing))
    page = replaced(page, "scenarios", scenarios_rendered())
    PAGE.write_text(replaced(page, "recipes", recipes.rendered(recipes.best([*catalogue(), *foreign()]))))


def main() -> None:
    """Measure and write, or write what there is."""
    if sys.argv[1:] == ["--recipes"]:
        write(None, (), {})
        return
    clients, missing = everyone()
    table = kept() if sys.argv[1:] == ["--again"] else asyncio.run(measured(clients))
    write(table, clients, missing)


if __name__ == "__main__":
    main()

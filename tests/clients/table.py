"""The table of docs/clients.md, written by what was measured: `.venv/bin/python -m tests.clients.table`.

It plays every scenario with every client that is installed, which takes half an hour, and writes the table and the
recipes between their markers. What it saw it keeps in .clients/measured.json: `--again` writes the page from there,
`--recipes` writes all but the table: nothing of that was measured.
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
from tests.clients.catalogue import HOME, PLAIN, Client, catalogue
from tests.clients.expected import SPARED, flaw_of
from tests.clients.foreign import LOCKS, build, foreign
from tests.clients.scenarios import SCENARIOS, cells, complaints
from tests.clients.verdict import Cell
from tests.support.server import ROOT

PAGE = ROOT / "docs" / "clients.md"
#: Clients that play together; more would wait for one another on a small machine.
TOGETHER = 10

KEPT = HOME / "measured.json"

#: What a reader calls it, where the catalogue's word is another.
LANGUAGES = {"browser": "a page, without a library"}

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


def note_of(row: str, scenario: str) -> str:
    """What there is to say of a cell; empty for most."""
    flaw = flaw_of(row, scenario)
    return flaw.note if flaw else SPARED.get((row, scenario), "")


def notes_of(clients: Sequence[Client]) -> list[str]:
    """The footnotes of these rows, in the order of their cells. Equal sentences share a number."""
    sentences = [note_of(client.row, scenario.name) for client in clients for scenario in SCENARIOS]
    return [*dict.fromkeys(filter(None, sentences))]


def _figure(row: str, scenario: str, cell: Cell | None, notes: list[str]) -> str:
    """One cell as text."""
    note = note_of(row, scenario)
    mark = f" ({notes.index(note) + 1})" if note else ""
    if cell is None:
        return f"-{mark}"
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
    """The table, and what could not be played."""
    notes = notes_of(clients)
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
    return "\n".join([*lines, "", said, *absent, ""])


def notes_rendered(clients: Sequence[Client]) -> str:
    """The footnotes as a list."""
    return "".join(f"{number}. {text}\n" for number, text in enumerate(notes_of(clients), 1))


def choice_rendered(clients: Sequence[Client]) -> str:
    """Which library does as it is, which needs its recipe, and which no recipe mends, by language."""
    clean = {client.row: not any(note_of(client.row, one.name) for one in SCENARIOS) for client in clients}
    best = {client.name: client.row for client in recipes.best(clients)}
    places = recipes.anchors(recipes.best(clients))
    found: dict[str, tuple[list[str], list[str], list[str]]] = {}
    for client in clients:
        if client.variant == PLAIN and client.family != "own":
            column = 0 if clean[client.row] else 1 if clean[best[client.name]] else 2
            kinds = found.setdefault(LANGUAGES.get(client.language, client.language), ([], [], []))
            kinds[column].append(f"[{client.name}](#{places[client.name]})")
    heads = ("you write for", "does as its README shows it", "needs its recipe", "may lose a message even so")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [f"| {language} | {' | '.join(map(', '.join, kinds))} |" for language, kinds in found.items()]
    return "\n".join(lines) + "\n"


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


def texts(clients: Sequence[Client]) -> dict[str, str]:
    """What is written beside the table, by its marker. `clients`: the rows of the table."""
    everyone = [*catalogue(), *foreign()]
    return {
        "choice": choice_rendered(everyone),
        "notes": notes_rendered(clients),
        "scenarios": scenarios_rendered(),
        "recipes": recipes.rendered(recipes.best(everyone)),
    }


def write(table: Table | None, clients: Sequence[Client], missing: dict[str, str]) -> None:
    """Write what there is into the page."""
    page = PAGE.read_text()
    if table is not None:
        page = replaced(page, "table", rendered(table, clients, missing))
    for marker, text in texts(clients or [*catalogue(), *foreign()]).items():
        page = replaced(page, marker, text)
    PAGE.write_text(page)


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

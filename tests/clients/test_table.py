"""The page about clients: what stands there is what was measured and what was run, of the clients that are locked."""

from __future__ import annotations

import re

import pytest
from tests.clients import recipes, table
from tests.clients.catalogue import PLAIN, Client, catalogue
from tests.clients.expected import flaw_of
from tests.clients.foreign import foreign
from tests.clients.scenarios import SCENARIOS, complaints
from tests.clients.verdict import Cell

_MARK = re.compile(r" \((\d+)\)$")

FETCH, ESSENTIAL, HTTP = "npm @microsoft/fetch-event-source", "npm eventsource 4", "npm eventsource 2"


def a_table(rows: list[Client]) -> table.Table:
    """Every cell as expected."""
    found: table.Table = {}
    for scenario in SCENARIOS:
        flaws = {client.row: flaw_of(client.row, scenario.name) for client in rows}
        found[scenario.name] = {
            row: flaw.cell(scenario.name, Cell(7)) if flaw else Cell(7) for row, flaw in flaws.items()
        }
    return found


def lines_of(page: str) -> dict[str, list[str]]:
    """The rows of the table on a page, by client."""
    lines = [
        line.strip("| ").split(" | ") for line in table.between(page, "table").splitlines() if line[:1] == "|"
    ]
    return {line[0]: line[1:] for line in lines[2:]}


def test_the_page_has_every_client_at_the_version_of_its_lock() -> None:
    """A client that is added or moved is measured anew; a browser is the machine's and may be newer."""
    there = lines_of(table.PAGE.read_text())
    clients = [*catalogue(), *foreign()]
    assert set(there) == {client.row for client in clients}
    locked = [client for client in clients if client.language != "browser"]
    assert {client.row: there[client.row][0] for client in locked} == {
        client.row: client.version for client in locked
    }


def test_the_page_shows_what_is_expected() -> None:
    """Figures in bold are where a flaw is named, and nowhere else."""
    there = lines_of(table.PAGE.read_text())
    for row, (_, *figures) in there.items():
        for scenario, figure in zip(SCENARIOS, figures, strict=True):
            assert ("**" in figure) == (flaw_of(row, scenario.name) is not None), (row, scenario.name, figure)


def test_the_page_shows_the_recipes_that_are_run() -> None:
    """`.venv/bin/python -m tests.clients.table --recipes` changes nothing."""
    page = table.PAGE.read_text()
    rows = lines_of(page)
    shown = [client for client in [*catalogue(), *foreign()] if client.row in rows]
    assert {marker: table.between(page, marker) for marker in table.texts(shown)} == table.texts(shown)


def test_the_page_leads_from_a_figure_to_its_note() -> None:
    """The number behind a figure is that of what there is to say of its cell, and no other cell has one."""
    page = table.PAGE.read_text()
    notes = re.findall(r"^\d+\. (.*)$", table.between(page, "notes"), re.MULTILINE)
    marks = {
        (row, scenario.name): notes[int(found[1]) - 1] if (found := _MARK.search(figure)) else ""
        for row, (_, *figures) in lines_of(page).items()
        for scenario, figure in zip(SCENARIOS, figures, strict=True)
    }
    assert len(notes) > 5
    assert marks == {place: table.note_of(*place) for place in marks}


def test_the_page_says_which_library_to_take() -> None:
    """Clean without more, clean by its recipe, or never: each library is in one cell, behind a link to its recipe."""
    clients = [*catalogue(), *foreign()]
    text = table.choice_rendered(clients)
    (line,) = [line for line in text.splitlines() if line.startswith("| JavaScript ")]
    _, clean, mended, lossy = line.strip("| ").split(" | ")
    assert "[npm eventsource 5](#npm-eventsource-3-npm-eventsource-4-npm-eventsource-5)" in clean
    assert mended == "[npm sse.js](#npm-ssejs)"
    assert [name in lossy for name in (FETCH, HTTP, ESSENTIAL)] == [True, True, False]
    names = [one.name for one in clients if one.variant == PLAIN and one.family != "own"]
    assert sorted(re.findall(r"\[([^]]+)\]\(#", text)) == sorted(names)


def test_each_recipe_is_code_that_a_driver_has() -> None:
    """No recipe is empty, and none has a trace of the tests."""
    for client in recipes.best([*catalogue(), *foreign()]):
        code = recipes.recipe(client).code
        assert len(code) > 30, client.row
        assert "tests." not in code
        assert "type: ignore" not in code


def test_a_cell_says_what_was_seen() -> None:
    """Clean is `0 of N`; a flaw is in bold and leads to its sentence; what was not played has no figure."""
    rows = [client for client in catalogue() if client.row in (FETCH, ESSENTIAL, HTTP)]
    text = table.rendered(a_table(rows), rows, {"Go": "Go is not installed"})
    (fetch,) = [line for line in text.splitlines() if line.startswith(f"| {FETCH} |")]
    assert "| 0 of 7 |" in fetch
    (http,) = [line for line in text.splitlines() if line.startswith(f"| {HTTP} |")]
    assert "| **1 lost** of 7 (" in http
    assert "| **gives up** (" in fetch
    assert "Not played: the clients in Go: Go is not installed." in text
    assert "Mend it with `throw new Error(" in table.notes_rendered(rows)


def test_a_part_of_a_page_is_replaced_whole() -> None:
    """What stands between two markers goes, and nothing else."""
    page = "a\n<!-- table -->\nold\n<!-- /table -->\nb\n"
    assert table.replaced(page, "table", "new\n") == "a\n<!-- table -->\nnew\n<!-- /table -->\nb\n"


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.browser
async def test_every_client_in_every_scenario() -> None:
    """Every cell of docs/clients.md is as expected; the page is written from what was seen."""
    clients, missing = table.everyone()
    found = await table.measured(clients)
    table.write(found, clients, missing)
    assert not [said for name, column in found.items() for said in complaints(name, column)]

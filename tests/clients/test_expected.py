"""The expectations of the client table: they complain of what is worse, and of what is better than they say."""

from __future__ import annotations

import pytest
from tests.clients.catalogue import catalogue
from tests.clients.expected import FLAWS, SPARED, complaint, flaw_of
from tests.clients.foreign import foreign
from tests.clients.recipes import recipe
from tests.clients.scenarios import SCENARIOS
from tests.clients.verdict import GAP, Cell

SSE_JS, FETCH = "npm sse.js", "npm @microsoft/fetch-event-source"


@pytest.mark.parametrize(
    ("row", "scenario", "cell"),
    [
        ("npm eventsource 4", "mid-block", Cell(6, lost=1)),
        ("npm eventsource 4", "mid-block", Cell(6, doubled=1)),
        ("npm eventsource 4", "mid-block", Cell(6, phantom=1)),
        ("npm eventsource 4", "mid-block", Cell(6, came_back=False)),
        ("npm eventsource 4", "gap", Cell(6, untold=GAP)),
        (SSE_JS, "mid-block", Cell(6)),
        (SSE_JS, "mid-block", Cell(6, phantom=1, came_back=False)),
        ("npm eventsource 2", "every-byte", Cell(101)),
        (FETCH, "every-byte", Cell(101, lost=2)),
        (FETCH, "every-byte", Cell(101, doubled=1)),
        ("Go r3labs/sse", "every-byte", Cell(101, doubled=7)),
    ],
)
def test_a_cell_that_is_not_as_expected_is_complained_of(row: str, scenario: str, cell: Cell) -> None:
    """A loss, a double, a phantom, who stays away, and a flaw that is no more: each is a complaint."""
    assert complaint(row, scenario, cell)


@pytest.mark.parametrize(
    ("row", "scenario", "cell"),
    [
        ("npm eventsource 4", "mid-block", Cell(6)),
        (SSE_JS, "mid-block", Cell(2, came_back=False)),
        (SSE_JS, "gap", Cell(2, came_back=False, untold=GAP)),
        (FETCH, "every-byte", Cell(101, lost=1)),
        (FETCH, "every-byte", Cell(101)),
        ("Go r3labs/sse", "every-byte", Cell(101, doubled=7, phantom=3)),
    ],
)
def test_a_cell_that_is_as_expected_is_not(row: str, scenario: str, cell: Cell) -> None:
    """What is clean, or exactly the named flaw, is fine."""
    assert not complaint(row, scenario, cell)


def test_expectations_are_of_cells_that_there_are() -> None:
    """A flaw of a client or a scenario that is gone goes too."""
    rows = {client.row for client in [*catalogue(), *foreign()]}
    names = {scenario.name for scenario in SCENARIOS}
    assert set(FLAWS) <= rows
    assert {name for flaws in FLAWS.values() for several in flaws for name in several} <= names
    assert {row for row, _ in SPARED} <= rows
    assert flaw_of(SSE_JS, "mid-block") is not None


def test_a_line_that_mends_is_one_of_the_recipe() -> None:
    """What the docs say mends a client stands in the code that its mended row was measured with."""
    clients = {client.row: client for client in [*catalogue(), *foreign()]}
    lines = {(row, flaw.mend) for row, flaws in FLAWS.items() for flaw in flaws.values() if flaw.mend}
    assert lines
    assert not [(row, line) for row, line in lines if line not in recipe(clients[row]).code]

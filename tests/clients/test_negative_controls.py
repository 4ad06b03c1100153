"""The table turns red for a hub with the faults that it is here for, and for the clients that have to bear them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.clients.catalogue import catalogue
from tests.clients.scenarios import cells, complaints, named, need

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(120)]


async def red(
    directory: Path, scenario: str, module: str, suffers: set[str], others: set[str]
) -> tuple[set[str], set[str]]:
    """The rows that lost messages, and those that something is complained of."""
    clients = need(named(catalogue(), *suffers, *others), every=True)
    found = await cells(scenario, clients, directory, f"tests.clients.broken.{module}")
    return (
        {row for row, cell in found.items() if cell.lost},
        {said.split(",")[0] for said in complaints(scenario, found)},
    )


async def test_ids_without_data_are_lost_by_those_who_drop_such_blocks(tmp_path: Path) -> None:
    """A hub that primes with a block without data loses messages for these clients, and for no others."""
    suffers = {
        "npm event-source-polyfill",
        "npm eventsource 3",
        "npm eventsource-client",
        "npm launchdarkly-eventsource",
        "npm event-source-plus",
    }
    others = {"npm eventsource 2", "npm eventsource 5", "fast-sse subscribe"}
    assert await red(tmp_path, "before-first", "id_only", suffers, others) == (suffers, suffers)


async def test_an_id_that_stands_first_loses_for_those_who_keep_half_a_block(tmp_path: Path) -> None:
    """A hub that puts the id first loses a message for a client that keeps the id of a block which breaks off."""
    suffers, others = {"npm extended-eventsource"}, {"npm eventsource 4", "fast-sse subscribe"}
    assert await red(tmp_path, "mid-block", "id_first", suffers, others) == (suffers, suffers)

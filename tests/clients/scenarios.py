"""Every scenario, in the order of the table's columns, and cells of several clients in one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.clients.catalogue import Client
from tests.clients.cuts import CUTS
from tests.clients.expected import SPARED, complaint
from tests.clients.outages import OUTAGES
from tests.clients.stage import Scenario, perform
from tests.clients.verdict import Cell, judge

SCENARIOS: tuple[Scenario, ...] = (*CUTS, *OUTAGES)


def scenario(name: str) -> Scenario:
    """One of them by name."""
    (found,) = [one for one in SCENARIOS if one.name == name]
    return found


def named(clients: Sequence[Client], *rows: str) -> list[Client]:
    """The clients of these rows, each of which there must be."""
    found = [client for client in clients if client.row in rows]
    assert len(found) == len(rows), f"{set(rows) - {client.row for client in found}} are no rows"
    return found


async def cells(
    name: str, clients: Sequence[Client], directory: Path, module: str = "fast_sse"
) -> dict[str, Cell]:
    """The cells of one scenario, by row, but those that would say nothing."""
    played = [client for client in clients if (client.row, name) not in SPARED]
    seen = await perform(scenario(name), played, directory, module)
    return {row: judge(observation) for row, observation in seen.items()}


def complaints(name: str, found: dict[str, Cell]) -> list[str]:
    """What is not as expected."""
    return [said for row, cell in found.items() if (said := complaint(row, name, cell))]


def need(clients: Sequence[Client], *, every: bool = False) -> list[Client]:
    """Those that are installed. In CI all must be; a laptop without any, or without one of `every`, skips."""
    there = [client for client in clients if not client.needs]
    if len(there) < len(clients) and os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {sorted({path for client in clients for path in client.needs})}")
    if not there or (every and len(there) < len(clients)):
        pytest.skip("not installed: see scripts/setup-clients")
    return there

"""A compressed stream breaks off like any other: every client that unpacks it comes back and has missed nothing.

A gzip body that ends has no check sum, and one that is cut ends in the middle of a block. Some decoders call both an error. None
of the clients may take that for the end of everything, or hand over half a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.clients.catalogue import MENDED, Client, catalogue
from tests.clients.expected import SPARED, complaint
from tests.clients.foreign import build, foreign
from tests.clients.scenarios import SCENARIOS, need, scenario
from tests.clients.stage import perform
from tests.clients.test_gzip import FOREIGN, UNPACK
from tests.clients.verdict import judge

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.browser]

#: A hub whose streams are gzip for those that take it.
COMPRESSED = "tests.clients.compressed"


def best(clients: Sequence[Client], names: Sequence[str]) -> list[Client]:
    """The clients of these names, mended where there is a mended row."""
    mended = {client.name for client in clients if client.variant == MENDED}
    return [
        client
        for client in clients
        if client.name in names and (client.variant == MENDED or client.name not in mended)
    ]


async def expect_nothing_lost(name: str, clients: Sequence[Client], directory: Path) -> None:
    """Play a scenario: each is as it is with plain streams, and each of its streams was compressed."""
    played = [client for client in clients if (client.row, name) not in SPARED]
    seen = await perform(scenario(name), played, directory, COMPRESSED)
    assert {row: one.gzip for row, one in seen.items()} == {row: one.streams for row, one in seen.items()}
    assert [said for row, one in seen.items() if (said := complaint(row, name, judge(one)))] == []


@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", ["mid-block", "drain"])
async def test_a_compressed_stream_resumes(tmp_path: Path, name: str) -> None:
    """Cut inside a compressed block, and ended by a hub that stops."""
    clients = need(best(catalogue(), UNPACK))
    assert len(clients) == len(UNPACK)
    await expect_nothing_lost(name, clients, tmp_path)


@pytest.mark.chaos
@pytest.mark.parametrize("name", [one.name for one in SCENARIOS])
async def test_every_scenario_of_the_page_compressed(tmp_path: Path, name: str) -> None:
    """All of them, with the clients in other languages, too."""
    built = [language for language in ("Go", "Java", "Rust") if not await asyncio.to_thread(build, language)]
    others = [client for client in foreign() if client.language in built]
    await expect_nothing_lost(name, [*need(best(catalogue(), UNPACK)), *best(others, FOREIGN)], tmp_path)

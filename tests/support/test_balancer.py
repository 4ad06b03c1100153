"""The balancer is a part of proofs, so it is proved itself: in turn, past who refuses, and both ways to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.balancer import Balancer
from tests.support.closing import served
from tests.support.http1 import Address
from tests.support.server import stable_port

pytestmark = pytest.mark.wire


@asynccontextmanager
async def node(name: bytes) -> AsyncIterator[Address]:
    """Says its name, then every byte back, and closes when the other side does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name)
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    async with served(serve) as address:
        yield address


async def said(address: Address, word: bytes = b"") -> bytes:
    """All that a connection hears that says one word and no more."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(word)
    writer.write_eof()
    heard = await reader.read()
    writer.close()
    return heard


async def test_connections_go_round() -> None:
    """Each connection goes to the next node, and every byte both ways."""
    async with node(b"a") as first, node(b"b") as second, Balancer([first, second]) as balancer:
        assert [await said(balancer.address, b"!") for _ in range(4)] == [b"a!", b"b!", b"a!", b"b!"]
        assert balancer.given == {first: 2, second: 2}


async def test_a_node_that_refuses_is_passed_over() -> None:
    """A client does not notice a node that is away."""
    gone = ("127.0.0.1", stable_port())
    async with node(b"a") as first, Balancer([gone, first]) as balancer:
        assert [await said(balancer.address) for _ in range(4)] == [b"a"] * 4
        assert balancer.passed_over > 0
        assert balancer.turned_away == 0


async def test_without_a_node_the_client_is_cut() -> None:
    """It hears no answer that it could take for the end."""
    async with Balancer([("127.0.0.1", stable_port())]) as balancer:
        assert await said(balancer.address) == b""
        assert balancer.turned_away == 1

"""What the consumers of examples/ do besides surviving kills: where they begin, gaps, reconnects, refusals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import indent
from typing import Self

import pytest
from tests.docs.shell import DOCS, blocks
from tests.faults.consumers import CHANNEL, DATABASE, FILE, NODE, Consumer, Way
from tests.support.closing import close_listener
from tests.support.http1 import Address
from tests.support.node import node_missing
from tests.support.proxy import Proxy
from tests.support.publisher import publish_once
from tests.support.server import ROOT, Hub
from tests.support.sign import v2

pytestmark = [pytest.mark.wire, pytest.mark.slow]

each_way = pytest.mark.parametrize(
    "way",
    [
        pytest.param(FILE, id="file"),
        pytest.param(DATABASE, id="database"),
        pytest.param(
            NODE, id="node", marks=pytest.mark.skipif(node_missing(), reason="node is not installed")
        ),
    ],
)
#: A whole block, the id first: the order that is the worst for a client that keeps the id of half a block.
BLOCK = b'id: s1.second\nevent: cart\ndata: {"data":"second \xc3\xa9","headers":{}}\n\n'


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub of the test's own, whose streams come back after 40 ms."""
    async with Hub(tmp_path) as hub:
        yield hub


async def publish(hub: Hub, *messages: object) -> None:
    """Publish each."""
    for message in messages:
        assert (await publish_once(hub.public, CHANNEL, message)).status == 200


@each_way
async def test_the_first_start_begins_with_the_earliest(tmp_path: Path, hub: Hub, way: Way) -> None:
    """What was published before a consumer ever ran is done, whatever JSON value it is."""
    messages: list[object] = [None, 0, "", "two\nlines é", {"a": [1]}]
    await publish(hub, *messages)
    async with Consumer(way, hub.public, tmp_path) as consumer:
        await consumer.start()
        await consumer.until(lambda: len(consumer.lives[0]) == len(messages))
    assert consumer.lives == [messages]


@each_way
async def test_a_gap_is_reported_and_gone_on_from(tmp_path: Path, hub: Hub, way: Way) -> None:
    """A cursor of another log is told with its reason, what the hub has is done, and the next life has no gap."""
    async with Consumer(way, hub.public, tmp_path) as consumer:
        await publish(hub, "before")
        await consumer.start()
        await consumer.until_done("before")
        consumer.kill_now()
        await consumer.end()
        consumer.forge("s1.0000000000000.1")
        for message in ("after", "the next"):
            await publish(hub, message)
            await consumer.start()
            await consumer.until_done(message)
            consumer.kill_now()
            await consumer.end()
    gaps = [json.loads(line.removeprefix("gap")) for line in consumer.said if line.startswith("gap")]
    assert [(gap["reason"], gap["from"]) for gap in gaps] == [("epoch", "s1.0000000000000.1")]
    assert consumer.lives[:2] == [["before"], ["before", "after"]]
    assert consumer.lives[2] in (
        ["the next"],
        ["after", "the next"],
    )  # the one in hand at the kill may come again


@each_way
async def test_cut_connections_are_resumed(tmp_path: Path, hub: Hub, way: Way) -> None:
    """What is published around a cut is done once, in order, and the hub's `retry:` says how soon."""
    cuts = 12
    async with Proxy(hub.public) as proxy, Consumer(way, proxy.address, tmp_path) as consumer:
        await publish(hub, "first")
        await consumer.start()
        await consumer.until_done("first")
        async with asyncio.timeout(20):  # with the wait of their own, 2 s, it would take 24
            for number in range(cuts):
                proxy.cut()
                await publish(hub, f"a{number}", f"b{number}")
                await consumer.until_done(f"b{number}")
    assert consumer.lives == [["first", *(f"{half}{number}" for number in range(cuts) for half in "ab")]]


@each_way
async def test_a_refusal_is_the_end(tmp_path: Path, hub: Hub, way: Way) -> None:
    """A consumer without a right to its channel says so and ends; it does not come back for ever."""
    async with Consumer(way, hub.public, tmp_path) as consumer:
        consumer.signature = "0" * 64
        await consumer.start()
        async with asyncio.timeout(20):
            assert await consumer.end() == 1
    assert any("401" in line for line in consumer.said)


@each_way
async def test_a_signature_that_ran_out_is_the_end(tmp_path: Path, hub: Hub, way: Way) -> None:
    """What it is told would be told again for ever: it says so, ends, and has its cursor for the next life."""
    await publish(hub, "first")
    async with Consumer(way, hub.public, tmp_path) as consumer:
        consumer.signature = v2("sub", *CHANNEL, lives_s=8)  # more than a busy machine needs to start it
        await consumer.start()
        await consumer.until_done("first")
        async with asyncio.timeout(20):
            assert await consumer.end() == 1
        assert any("the signature has run out" in line for line in consumer.said)
        await publish(hub, "second")
        consumer.signature = v2("sub", *CHANNEL)
        await consumer.start()
        await consumer.until_done("second")
    assert consumer.lives == [["first"], ["second"]]


@each_way
async def test_half_a_block_counts_for_nothing(tmp_path: Path, way: Way) -> None:
    """Cut after each byte of a block, a consumer comes back with the id before it and does the message once."""
    async with Halves() as halves, Consumer(way, halves.address, tmp_path) as consumer:
        await consumer.start()
        await consumer.until_done("second é")
    assert halves.asked == ["earliest"] + ["s1.first"] * len(BLOCK)
    assert consumer.lives == [["second é"]]


def test_the_page_shows_the_example() -> None:
    """The code in docs/consumers.md that keeps a cursor is that of the example, character for character."""
    section = (DOCS / "consumers.md").read_text().split("\n## Keeping the cursor\n")[1].split("\n## ")[0]
    shown = blocks(section, "python")
    assert len(shown) == 2
    for block in shown:
        assert indent(block, "    ") in (ROOT / "examples" / "consumer.py").read_text()


class Halves:
    """A server whose nth connection sends n bytes of one block and then ends, properly, as a careless proxy would."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.address: Address = ("127.0.0.1", 0)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, *self.address)
        self.address = self._server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *reason: object) -> None:
        await close_listener(self._server)
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        (cursor,) = (line.partition(": ")[2] for line in head if line.startswith("last-event-id: "))
        sent = BLOCK[: len(self.asked)]
        self.asked.append(cursor)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
            b'retry: 1\nevent: fast-sse.start\ndata: {"cursor":"s1.first","resumed":true}\nid: s1.first\n\n'
            + sent
        )
        if sent == BLOCK:
            await reader.read()
        writer.close()
        await writer.wait_closed()

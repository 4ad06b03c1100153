"""Payload compression on the wire: messages packed one by one, as clients of the original unpack them."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.e2e.conftest import Listen
from tests.support.node import node_missing, node_program
from tests.support.publisher import Pair, publish_once, subscribe_target
from tests.support.server import Hub
from tests.support.sign import v1

pytestmark = pytest.mark.wire

SCRIPT = str(Path(__file__).with_name("load_script.mjs"))
CONSUMERS, MESSAGES = 5, 40


def message(number: int) -> dict[str, Any]:
    """Its size in bytes is one of a few, from some that are not packed to some that are packed in a thread."""
    size = (20, 500, 1500, 51_200, 200_000)[number % 5]
    return {"n": number, "text": " ".join(Random(number).choices(["red", "blå", "green"], k=size // 5))}


def unpacked(data: str) -> Any:
    """As a client does it."""
    envelope = json.loads(data)
    if "encoding" not in envelope:
        return envelope
    assert envelope["encoding"] == "base64+gzip"
    return json.loads(gzip.decompress(base64.b64decode(envelope["data"], validate=True)))


@pytest.mark.slow
@pytest.mark.skipif(node_missing(), reason="node is not installed")
async def test_a_program_like_the_originals_load_script_counts_every_message_once(
    hub: Hub, channel: Pair
) -> None:
    """With `prime=0` it sees no event that is no message: no error, and as many as were published, in their order."""
    channels = [(f"{channel[0]}-{number}", channel[1]) for number in range(CONSUMERS)]
    base = f"http://{hub.public[0]}:{hub.public[1]}"
    streams = [
        {"url": f"{base}{subscribe_target(one)}?compression=payload&prime=0", "signature": v1(*one)}
        for one in channels
    ]
    script = await asyncio.create_subprocess_exec(
        *(node_program(), SCRIPT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert script.stdin is not None
    assert script.stdout is not None
    script.stdin.write(json.dumps(streams).encode())
    script.stdin.close()
    async with asyncio.timeout(30):
        assert await script.stdout.readline() == b"open\n"
        for number in range(MESSAGES):
            reply = await publish_once(hub.public, channels[number % CONSUMERS], message(number))
            assert reply.status == 200
        for one in channels:
            assert (await publish_once(hub.public, one, "end")).status == 200
        counted = json.loads(await script.stdout.readline())
        assert await script.wait() == 0
    assert counted["errors"] == []
    assert counted["received"] == counted["latencies"] == MESSAGES + CONSUMERS
    expected = [[*range(number, MESSAGES, CONSUMERS), "end"] for number in range(CONSUMERS)]
    assert sorted(counted["seen"], key=str) == sorted(expected, key=str)
    assert counted["packed"] == MESSAGES * 3 // 5


async def test_packed_and_plain_streams_say_the_same(listen: Listen, hub: Hub, channel: Pair) -> None:
    """Ids, events and envelopes are equal, live and replayed, on one channel and on a wildcard; many bytes are saved."""
    wide = ("*", channel[1])
    # Of a hub that tests share, the earliest may be what another test sent to everybody.
    start = (await publish_once(hub.public, channel, "before")).json()["data"]["message_id"]
    pairs = [
        (await listen(one, query="compression=payload").ready(), await listen(one).ready())
        for one in (channel, wide)
    ]
    for number in range(10):
        assert (await publish_once(hub.public, channel, message(number), event="tick")).status == 200
    pairs += [
        (await listen(one, start, "compression=payload").ready(), await listen(one, start).ready())
        for one in (channel, wide)
    ]
    for packed, plain in pairs:
        await packed.count(10)
        await plain.count(10)
        mine = [event for event in packed.events if json.loads(event.data).get("encoding")]
        assert len(mine) == 6
        assert [(event.id, event.event) for event in packed.events] == [
            (event.id, event.event) for event in plain.events
        ]
        assert [unpacked(event.data) for event in packed.events] == [
            json.loads(event.data) for event in plain.events
        ]
        assert sum(len(event.data) for event in packed.events) * 2 < sum(
            len(event.data) for event in plain.events
        )
    assert [event.data for event in pairs[0][0].events] == [event.data for event in pairs[2][0].events]


async def test_what_its_publisher_compressed_is_passed_on(listen: Listen, hub: Hub, channel: Pair) -> None:
    """It is not packed again, and what is not what it says never gets so far."""
    client = await listen(channel, query="compression=payload").ready()
    headers = {"message_compressed": "true"}
    member = gzip.compress(json.dumps(message(3)).encode())
    good, bad = (base64.b64encode(one).decode() for one in (member, member[:-1]))
    assert (await publish_once(hub.public, channel, bad, headers=headers)).status == 400
    assert (await publish_once(hub.public, channel, good, headers=headers)).status == 200
    await client.count(1)
    envelope = json.loads(client.events[0].data)
    assert envelope["data"] == good
    assert envelope["headers"]["message_compressed"] == "true"

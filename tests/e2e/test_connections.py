"""What an answer says about its connection and its time, and clients that believe it (RFC 9110 §6.6.1, RFC 9112 §9.6)."""

from __future__ import annotations

import asyncio
import http.client
import json
import time

import pytest
from tests.support.http1 import Address, Connection, request_bytes
from tests.support.publisher import Pair, publish_target, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sign import v2

pytestmark = pytest.mark.wire

JSON = {"Content-Type": "application/json"}
EVENTS = {"Accept": "text/event-stream"}
CLOSE = b"\r\nconnection: close\r\n"


async def head_of(address: Address, data: bytes) -> bytes:
    """The head of the answer to bytes of the test's own, in lower case."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(data)
        return (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).lower()
    finally:
        writer.transport.abort()


def over(channel: Pair) -> dict[str, str]:
    """A subscribe signature that was right: its stream says that it is over, and ends."""
    return {**EVENTS, "x-signature": v2("sub", *channel, now=time.time() - 200)}


async def test_every_head_has_one_date(hub: Hub, channel: Pair) -> None:
    """Answers, refusals and streams say when they were made, once, whoever serves."""
    publish = request_bytes("POST", publish_target(channel), {**JSON, **signed(channel)}, b'{"data":1}')
    for data in (
        publish,
        request_bytes("GET", "/nowhere", {}),
        request_bytes("GET", subscribe_target(channel), {**EVENTS, **signed(channel)}),
    ):
        head = await head_of(hub.public, data)
        assert head.count(b"\r\ndate: ") == 1, head


def use_again(address: Address, channel: Pair) -> list[int]:
    """Statuses of publishes, each sent right behind a stream that has ended, by a client that keeps its connection."""
    client = http.client.HTTPConnection(*address, timeout=10)
    statuses = []
    for number in range(8):
        client.request("GET", subscribe_target(channel), headers=over(channel))
        assert b"fast-sse.expired" in client.getresponse().read()
        body = json.dumps({"data": number})
        client.request("POST", publish_target(channel), body, {**JSON, **signed(channel)})
        answer = client.getresponse()
        statuses.append(answer.status)
        answer.read()
    client.close()
    return statuses


async def test_a_client_that_keeps_connections_loses_no_request_behind_a_stream(
    hub: Hub, channel: Pair
) -> None:
    """Where a stream ends its connection it says so beforehand: the next request does not go into one that is gone."""
    assert await asyncio.to_thread(use_again, hub.public, channel) == [200] * 8


@pytest.mark.front
async def test_what_closes_says_so(hub: Hub, channel: Pair) -> None:
    """Streams, refusals that give the connection up, and nothing else."""
    post, headers = publish_target(channel), {**JSON, **signed(channel)}
    closing = [
        request_bytes("GET", subscribe_target(channel), {**EVENTS, **signed(channel)}),
        request_bytes("GET", subscribe_target(channel), over(channel)),
        b"nonsense\r\n\r\n",
        request_bytes("GET", "/" + "a" * 40_000, {}),
        request_bytes("POST", post, {**headers, "Content-Length": str(2 << 20)}),
    ]
    for data in closing:
        assert CLOSE in await head_of(hub.public, data.replace(b"Content-Length: 0\r\n", b"")), data[:80]
    for data in (
        request_bytes("POST", post, headers, b'{"data":1}'),
        request_bytes("POST", post, {**JSON, "x-signature": "0" * 64}, b'{"data":1}'),
        request_bytes("GET", "/nowhere", {}),
    ):
        assert CLOSE not in await head_of(hub.public, data), data[:80]


@pytest.mark.front
async def test_what_a_head_shows_is_answered_before_the_body(hub: Hub, channel: Pair) -> None:
    """A wrong v1 signature is 401 while nearly all of the body is still to come, and a right one is no answer yet."""
    for signature, status in (("0" * 64, b"401"), (signed(channel)["x-signature"], b"")):
        headers = {**JSON, "x-signature": signature, "Content-Length": "1000000"}
        data = request_bytes("POST", publish_target(channel), headers).replace(b"Content-Length: 0\r\n", b"")
        if status:
            head = await head_of(hub.public, data + b"{")
            assert head.startswith(b"http/1.1 401 ")
            assert CLOSE in head
            continue
        body = b'{"data":"%b"}' % (b"x" * (1_000_000 - 11))
        async with await Connection.open(hub.public) as connection:
            connection._writer.write(data)
            assert (await connection.exchange(body)).status == 200

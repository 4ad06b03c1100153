"""Streams and publishes through each proxy that has a recipe are what they are without it."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest
from tests.deploy.conftest import Kind, Listen, Pairing
from tests.deploy.curl import curl, header, line, running
from tests.deploy.early import request_early
from tests.deploy.proxy import Certificate
from tests.deploy.streams import end_at, streams_of
from tests.support.http1 import request
from tests.support.kernel import eventually
from tests.support.publisher import (
    Pair,
    Publisher,
    publish_once,
    publish_target,
    signed,
    subscribe_target,
)
from tests.support.server import Hub
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

MIB = 1 << 20
HALF_MIB = MIB // 2
#: Buffers of four sockets on a loopback, at their largest.
MORE_THAN_SOCKETS_HOLD = 32 * MIB
#: Of HAProxy without `option http-no-delay` the kernel holds each back for HELD_S; a busy machine holds up some.
TURNS = 50
HELD_S = 0.2
#: No test here takes as long as what it waits for could take by chance.
SOON_S = 10.0


async def test_the_beginning_of_a_stream_arrives_before_any_event(
    quiet: Pairing, channel: Pair, listen: Listen
) -> None:
    """Head and priming come through at once, on a channel without events and long before a heartbeat."""
    client = await listen(quiet.proxy.plain, channel).ready()
    assert (client.events, client.gaps, client.heartbeats) == ([], [], 0)
    headers = client.opened[0].headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store, no-transform"
    assert headers["incremental"] == "?1"


async def test_heartbeats_come_through(shared: Pairing, channel: Pair, listen: Listen) -> None:
    """A quiet stream's heartbeats reach the client one after the other, on one connection."""
    client = listen(shared.proxy.plain, channel)
    await client.until(lambda: client.heartbeats >= 3)
    assert len(client.opened) == 1


async def test_events_arrive_one_by_one(quiet: Pairing, channel: Pair, listen: Listen) -> None:
    """Each event is there before the next is published, and none of fifty is held back on its way, not by a fifth of a second."""
    client, took = await listen(quiet.proxy.plain, channel).ready(), []
    loop = asyncio.get_running_loop()
    with closing(Publisher("p", quiet.proxy.plain)) as publisher:
        for number in range(TURNS):
            began = loop.time()
            await publisher.publish(channel)
            await client.until(lambda: len(client.events) > number, SOON_S)  # noqa: B023
            took.append(loop.time() - began)
    assert sum(one >= HELD_S for one in took) <= TURNS // 10, took
    assert client.payloads == [message.payload for message in publisher.history]
    assert client.heartbeats == 0


async def test_events_arrive_one_by_one_over_http2(quiet: Pairing, channel: Pair) -> None:
    """The same through TLS and HTTP/2, with a client that is not ours."""
    async with running(
        *curl(quiet.proxy, *header(channel), quiet.proxy.url(subscribe_target(channel)))
    ) as client:
        await line(client, "id: ")
        for number in range(5):
            await publish_once(quiet.proxy.plain, channel, number)
            assert json.loads((await line(client, "data: "))[6:])["data"] == number


async def test_publish_over_http2(shared: Pairing, channel: Pair, listen: Listen) -> None:
    """A POST through TLS and HTTP/2 is stored, and its message_id is the id that a subscriber sees."""
    subscriber = await listen(shared.proxy.plain, channel).ready()
    body = ("--header", "Content-Type: application/json", "--data", '{"data": [1, "two"]}')
    target = shared.proxy.url(publish_target(channel))
    async with running(
        *curl(shared.proxy, *header(channel), *body, "--write-out", "\n%{http_version}", target)
    ) as client:
        assert client.stdout is not None
        answer, version = (await client.stdout.read()).decode().splitlines()
    await subscriber.until(lambda: bool(subscriber.events))
    assert version == "2"
    assert json.loads(answer)["data"]["message_id"] == subscriber.events[0].id
    assert subscriber.payloads == [[1, "two"]]


async def test_many_streams_on_one_connection(pair: Pairing, listen: Listen, tmp_path: Path) -> None:
    """Twenty streams of one client (on Apache six) share one HTTP/2 connection; each gets its events."""
    parallel = pair.proxy.streams
    channels = [("many", f"type{number}") for number in range(parallel)]
    urls: list[str] = []
    for number, channel in enumerate(channels):
        urls += ["--next"] * bool(number) + [
            *curl(pair.proxy)[1:],
            *header(channel),
            "--output",
            str(tmp_path / f"s{number}"),
        ]
        urls += [
            "--write-out",
            "%{http_version} %{num_connects} %{http_code}\n",
            pair.proxy.url(subscribe_target(channel)),
        ]
    command = ["curl", "--parallel", "--parallel-max", str(parallel), *urls]
    async with running(*command) as client:
        assert client.stdout is not None
        await until_files(tmp_path, ["id: "] * parallel)
        for channel in channels:
            await publish_once(pair.proxy.plain, channel, channel[1])
        await until_files(tmp_path, [f'"data":"{event_type}"' for _, event_type in channels])
        pair.hub.terminate_now()  # a drain ends the streams in order, and curl tells what they were
        lines = (await asyncio.wait_for(client.stdout.read(), SOON_S)).decode().splitlines()
    assert sorted(lines) == ["2 0 200"] * (parallel - 1) + ["2 1 200"]


async def until_files(directory: Path, wanted: list[str]) -> None:
    """Wait until each of the files s0, s1, ... holds its text."""
    files = [directory / f"s{number}" for number in range(len(wanted))]

    def arrived() -> bool:
        return all(
            file.exists() and text in file.read_text() for file, text in zip(files, wanted, strict=True)
        )

    await eventually(arrived, SOON_S, f"{wanted} in the streams")


async def test_resume_through_a_proxy_is_exact(shared: Pairing, channel: Pair, listen: Listen) -> None:
    """A client that drops again and again comes back with its last id and sees every event once, in order."""
    left = iter([3, 1, 4])
    client = await listen(shared.proxy.plain, channel, leave_after=lambda: next(left, 0)).ready()
    for number in range(20):
        assert (await publish_once(shared.proxy.plain, channel, number)).status == 200
    await client.until(lambda: len(client.events) >= 20)
    assert client.payloads == list(range(20))
    assert len(client.opened) == 4
    assert client.gaps == []


async def test_a_slow_client_is_slow_for_the_hub_too(
    kind: Kind, certificate: Certificate, tmp_path: Path, channel: Pair, listen: Listen
) -> None:
    """A proxy piles nothing up for a client that does not read: the hub sees the stall, cuts it, and it resumes exactly."""
    directory = tmp_path / "proxy"
    directory.mkdir()
    settings = {"FAST_SSE_LIMITS__STALL_S": "1"}
    async with Hub(tmp_path, store="memory", settings=settings, port=0) as hub:
        with kind(directory, hub.public, certificate) as proxy:
            client = await listen(proxy.plain, channel, receive_bytes=4096).ready()
            client.pause()
            assert await streams_of(hub, channel) == 1
            for number in range(MORE_THAN_SOCKETS_HOLD // HALF_MIB):
                data = f"{number}-{'x' * HALF_MIB}"
                assert (await publish_once(hub.public, channel, data)).status == 200
            await end_at(hub, channel)
            client.resume()
            numbers = list(range(MORE_THAN_SOCKETS_HOLD // HALF_MIB))
            await client.until(lambda: len(client.events) == len(numbers))
            assert [int(payload.partition("-")[0]) for payload in client.payloads] == numbers
            assert len(client.opened) > 1
            assert client.gaps == []


async def test_nothing_is_compressed_on_the_way(shared: Pairing, channel: Pair, listen: Listen) -> None:
    """A client that takes gzip gets none from a proxy, neither on a stream nor in an answer."""
    client = Client(
        "gzip", shared.proxy.plain, subscribe_target(channel), {**signed(channel), "Accept-Encoding": "gzip"}
    )
    await client.start().ready()
    assert "content-encoding" not in client.opened[0].headers
    await client.stop()
    headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip", **signed(channel)}
    reply = await request(
        shared.proxy.plain, "POST", publish_target(channel), headers, b'{"data": "%s"}' % (b"x" * 10_000)
    )
    assert (reply.status, reply.headers.get("content-encoding")) == (200, None)


def body_of(size: int) -> bytes:
    """A publish of exactly so many bytes."""
    return b'{"data": "%b"}' % (b"x" * (size - 12))


@pytest.mark.parametrize(
    ("size", "status", "says"),
    [
        pytest.param(MIB, 200, "success", id="the hub's limit"),
        pytest.param(MIB + 1, 413, "1048576 bytes", id="a byte more: the hub's own answer"),
        pytest.param(3 * MIB, 413, "larg", id="far more: whoever is first, in the same shape"),
    ],
)
async def test_body_limit_is_the_hubs(
    shared: Pairing, channel: Pair, size: int, status: int, says: str
) -> None:
    """A body that the hub takes passes the proxy; one that it refuses is refused in the hub's words and shape."""
    body = body_of(size)
    assert len(body) == size
    headers = {"Content-Type": "application/json", **signed(channel)}
    reply = await request_early(shared.proxy.plain, "POST", publish_target(channel), headers, body)
    assert reply.status == status, reply
    assert says in reply.json()["message"]
    if status == 413:
        assert reply.code == "too_large"
        assert set(reply.json()) == {"code", "message", "request_id"}


async def test_refusals_come_through_as_they_are(shared: Pairing, channel: Pair) -> None:
    """A wrong signature is the hub's 401 with its JSON, on a stream too: a proxy turns no answer of the hub into another."""
    for method, target in (("GET", subscribe_target(channel)), ("POST", publish_target(channel))):
        headers = {"Content-Type": "application/json", "x-signature": "0" * 64}
        through = await request(
            shared.proxy.plain, method, target, headers, b"{}" if method == "POST" else b""
        )
        assert (through.status, through.code) == (401, "unauthorized")

"""The hub away behind each proxy that has a recipe: no browser is told anything final, and no publisher anything false."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.apache import Apache
from tests.deploy.conftest import Kind, Listen, Pairing
from tests.deploy.haproxy import HAProxy
from tests.deploy.proxy import Certificate, Proxy
from tests.deploy.upstream import OK, upstream
from tests.support.events import Block, Retry
from tests.support.http1 import Connection, CutError, Reply, request, request_bytes
from tests.support.kernel import eventually
from tests.support.publisher import (
    Pair,
    Publisher,
    publish_once,
    publish_target,
    signed,
    subscribe_target,
)
from tests.support.server import stable_port
from tests.support.sign import v2

pytestmark = [pytest.mark.wire, pytest.mark.slow]

EVENT_STREAM = {"Accept": "text/event-stream"}
#: What pages of other origins may use in the recipe.
ORIGIN = "https://app.example.com"


@pytest.fixture(scope="module")
def away(kind: Kind, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy before a hub that is not there, for all tests that only ask."""
    nobody = ("127.0.0.1", stable_port())
    with kind(tmp_path_factory.mktemp("away"), nobody, certificate) as proxy:
        asyncio.run(eventually(proxy.knows_away, 20, "that the hub is away"))
        yield proxy


async def subscribe(proxy: Proxy, channel: Pair, **headers: str) -> Reply:
    """One answer to an EventSource's request."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return await request(
        proxy.plain, "GET", subscribe_target(channel), {**EVENT_STREAM, **signed(channel), **more}
    )


async def publish(proxy: Proxy, channel: Pair) -> Reply:
    """One publish without a key."""
    headers = {"Content-Type": "application/json", **signed(channel)}
    return await request(proxy.plain, "POST", publish_target(channel), headers, b'{"data": 1}')


async def test_a_hub_away_is_never_final_for_a_browser(away: Proxy, channel: Pair) -> None:
    """An EventSource gets 200, `retry:` and the end instead of the proxy's 502, and no id that would move its cursor."""
    reply = await subscribe(away, channel)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store, no-transform"
    field, value = reply.body.decode().rstrip("\n").split(": ")
    assert (field, reply.body[-2:]) == ("retry", b"\n\n")
    assert 1000 <= int(value) < 4000


async def test_coming_back_is_spread(away: Proxy, channel: Pair) -> None:
    """Forty browsers sent away at once are told at least four different times, so that they do not return as one."""
    bodies = {(await subscribe(away, channel)).body for _ in range(40)}
    assert len(bodies) >= 4


async def test_pages_of_known_origins_may_read_it(away: Proxy, channel: Pair) -> None:
    """The answer names an allowed origin, or a page of that origin would take it for a refusal, which is final."""
    allowed = await subscribe(away, channel, Origin=ORIGIN)
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    foreign = await subscribe(away, channel, Origin="https://other.example")
    assert "access-control-allow-origin" not in foreign.headers


async def test_a_client_that_is_no_browser_gets_503(away: Proxy, channel: Pair) -> None:
    """Without `Accept: text/event-stream` a subscription gets the hub's kind of 503, with Retry-After."""
    reply = await subscribe(away, channel, Accept="*/*")
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "overloaded", "2")
    assert set(reply.json()) == {"code", "message", "request_id"}


async def test_a_publish_without_an_answer_is_unknown(away: Proxy, channel: Pair) -> None:
    """A proxy cannot know whether a hub that is away stored a publish: 504 `unknown`, in the hub's shape, never 502."""
    reply = await publish(away, channel)
    assert (reply.status, reply.code) == (504, "unknown")
    assert set(reply.json()) == {"code", "message", "request_id"}


async def test_a_hub_that_is_back_is_asked_at_once(
    kind: Kind, certificate: Certificate, channel: Pair, tmp_path: Path
) -> None:
    """A proxy that was refused once does not answer in the hub's place any longer than the hub is away."""
    address = ("127.0.0.1", stable_port())
    with kind(tmp_path, address, certificate) as proxy:
        assert (await publish(proxy, channel)).code == "unknown"
        async with upstream(lambda _number: OK, address) as hub:
            assert (await publish(proxy, channel)).status == 200
            assert len(hub.requests) == 1


async def test_signatures_are_in_no_log(shared: Pairing, away: Proxy, channel: Pair) -> None:
    """A signature in the query stands in no file that a proxy writes, whether the hub answers or is away."""
    mac = v2("sub", *channel)
    target = f"{subscribe_target(channel)}?signature={mac}"
    assert (await request(away.plain, "GET", target, EVENT_STREAM)).status == 200
    wrong = f"{subscribe_target(channel)}?signature={mac}x"
    assert (await request(shared.proxy.plain, "GET", wrong, EVENT_STREAM)).status == 401
    for proxy in (away, shared.proxy):
        await eventually(lambda: subscribe_target(channel) in proxy.logged(), 20, "the request in the log")  # noqa: B023
        assert mac not in proxy.logged()


async def test_a_kill_behind_a_proxy_is_a_pause(pair: Pairing, channel: Pair, listen: Listen) -> None:
    """After kill -9 of the hub: whoever comes back meanwhile gets 200 and `retry:`, and afterwards every event once."""
    proxy, hub = pair
    client = await listen(proxy.plain, channel).ready()
    publisher = Publisher("p", proxy.plain)
    for _ in range(5):
        await publisher.publish_surely(channel)
    await client.until(lambda: len(client.events) == 5)
    hub.kill_now()
    await hub.await_exit()
    await client.until(lambda: len(client.opened) >= 4)  # three came back to a hub that is away
    away = range(2, 5)
    blocks = [item for number, item in client.items if number in away and isinstance(item, Block)]
    cursor = client.events[-1].id
    waits = [item.ms for number, item in client.items if number in away and isinstance(item, Retry)]
    assert {block.id for block in blocks} <= {cursor}, "its cursor was moved"
    assert client.finals == []
    assert len(waits) >= 2
    assert min(waits) >= 1000
    unknown = await publisher.publish(channel)
    assert [attempt.status for attempt in unknown.attempts] == [504]
    await hub.astart()
    publisher.close()  # a proxy keeps an idle connection for some seconds only, and a start may take longer
    assert (await publisher.repeat(unknown)).outcome == "ok"
    for _ in range(5):
        await publisher.publish_surely(channel)
    publisher.close()
    await client.until(lambda: len(client.events) >= 11)
    assert client.payloads == [message.payload for message in publisher.history]
    assert (client.finals, client.gaps) == ([], [])


async def test_a_restart_ends_no_stream_for_good(pair: Pairing, channel: Pair, listen: Listen) -> None:
    """SIGTERM, exit 0, start: a crowd behind a proxy sees no final status, and misses and repeats nothing."""
    proxy, hub = pair
    crowd = [await listen(proxy.plain, channel).ready() for _ in range(10)]
    await publish_once(proxy.plain, channel, "before")
    hub.terminate_now()
    assert await hub.await_exit() == 0, hub.tail_of_log()
    await hub.astart()
    assert (await publish_once(proxy.plain, channel, "after")).status == 200
    await asyncio.gather(*(client.until(lambda c=client: len(c.events) == 2) for client in crowd))  # type: ignore[misc]
    assert [client.payloads for client in crowd] == [["before", "after"]] * 10
    assert [(client.finals, client.gaps) for client in crowd] == [([], [])] * 10


async def test_a_proxy_never_publishes_twice(
    kind: Kind, certificate: Certificate, channel: Pair, tmp_path: Path
) -> None:
    """A publish that was sent and not answered goes out once, on a new connection and on a kept one: no key, no repeat."""
    async with upstream(lambda number: OK if number == 1 else None) as hub:
        with kind(tmp_path, hub.address, certificate) as proxy:
            assert (await publish(proxy, channel)).code == "unknown"
            assert len(hub.requests) == 1
            async with await Connection.open(proxy.plain) as client:
                raw = request_bytes("POST", publish_target(channel), signed(channel), b'{"data": 1}')
                assert (await client.exchange(raw)).status == 200
                connections = hub.connections
                try:
                    assert (await client.exchange(raw)).code == "unknown"
                except CutError:
                    # These two give no answer at all here, which says the same.
                    assert isinstance(proxy, HAProxy | Apache)
            assert len(hub.requests) == 3
            assert hub.connections == connections, (
                "the connection was not kept, so half of the rule is not shown"
            )


async def test_what_the_hub_says_itself_is_left_alone(
    kind: Kind, certificate: Certificate, channel: Pair, tmp_path: Path
) -> None:
    """A 503 of the hub means certainly not stored, a 500 a defect: neither becomes the proxy's own answer."""
    answers = (b"503 Service Unavailable", b"500 Internal Server Error")
    for status in answers:
        answer = b"HTTP/1.1 %b\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}" % status
        async with upstream(lambda _number, answer=answer: answer) as hub:  # type: ignore[misc]
            directory = tmp_path / status[:3].decode()
            directory.mkdir()
            with kind(directory, hub.address, certificate) as proxy:
                for reply in (await publish(proxy, channel), await subscribe(proxy, channel)):
                    assert (reply.status, reply.body) == (int(status[:3]), b"{}")
                    assert reply.headers["retry-after"] == "7"


async def test_a_forged_address_is_replaced(
    kind: Kind, certificate: Certificate, channel: Pair, tmp_path: Path
) -> None:
    """Whatever a client writes into X-Forwarded-For, the hub sees the address that the proxy saw, and only that."""
    async with upstream(lambda _number: OK) as hub:
        with kind(tmp_path, hub.address, certificate) as proxy:
            await subscribe(
                proxy, channel, X_Forwarded_For="203.0.113.7, 10.0.0.1", X_Forwarded_Proto="https"
            )
    head = hub.requests[0].decode().lower().split("\r\n")
    assert [line for line in head if line.startswith("x-forwarded-for")] == ["x-forwarded-for: 127.0.0.1"]
    assert [line for line in head if line.startswith("x-forwarded-proto")] == ["x-forwarded-proto: http"]
    assert head[0] == f"get {subscribe_target(channel)} http/1.1"

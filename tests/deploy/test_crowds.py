"""Too many connections: those that dawdle, those that are idle, those for which there is no descriptor (F17, S18)."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.deploy.process import cpu_s, open_files
from tests.support.http1 import Address, request, request_bytes
from tests.support.kernel import eventually
from tests.support.publisher import Pair, Publisher, publish_once, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

TRICKLERS = 500
IDLE = 1_000
PUBLISHES = 150
FILES_MAX = 128
#: Seconds that a sweep and a busy machine may add to a deadline.
SPARE_S = 10.0


@pytest.fixture(autouse=True)
def files() -> Iterator[None]:
    """Enough descriptors for the other ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096) if hard > 0 else 4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Peer(asyncio.Protocol):
    """A client; a stubborn one keeps its end open whatever the other says."""

    def __init__(self, stubborn: bool = False) -> None:
        self.stubborn = stubborn
        self.received = b""
        self.transport: asyncio.Transport | None = None
        self.lost_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        return self.stubborn

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.lost_at = asyncio.get_running_loop().time()

    def say(self, data: bytes) -> None:
        """Send, while there is somebody."""
        if self.transport is not None:
            self.transport.write(data)


@asynccontextmanager
async def peers(
    address: Address, count: int, *, stubborn: bool = False, first: bytes = b""
) -> AsyncIterator[list[Peer]]:
    """So many connections; each says `first` as soon as it is there."""
    made = [Peer(stubborn) for _ in range(count)]
    loop = asyncio.get_running_loop()
    try:
        for peer in made:
            await loop.create_connection(lambda peer=peer: peer, *address)  # type: ignore[misc]
            peer.say(first)
        yield made
    finally:
        for peer in made:
            if peer.transport is not None:
                peer.transport.abort()


async def p99_s(publisher: Publisher, channel: Pair, enough: Callable[[int], bool]) -> float:
    """Publish one after the other until it is enough; the 99th percentile of what a publish took."""
    first = len(publisher.history)
    while not enough(len(publisher.history) - first):
        assert (await publisher.publish(channel)).outcome == "ok"
    took = sorted(
        (message.attempts[0].done_ns - message.attempts[0].invoked_ns) / 1e9
        for message in publisher.history[first:]
    )
    return took[int(len(took) * 0.99)]


async def trickle(crowd: list[Peer]) -> None:
    """One byte of a header from each, ten times a second, for as long as there are any; none is ever complete."""
    turns = 20
    while True:
        for number in range(turns):
            for peer in crowd[number::turns]:
                peer.say(b"a")
            await asyncio.sleep(0.1 / turns)


async def test_trickled_headers_delay_nobody(tmp_path: Path, channel: Pair) -> None:
    """500 sockets that send a header byte by byte are each cut at the header deadline; publishes go on as before."""
    header_s = 1.0
    (elsewhere := tmp_path / "elsewhere").mkdir()
    async with (
        Hub(elsewhere, port=0) as other,
        Hub(tmp_path, settings={"FAST_SSE_LIMITS__HEADER_S": str(header_s)}, port=0) as hub,
    ):
        # What the machine itself does to a publish meanwhile is seen at another hub.
        publisher, calm = Publisher("p", hub.public), Publisher("p", other.public)
        before_s = await p99_s(publisher, channel, lambda count: count >= PUBLISHES)
        loop = asyncio.get_running_loop()
        began = loop.time()
        head = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "
        async with peers(hub.public, TRICKLERS, stubborn=True, first=head) as crowd:
            trickling = asyncio.create_task(trickle(crowd))
            # They ignore the 408 and the end of the stream, so they are cut after LINGER_S more.
            async with asyncio.timeout(header_s + 2 + SPARE_S):
                during_s, calm_s = await asyncio.gather(
                    p99_s(
                        publisher,
                        channel,
                        lambda count: count >= PUBLISHES and all(peer.lost_at for peer in crowd),
                    ),
                    p99_s(calm, channel, lambda count: count >= PUBLISHES),
                )
            trickling.cancel()
        publisher.close()
        calm.close()
        answers = {peer.received.partition(b"\r\n")[0] for peer in crowd}
        assert answers == {b"HTTP/1.1 408 Request Timeout"}, answers
        assert min(peer.lost_at for peer in crowd) - began >= header_s
        assert during_s < 10 * max(before_s, calm_s) + 0.1, (
            f"p99 {before_s * 1e3:.1f} ms before, {during_s * 1e3:.1f} ms during, {calm_s * 1e3:.1f} ms elsewhere"
        )


async def test_idle_connections_cost_nobody(tmp_path: Path, channel: Pair) -> None:
    """A thousand connections that say nothing, or nothing more, are closed in time; streams and publishes go on meanwhile."""
    silent_s = 5.0  # all of them are there before the first is closed, however busy the machine is
    settings = {
        "FAST_SSE_LIMITS__HEADER_S": str(silent_s),
        "FAST_SSE_LIMITS__KEEP_ALIVE_S": str(silent_s),
    }
    async with Hub(tmp_path, settings=settings, port=0) as hub:
        client = await Client("c", hub.public, subscribe_target(channel), signed(channel)).start().ready()
        held = open_files(hub)
        async with peers(hub.public, IDLE) as crowd:
            for peer in crowd[::2]:
                peer.say(request_bytes("GET", "/nowhere", {}))
            await eventually(
                lambda: all(peer.received for peer in crowd[::2]), SPARE_S, "half of them had an answer"
            )
            assert open_files(hub) >= held + IDLE
            for number in range(20):
                assert (await publish_once(hub.public, channel, number)).status == 200
            await client.count(20)
            await eventually(
                lambda: all(peer.lost_at for peer in crowd), silent_s + 2 + SPARE_S, "all were closed"
            )
            assert {peer.received for peer in crowd[1::2]} == {b""}
        await eventually(lambda: open_files(hub) <= held, SPARE_S, "their descriptors are free")
        assert len(client.opened) == 1
        await client.stop()


async def test_clients_cannot_have_the_last_descriptors(tmp_path: Path, channel: Pair) -> None:
    """With `ulimit -n 128`: no spinning, open streams, publishers and operators served, and room once clients leave."""
    limited = ("sh", "-c", f'ulimit -n {FILES_MAX}; "$@"; exit $?', "sh")
    hub = Hub(tmp_path, prefix=limited, settings={"FAST_SSE_HEARTBEAT_S": "0.2"})
    async with hub:
        client = await Client("c", hub.public, subscribe_target(channel), signed(channel)).start().ready()
        async with peers(hub.public, 2 * FILES_MAX) as crowd:
            await eventually(
                lambda: sum(not peer.lost_at for peer in crowd) < FILES_MAX, SPARE_S, "many turned away"
            )
            # One more for the moment between taking a connection and turning it away.
            await eventually(
                lambda: open_files(hub) == FILES_MAX * 3 // 4, SPARE_S, "the crowd has all it can have"
            )
            assert b"".join(peer.received for peer in crowd) == b""
            beats, cpu, began = client.heartbeats, cpu_s(hub), asyncio.get_running_loop().time()
            await client.until(lambda: client.heartbeats >= beats + 5)
            passed_s = asyncio.get_running_loop().time() - began
            assert cpu_s(hub) - cpu < 0.5 * passed_s, (
                f"{cpu_s(hub) - cpu:.2f} s of processor in {passed_s:.2f} s"
            )
            for path in ("/healthz", "/readyz/publish", "/readyz/subscribe"):
                assert (await request(hub.admin, "GET", path)).status == 200
            with pytest.raises(ConnectionError):
                await publish_once(hub.public, channel, "no room")
        await eventually(lambda: open_files(hub) < FILES_MAX // 2, SPARE_S, "the clients have left")
        assert (await publish_once(hub.public, channel, "room")).status == 200
        await client.count(1)
        assert (client.payloads, len(client.opened), client.finals) == (["room"], 1, [])
        await client.stop()
        assert "connections turned away: open files are at their limit" in hub.tail_of_log(10**9)

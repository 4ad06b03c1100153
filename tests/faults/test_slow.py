"""Clients that never read (guarantee G7): they are bounded, cut and resumed, and nobody else notices."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.faults.checker import Subscription
from tests.faults.counts import UNREAD_MIB, Record, each_scale
from tests.faults.crowd import Crowd, judge
from tests.support.http1 import Connection, request_bytes
from tests.support.kernel import eventually, held_open
from tests.support.proxy import Proxy
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

pytestmark = pytest.mark.wire

BUSY: Pair = ("car0", "sold")
IDLE: Pair = ("car1", "sold")
STALL_S = 0.4
#: Beside healthy clients of this process, which must not stand still for so long on a busy machine.
LONG_STALL_S = 2.0
#: What a sweep and a busy machine may add to a deadline.
SPARE_S = 10.0
HEARTBEAT_S = 0.2
MIB = 1 << 20
PAD = 50_000
QUICK = {"FAST_SSE_LIMITS__STALL_S": str(STALL_S), "FAST_SSE_HEARTBEAT_S": str(HEARTBEAT_S)}
#: G7: one flush above 64 KiB of queued data, and a little for the objects around it.
PER_STUCK_BYTES = (256 + 64 + 80) * 1024
#: Two things cut a peer that stands still, and each must do it alone.
WATCHES = {
    "both": "fast_sse",
    "the hub alone": "tests.faults.broken.no_kernel_deadline",
    "the kernel alone": "tests.faults.broken.no_hub_deadline",
}
STUCK = 20
#: What an allocator keeps for itself.
SLACK_BYTES = 4 * MIB


async def stuck_client(hub: Hub, channel: Pair, name: str = "stuck", receive_bytes: int = 1) -> Client:
    """A client with (mostly) the smallest receive buffer that stops reading once its stream is open."""
    target = subscribe_target(channel)
    client = Client(name, hub.public, target, signed(channel), receive_bytes=receive_bytes)
    await client.start().ready()
    client.pause()
    return client


async def by_turn(crowd: Crowd, messages: int) -> None:
    """Message n+1 is sent only when every healthy client has n: a slowed one would hold up the test, and fail it."""
    for _ in range(messages):
        await crowd.publish(1, channels=[BUSY])
        wanted = len(crowd.publishers[0].history)
        for client in crowd.clients:
            await client.count(wanted)


@pytest.mark.slow
@pytest.mark.parametrize(("store", "watch"), [("sqlite", "both"), *(("memory", watch) for watch in WATCHES)])
async def test_stuck_client_is_cut_and_resumes_exactly(tmp_path: Path, store: str, watch: str) -> None:
    """A client that does not read is cut at its deadline; others get everything; it comes back and misses nothing."""
    stall = {"FAST_SSE_LIMITS__STALL_S": str(LONG_STALL_S)}
    hub = Hub(tmp_path, store=store, settings={**QUICK, **stall}, module=WATCHES[watch])
    async with hub, Crowd(hub.public, patterns=[BUSY, (BUSY[0], "*")], publishers=1, pad_bytes=PAD) as crowd:
        stuck = await stuck_client(hub, BUSY)
        end = stuck.local
        await by_turn(crowd, 200)
        assert not stuck.seen, "it was not to read"
        await eventually(
            lambda: not held_open(hub.public, end), LONG_STALL_S + SPARE_S, "the stuck client is cut"
        )
        await by_turn(crowd, 20)
        stuck.resume()
        await stuck.until(lambda: len(stuck.seen) == 220)
        assert len(stuck.opened) > 1, "it was not cut, so nothing was resumed"
        async with await Connection.open(hub.admin) as operators:
            numbers = await operators.exchange(request_bytes("GET", "/metrics", {}))
        stalled = [line for line in numbers.body.decode().splitlines() if 'reason="stalled"' in line]
        assert [line.rpartition(" ")[2] for line in stalled] == ["1.0"]
        assert "stalled" in hub.log.read_text()
        pairs = [*crowd.subscriptions_with_clients(), (Subscription("stuck", [BUSY]), stuck)]
        judge(crowd.messages, pairs).assert_clean()
        await stuck.stop()


async def grown_bytes(directory: Path, passed_mib: int, module: str = "fast_sse") -> tuple[int, int]:
    """How much memory the hub takes while that much passes by nobody, and by clients that never read."""
    settings = {"FAST_SSE_LIMITS__TAIL_BYTES_MAX": str(MIB), "FAST_SSE_LIMITS__STALL_S": "600"}
    hub = Hub(directory, settings=settings, module=module)
    async with (
        hub,
        Crowd(hub.public, patterns=[BUSY], publishers=2, pad_bytes=PAD) as crowd,
        AsyncExitStack() as last,
    ):

        async def pass_by() -> int:
            await crowd.publish(passed_mib * MIB // PAD, channels=[BUSY])
            await crowd.drain()
            return hub.rss_bytes()

        warm = await pass_by()
        alone = await pass_by()
        stuck = [await stuck_client(hub, BUSY, f"stuck{number}") for number in range(STUCK)]
        for client in stuck:
            last.push_async_callback(client.stop)
        beside = await pass_by()
        assert all(held_open(hub.public, client.local) for client in stuck), "the buffers were to stay full"
        assert not any(client.seen for client in stuck)
        crowd.report().assert_clean()
    return max(0, alone - warm), beside - alone


@pytest.mark.slow
async def test_slow_client_that_moves_is_not_cut(tmp_path: Path) -> None:
    """A client that takes a little within every deadline keeps its stream, however far behind it is."""
    stall_s = 5 * STALL_S
    hub = Hub(tmp_path, settings={**QUICK, "FAST_SSE_LIMITS__STALL_S": str(stall_s)})
    async with hub, Crowd(hub.public, patterns=[BUSY], publishers=1, pad_bytes=PAD) as crowd:
        # Its window must hold a segment of the loopback (64 KiB): below that the kernel sees no window at all.
        slow = await stuck_client(hub, BUSY, "slow", receive_bytes=200_000)
        clock = await Client("clock", hub.public, subscribe_target(IDLE), signed(IDLE)).start().ready()
        load = asyncio.create_task(crowd.publish(400, channels=[BUSY]))
        began = time.monotonic()
        while time.monotonic() - began < 2.5 * stall_s:
            slow.resume()
            await slow.count(len(slow.seen) + 1)
            slow.pause()
            await clock.outlast(stall_s / 10)
        await load
        assert len(slow.seen) < 400, "it was to stay behind all the time"
        slow.resume()
        await slow.count(400)
        assert len(slow.opened) == 1, "it moved, and was cut all the same"
        judge(crowd.messages, [(Subscription("slow", [BUSY]), slow)]).assert_clean()
        await asyncio.gather(slow.stop(), clock.stop())


@each_scale
async def test_stuck_clients_cost_bounded_memory(tmp_path: Path, scale: str, record: Record) -> None:
    """Each client that never reads costs at most one flush above 64 KiB, however much passes it by."""
    alone, beside = await grown_bytes(tmp_path, UNREAD_MIB[scale])
    record(
        f"{STUCK} clients that never read, {UNREAD_MIB[scale]} MiB past them",
        f"RSS grew by {beside / MIB:.1f} MiB, {beside / STUCK / 1024:.0f} KiB each (without them {alone / MIB:.1f} MiB)",
    )
    assert beside < STUCK * PER_STUCK_BYTES + alone + SLACK_BYTES, f"{beside / MIB:.1f} MiB"


@pytest.mark.slow
async def test_unbounded_buffers_are_found(tmp_path: Path) -> None:
    """A hub that goes on writing to a client that does not read grows past the bound, and the measure shows it."""
    _, beside = await grown_bytes(tmp_path, UNREAD_MIB["ci"], module="tests.faults.broken.no_back_pressure")
    assert beside > STUCK * PER_STUCK_BYTES + SLACK_BYTES, f"{beside / MIB:.1f} MiB"


@pytest.mark.slow
async def test_stuck_client_on_idle_channel_stays(tmp_path: Path) -> None:
    """Heartbeats that fit the kernel's buffers are no reason to cut a client that does not read them."""
    hub = Hub(tmp_path, settings=QUICK)
    async with hub:
        stuck = await stuck_client(hub, IDLE)
        reader = await Client("reader", hub.public, subscribe_target(IDLE), signed(IDLE)).start().ready()
        await reader.outlast(5 * STALL_S)
        assert held_open(hub.public, stuck.local)
        assert (await publish_once(hub.public, IDLE, "hello")).status == 200
        stuck.resume()
        await stuck.until(lambda: stuck.payloads == ["hello"])
        assert len(stuck.opened) == 1
        await asyncio.gather(stuck.stop(), reader.stop())


@pytest.mark.slow
async def test_idle_stuck_clients_cost_as_much_as_idle_ones(tmp_path: Path) -> None:
    """On an idle channel a client that never reads costs no more memory than one that does."""
    hub = Hub(tmp_path, settings={"FAST_SSE_HEARTBEAT_S": str(HEARTBEAT_S)})
    count = 150
    async with hub:
        # The first ones pay for what the process allocates once.
        clients = [await stuck_client(hub, IDLE, f"warm{number}") for number in range(count)]
        start = hub.rss_bytes()
        reading = [
            await Client(f"r{number}", hub.public, subscribe_target(IDLE), signed(IDLE)).start().ready()
            for number in range(count)
        ]
        await reading[-1].outlast(5 * HEARTBEAT_S)
        with_readers = hub.rss_bytes()
        stuck = [await stuck_client(hub, IDLE, f"s{number}") for number in range(count)]
        await reading[-1].outlast(5 * HEARTBEAT_S)
        with_stuck = hub.rss_bytes()
        assert with_stuck - with_readers <= 1.5 * (with_readers - start) + MIB
        await asyncio.gather(*(client.stop() for client in [*clients, *reading, *stuck]))


@pytest.mark.slow
@pytest.mark.parametrize("watch", list(WATCHES))
async def test_blackholed_peer_is_cut(tmp_path: Path, watch: str) -> None:
    """A peer whose unacknowledged bytes stand still is cut at the deadline, though the kernel took all of them."""
    hub = Hub(tmp_path, settings=QUICK, module=WATCHES[watch])
    async with hub, Proxy(hub.public, receive_bytes=1) as proxy:
        lost = await Client("lost", proxy.address, subscribe_target(BUSY), signed(BUSY)).start().ready()
        reader = await Client("reader", hub.public, subscribe_target(BUSY), signed(BUSY)).start().ready()
        (hub_end,) = [side.local for side in proxy.sides if side.faces_hub]
        proxy.blackhole()
        for number in range(20):
            assert (await publish_once(hub.public, BUSY, f"{number}" + "x" * 2_000)).status == 200
        await reader.until(lambda: len(reader.seen) == 20)
        assert not lost.seen
        await eventually(
            lambda: not held_open(hub.public, hub_end), STALL_S + SPARE_S, "the silent peer is cut"
        )
        await reader.until(lambda: len(reader.opened) == 1)
        proxy.mode = "pass"
        proxy.cut()
        await lost.until(lambda: len(lost.seen) == 20)
        assert lost.payloads == reader.payloads
        assert not lost.gaps
        await asyncio.gather(lost.stop(), reader.stop())


@pytest.mark.slow
async def test_missing_deadlines_are_found(tmp_path: Path) -> None:
    """With neither deadline a client that never reads is held for ever, and the look at it says so."""
    hub = Hub(tmp_path, settings=QUICK, module="tests.faults.broken.no_deadline")
    async with hub, Crowd(hub.public, patterns=[BUSY], publishers=1, pad_bytes=PAD) as crowd:
        stuck = await stuck_client(hub, BUSY)
        await crowd.publish(100, channels=[BUSY])
        with pytest.raises(TimeoutError, match="is cut"):
            await eventually(
                lambda: not held_open(hub.public, stuck.local), STALL_S + 2, "the stuck client is cut"
            )
        await stuck.stop()


@pytest.mark.slow
async def test_half_open_peer_is_cut_once_it_is_owed_bytes(tmp_path: Path) -> None:
    """A client that vanished behind a middlebox is noticed by the bytes nobody acknowledges, and takes its message later."""
    hub = Hub(tmp_path, settings=QUICK)
    async with hub, Proxy(hub.public, receive_bytes=1) as proxy:
        client = await Client("gone", proxy.address, subscribe_target(BUSY), signed(BUSY)).start().ready()
        (hub_side,) = [side for side in proxy.sides if side.faces_hub]
        hub_side.pause()
        proxy.forget_clients()
        end = hub_side.local
        for number in range(20):
            assert (await publish_once(hub.public, BUSY, f"{number}" + "x" * 2_000)).status == 200
        await eventually(
            lambda: not held_open(hub.public, end), STALL_S + SPARE_S, "the vanished peer is cut"
        )
        proxy.mode = "pass"
        await client.until(lambda: len(client.seen) == 20)
        assert not client.gaps
        await client.stop()

"""People who mean harm, and have no key or misuse one: a beat goes on beside them, and what they took comes back."""

from __future__ import annotations

import contextlib
import gzip
import random
import resource
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.faults.beat import SLACK_BYTES, Beat, beside, judge, open_files
from tests.faults.counts import HOSTILE, Hostile, Record, each_scale
from tests.support.http1 import Address, request, request_bytes
from tests.support.kernel import eventually
from tests.support.server import Hub
from tests.support.sign import fresh_nonce, v2

from fast_sse.http.admin.server import BACKLOG_MAX, CONNECTIONS_MAX

pytestmark = pytest.mark.wire

BATCH = "/v1/sse/batch"
MIB = 1 << 20
NDJSON = {"Content-Type": "application/x-ndjson"}
#: Seconds after which a socket of an attacker gives up.
PATIENCE_S = 10.0
#: How often those who send much send something.
TICK_S = 0.02


@asynccontextmanager
async def attacked(directory: Path, **settings: str) -> AsyncIterator[tuple[Hub, Beat]]:
    """A hub that is held to nothing but its loop, and the beat beside; afterwards nothing is left of the attack."""
    given = {f"FAST_SSE_LIMITS__{name.upper()}": value for name, value in settings.items()}
    elsewhere = directory / "elsewhere"
    elsewhere.mkdir()
    async with (
        Hub(elsewhere, store="memory", port=0) as other,
        Beat(other) as calm,
        Hub(directory, store="memory", settings=given, port=0) as hub,
        Beat(hub, calm=calm) as beat,
    ):
        await beat.p99_s(10)
        files, memory = open_files(hub), hub.rss_bytes()
        yield hub, beat
        await eventually(lambda: open_files(hub) <= files, 10, "the attackers' descriptors are free")
        grown = hub.rss_bytes() - memory
        assert grown < SLACK_BYTES + 2 * 16 * MIB, f"{grown / MIB:.0f} MiB are still held"
        assert "defect" not in hub.tail_of_log(10**6)


def connected(address: Address) -> socket.socket:
    """A connection that blocks, for a while."""
    return socket.create_connection(address, PATIENCE_S)


def deaf(sock: socket.socket, stop: threading.Event) -> None:
    """Take what is answered, and look at nothing."""
    sock.settimeout(0.2)
    while not stop.is_set():
        try:
            if not sock.recv(1 << 18):
                return
        except TimeoutError:
            continue
        except OSError:
            return


def sending(address: Address, data: bytes, bytes_a_s: int, stop: threading.Event) -> None:
    """Send `data` again and again on one connection, at so many bytes a second, and read all answers."""
    with connected(address) as sock:
        reader = threading.Thread(target=deaf, args=(sock, stop))
        reader.start()
        pending = memoryview(data * max(1, int(bytes_a_s * TICK_S) // len(data)))
        while not stop.wait(TICK_S * max(1.0, len(pending) / (bytes_a_s * TICK_S))):
            with contextlib.suppress(TimeoutError):
                sock.sendall(pending)
        reader.join()


def asking(address: Address, make: Callable[[], bytes], stop: threading.Event) -> None:
    """One request after the other on a kept connection, each answered before the next."""
    while not stop.is_set():
        with connected(address) as sock, sock.makefile("rb") as answers:
            while not stop.is_set():
                sock.sendall(make())
                head = [line.strip().lower() for line in iter(answers.readline, b"\r\n") if line]
                if not head:
                    break
                length = next(int(line[15:]) for line in head if line.startswith(b"content-length:"))
                answers.read(length)
                if b"connection: close" in head:
                    break


def holding(address: Address, requests: list[bytes], stop: threading.Event) -> None:
    """Send each beginning of a request on a connection of its own, and keep them all."""
    with contextlib.ExitStack() as held:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for data in requests:
            with contextlib.suppress(OSError):
                sock = held.enter_context(connected(address))
                sock.sendall(data)
        stop.wait()


def bomb() -> bytes:
    """164 KiB of gzip that become nearly sixteen megabytes."""
    noise = random.Random(1).randbytes(1600)
    return gzip.compress(b"".join(noise[at : at + 16] + b"\n" * 1600 for at in range(0, 1600, 16)) * 97, 6)


async def measured(beat: Beat, scale: Hostile, *attacks: partial[None]) -> tuple[float, float]:
    """p99 of the beat alone, before and after, and beside the attacks."""
    quiet_s = await beat.p99_s(scale.beats // 2)
    async with beside(*attacks):
        loud_s = await beat.p99_s(scale.beats)
    return max(quiet_s, await beat.p99_s(scale.beats // 2)), loud_s


def told(quiet_s: float, loud_s: float) -> str:
    return f"p99 of a beat {quiet_s * 1e3:.1f} ms alone, {loud_s * 1e3:.1f} ms beside"


@each_scale
@pytest.mark.parametrize("signature", ["none", "forged"])
async def test_gzip_that_nobody_signed_is_not_inflated(
    tmp_path: Path, scale: str, signature: str, record: Record
) -> None:
    """Strangers who send gzip bombs get their 401 for what it cost them, and hold nobody up (CWE-409)."""
    count, body = HOSTILE[scale], bomb()
    given = {} if signature == "none" else {"x-signature": v2("batch", body=b"another", lives_s=290)}
    data = request_bytes("POST", BATCH, {**NDJSON, "Content-Encoding": "gzip", **given}, body)
    async with attacked(tmp_path) as (hub, beat):
        attacks = [partial(sending, hub.public, data, 2 * MIB // 8) for _ in range(8)]
        if signature == "none":  # refused from its head, which ends the connection
            attacks = [partial(asking, hub.public, lambda: data) for _ in range(2)]
        quiet_s, loud_s = await measured(beat, count, *attacks)
    record(f"{len(attacks)} strangers with gzip bombs, signature {signature}", told(quiet_s, loud_s))
    judge(quiet_s, loud_s, beat.noise_s)


@each_scale
@pytest.mark.parametrize("spelling", ["one", "many"])
async def test_a_peer_that_pipelines_has_a_turn_like_all(
    tmp_path: Path, scale: str, spelling: str, record: Record
) -> None:
    """One unsigned connection that sends 50,000 requests a second gets its answers between everybody else's (CWE-400)."""
    names = ["x"] if spelling == "one" else [f"x{number}" for number in range(5000)]
    data = b"".join(f"GET /{name} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for name in names)
    data *= 1 if spelling == "many" else 1000
    async with attacked(tmp_path) as (hub, beat):
        attack = partial(sending, hub.public, data, 3 * MIB // 2)
        quiet_s, loud_s = await measured(beat, HOSTILE[scale], attack)
        assert (await request(hub.admin, "GET", "/healthz")).status == 200
    record(f"one connection with 1.5 MB/s of GET, {spelling} spelling(s)", told(quiet_s, loud_s))
    judge(quiet_s, loud_s, beat.noise_s)


@each_scale
async def test_bodies_that_never_end_are_bounded_together(tmp_path: Path, scale: str, record: Record) -> None:
    """However many stand a byte short of their end, they hold what one setting says; an honest body comes through."""
    count = HOSTILE[scale]
    short = count.body_mib * MIB - 1
    signature = v2("batch", body=b"never", lives_s=290)
    head = request_bytes(
        "POST", BATCH, {**NDJSON, "x-signature": signature, "Content-Length": str(short + 1)}
    )
    data = head.replace(b"Content-Length: 0\r\n", b"") + b"\n" * short
    room = 2 * count.body_mib * MIB
    async with attacked(tmp_path, bodies_unvouched_bytes_max=str(room)) as (hub, beat):
        before = hub.rss_bytes()
        attack = partial(holding, hub.public, [data] * count.bodies)
        quiet_s = await beat.p99_s(count.beats)
        async with beside(attack):
            loud_s = await beat.p99_s(count.beats)
            grown = hub.rss_bytes() - before
            honest = b'{"event_id":"a","event_type":"b","data":"%b"}\n' % (b"x" * 300_000)
            headers = {**NDJSON, "x-signature": v2("batch", body=honest)}
            assert (await request(hub.public, "POST", BATCH, headers, honest)).status == 200
    record(
        f"{count.bodies} bodies a byte short of {count.body_mib} MiB",
        f"{grown / MIB:.0f} MiB held of {room // MIB} MiB; {told(quiet_s, loud_s)}",
    )
    assert grown < 1.5 * room + SLACK_BYTES, f"{grown / MIB:.0f} MiB"
    judge(quiet_s, loud_s, beat.noise_s)


@each_scale
@pytest.mark.parametrize("filler", [b"\n", b"1\n"], ids=["line ends", "lines"])
async def test_a_batch_of_nothing_holds_nobody_up(
    tmp_path: Path, scale: str, filler: bytes, record: Record
) -> None:
    """A signed batch of 16 MiB without a message in it is looked through between everybody's turns."""
    body = filler * (16 * MIB // len(filler))
    signatures = iter([v2("batch", body=body, nonce=fresh_nonce(), lives_s=290)] * 10_000)

    def make() -> bytes:
        return request_bytes("POST", BATCH, {**NDJSON, "x-signature": next(signatures)}, body)

    async with attacked(tmp_path) as (hub, beat):
        quiet_s, loud_s = await measured(beat, HOSTILE[scale], partial(asking, hub.public, make))
    record(f"batches of 16 MiB of {filler!r}", told(quiet_s, loud_s))
    judge(quiet_s, loud_s, beat.noise_s)


@each_scale
async def test_half_heads_at_the_operators_door_keep_nobody_out(
    tmp_path: Path, scale: str, record: Record
) -> None:
    """However many half heads stand there, the probes answer, and they take a share of the descriptors."""
    count, half = HOSTILE[scale], b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
    async with attacked(tmp_path) as (hub, beat):
        before = open_files(hub)
        attack = partial(holding, hub.admin, [half] * count.half_heads)
        quiet_s = await beat.p99_s(count.beats)
        async with beside(attack):
            await eventually(lambda: open_files(hub) - before >= CONNECTIONS_MAX, 10, "the door is full")
            for path in ("/healthz", "/readyz/publish", "/readyz/subscribe"):
                assert (await request(hub.admin, "GET", path)).status == 200
            taken = open_files(hub) - before
            loud_s = await beat.p99_s(count.beats)
    record(f"{count.half_heads} half heads without a key", f"{taken} descriptors; {told(quiet_s, loud_s)}")
    assert taken <= CONNECTIONS_MAX + BACKLOG_MAX, "no more than the share, and what one turn accepts"
    judge(quiet_s, loud_s, beat.noise_s)

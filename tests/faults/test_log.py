"""The log's reader is slow, gone, or on a full disk: the hub goes on as if there were one that reads (F17)."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.http1 import request
from tests.support.publisher import publish_once, signed, subscribe_target
from tests.support.server import ROOT, SETTINGS, START_S, Hub, stable_port
from tests.support.sse import Client

pytestmark = pytest.mark.wire

PIPE_BYTES = 4096
#: Lines that a test makes the hub write: many times what the pipe holds.
LINES = 60
CHANNEL = ("cart1", "changed")


@contextmanager
def small_pipe() -> Iterator[tuple[int, int]]:
    """The two ends of a pipe that is soon full; both closed at the end."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    try:
        yield reading, writing
    finally:
        for descriptor in (reading, writing):
            try:
                os.close(descriptor)
            except OSError:
                continue  # the test has closed it


async def lives(hub: Hub) -> Client:
    """Make the hub write many lines, and see a message through after each; the client that heard them all."""
    client = Client("c", hub.public, subscribe_target(CHANNEL), signed(CHANNEL)).start()
    await client.ready()
    for number in range(LINES):
        os.kill(hub.pid, signal.SIGHUP)  # a line that says what became of it
        reply = await publish_once(hub.public, CHANNEL, number)
        assert reply.status == 200
        await client.until_payload(number)
    assert client.payloads == list(range(LINES))
    return client


async def ends_well(hub: Hub, client: Client) -> None:
    """SIGTERM: the stream is told when to come back, and the status is that of a drain."""
    hub.terminate_now()
    assert await hub.await_exit() == 0
    await client.until(lambda: bool(client.closed_ns))
    assert client.ended_whole[0]
    await client.stop()


async def dropped(hub: Hub) -> float:
    """The counter of lines that nobody will read."""
    answer = await request(hub.admin, "GET", "/metrics", {})
    (line,) = [
        one for one in answer.body.decode().splitlines() if one.startswith("fast_sse_log_lines_dropped_total")
    ]
    return float(line.rpartition(" ")[2])


@pytest.mark.parametrize("state", ["frozen", "gone"])
async def test_a_log_that_nobody_reads_freezes_and_ends_nothing(tmp_path: Path, state: str) -> None:
    """Standard error is a pipe that is full, or has no reader any more: every publish is answered and delivered."""
    with small_pipe() as (reading, writing):
        if state == "gone":
            os.close(reading)
        hub = Hub(tmp_path, store="memory", settings={"FAST_SSE_DRAIN_S": "0.1"}, stderr=writing)
        async with hub:
            client = await lives(hub)
            assert (await dropped(hub) > LINES / 2) is (state == "gone")
            await ends_well(hub, client)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
async def test_a_log_on_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    """Each line is ENOSPC: the hub starts, serves and drains."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        hub = Hub(tmp_path, store="memory", settings={"FAST_SSE_DRAIN_S": "0.1"}, stderr=full)
        async with hub:
            client = await lives(hub)
            assert await dropped(hub) > LINES / 2
            await ends_well(hub, client)
    finally:
        os.close(full)


@pytest.mark.parametrize("output", ["full", "closed", "errors closed"])
async def test_a_ready_line_that_cannot_be_written_ends_nothing(tmp_path: Path, output: str) -> None:
    """Standard output on a full disk, or closed like standard error: the hub serves all the same."""
    port, admin_port = stable_port(), stable_port()
    settings = {
        **SETTINGS, "FAST_SSE_STORE": "memory", "FAST_SSE_DRAIN_S": "0.1", "FAST_SSE_PORT": str(port),
        "FAST_SSE_ADMIN_PORT": str(admin_port), "PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"],
    }  # fmt: skip
    redirected = {"full": ">/dev/full", "closed": ">&-", "errors closed": "2>&-"}[output]
    command = f"exec {shlex.quote(sys.executable)} -m fast_sse serve {redirected}"
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", command, env=settings, cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        await asyncio.wait_for(accepts(("127.0.0.1", port)), START_S)
        reply = await publish_once(("127.0.0.1", port), CHANNEL, 1)
        assert reply.status == 200
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def accepts(address: tuple[str, int]) -> None:
    """Wait until something listens there."""
    while True:
        try:
            _, writer = await asyncio.open_connection(*address)
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)  # nobody says when a silent process is ready
            continue
        writer.close()
        return

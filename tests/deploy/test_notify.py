"""What a hub tells systemd in its life: the real process, and a real socket in systemd's place."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.kernel import eventually
from tests.support.server import Hub, stable_port
from tests.support.systemd import Systemd

pytestmark = [pytest.mark.wire, pytest.mark.slow]

#: So often the hub of a test says that its loop turns.
TURN_S = 0.1


@pytest.fixture
def systemd() -> Iterator[Systemd]:
    found = Systemd()
    found.listen()
    yield found
    found.close()


def watched(systemd: Systemd, **more: str) -> dict[str, str]:
    """What systemd puts into the environment of a unit with WatchdogSec, and settings."""
    return {"NOTIFY_SOCKET": systemd.address, "WATCHDOG_USEC": str(int(2 * TURN_S * 1e6)), **more}


def stands_still(hub: Hub) -> bool:
    """Whether the kernel has stopped the process: a signal is sent first and delivered later."""
    return Path(f"/proc/{hub.pid}/stat").read_text().rpartition(") ")[2].startswith("T")


async def test_a_hub_tells_systemd_how_far_it_is(tmp_path: Path, systemd: Systemd) -> None:
    """READY=1 when it says that it is ready, RELOADING=1 and READY=1 around a reload, STOPPING=1 at the first SIGTERM; its pings
    stop when the process is stopped, and come back with it.
    """
    async with Hub(tmp_path, settings=watched(systemd, FAST_SSE_DRAIN_S="0.1")) as hub:
        before = await systemd.until("READY=1\nSTATUS=serves at 127.0.0.1:")
        assert set(before) == {"STATUS=waits for its store", "EXTEND_TIMEOUT_USEC=200000"}
        assert await systemd.next() == "WATCHDOG=1"

        os.kill(hub.pid, signal.SIGHUP)
        await systemd.until("RELOADING=1\nMONOTONIC_USEC=")
        assert await systemd.next() == "READY=1"

        os.kill(hub.pid, signal.SIGSTOP)
        await eventually(lambda: stands_still(hub), 20, "the process is stopped")
        systemd.heard()
        with pytest.raises(TimeoutError):
            await systemd.next(5 * TURN_S)
        os.kill(hub.pid, signal.SIGCONT)
        assert await systemd.next() == "WATCHDOG=1"

        hub.terminate_now()
        await systemd.until("STOPPING=1")
        assert await hub.await_exit() == 0


async def test_who_is_ended_by_the_watchdog_says_where_it_stood(tmp_path: Path) -> None:
    """SIGABRT ends the hub, with the line of code of each thread on standard error."""
    async with Hub(tmp_path) as hub:
        os.kill(hub.pid, signal.SIGABRT)
        assert await hub.await_exit() == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in hub.tail_of_log(20_000)
    assert re.search(r'File ".*/cli/process\.py", line \d+ in run', hub.tail_of_log(20_000))


async def test_a_start_that_waits_for_its_store_goes_on(tmp_path: Path, systemd: Systemd) -> None:
    """While the store is away the hub asks for time at each turn, and does not say that it is ready."""
    settings = watched(systemd, FAST_SSE_REDIS__URL=f"redis://127.0.0.1:{stable_port()}")
    hub = Hub(tmp_path, store="redis", settings=settings)
    starting = asyncio.create_task(hub.astart())
    assert await systemd.next() == "STATUS=waits for its store"
    assert [await systemd.next() for _ in range(5)] == ["EXTEND_TIMEOUT_USEC=200000"] * 5
    hub.terminate_now()
    await systemd.until("STOPPING=1")
    with pytest.raises(RuntimeError, match="was not ready; exit 0"):
        await starting

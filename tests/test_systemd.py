"""What the service manager is told, over a real socket: in which order, how often, and what becomes of words that it does not hear."""

from __future__ import annotations

import asyncio
import io
import os
import re
import tempfile
import time
from collections.abc import Iterator

import pytest
from tests.support.systemd import Systemd

from fast_sse.observe.logging import make_log
from fast_sse.systemd import ServiceManager

#: The loop says that it turns at half of it.
WATCHDOG_S = 0.02


class Logged(Systemd):
    """With the log of the process that speaks."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.log = io.StringIO()

    def manager(self, watchdog_s: float = 0.0) -> ServiceManager:
        """As the process knows it."""
        return ServiceManager(make_log("info", self.log), self.address, watchdog_s)


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest) -> Iterator[Logged]:
    """Where it listens: at a path, short as paths of sockets must be, or in the abstract namespace, as in some containers."""
    with tempfile.TemporaryDirectory() as directory:
        address = f"{directory}/notify" if request.param == "path" else ""
        found = Logged(address)
        yield found
        found.close()


async def test_a_life_is_told_in_order(systemd: Logged) -> None:
    """Before it is ready it asks for time, then says that it turns; a reload is told with its time, and the drain ends it."""
    systemd.listen()
    manager = systemd.manager(WATCHDOG_S)
    manager.begin()
    assert await systemd.next() == "STATUS=waits for its store"
    assert [await systemd.next() for _ in range(3)] == ["EXTEND_TIMEOUT_USEC=20000"] * 3
    manager.ready("127.0.0.1:30000")
    await systemd.until("READY=1\nSTATUS=serves at 127.0.0.1:30000")
    assert [await systemd.next() for _ in range(3)] == ["WATCHDOG=1"] * 3
    before = time.monotonic_ns() // 1000
    with manager.reloading():
        said = systemd.heard()[-1]
    assert (found := re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", said))
    assert before <= int(found[1]) <= time.monotonic_ns() // 1000
    await systemd.until("READY=1")
    manager.stopping()
    await systemd.until("STOPPING=1\nSTATUS=drains")
    assert await systemd.next() == "WATCHDOG=1"
    manager.end()
    assert systemd.heard() == []


async def test_a_loop_that_stands_still_says_nothing(systemd: Logged) -> None:
    """No thread goes on for it."""
    systemd.listen()
    manager = systemd.manager(WATCHDOG_S)
    manager.begin()
    manager.ready("")
    await systemd.until("WATCHDOG=1")
    systemd.heard()
    time.sleep(10 * WATCHDOG_S)  # noqa: ASYNC251  this is what stands still
    assert systemd.heard() == []
    await systemd.until("WATCHDOG=1")
    manager.end()


async def test_a_reload_beside_the_start_or_the_drain_is_not_told(systemd: Logged) -> None:
    """READY=1 behind it would end the start too early."""
    systemd.listen()
    manager = systemd.manager()
    with manager.reloading():
        pass
    assert systemd.heard() == []
    manager.ready("")
    manager.stopping()
    systemd.heard()
    with manager.reloading():
        pass
    assert systemd.heard() == []
    manager.end()


async def test_a_reload_that_fails_is_over_too(systemd: Logged) -> None:
    """Systemd waits for READY=1, whatever happened."""
    systemd.listen()
    manager = systemd.manager()
    manager.ready("")
    with pytest.raises(ValueError, match="wrong"), manager.reloading():
        raise ValueError("wrong")
    assert systemd.heard()[-1] == "READY=1"
    manager.end()


async def test_what_was_not_heard_is_said_again(systemd: Logged) -> None:
    """One line in the log; the newest word comes as soon as somebody hears, and pings are not saved up."""
    manager = systemd.manager(WATCHDOG_S)
    manager.begin()
    manager.ready("here")
    await asyncio.get_running_loop().run_in_executor(None, lambda: None)
    systemd.listen()
    await systemd.until("READY=1\nSTATUS=serves at here")
    assert await systemd.next() == "WATCHDOG=1"
    assert systemd.log.getvalue().count("cannot be told") == 1
    manager.end()


async def test_a_manager_that_does_not_read_stops_nobody(systemd: Logged) -> None:
    """Its queue is full: nothing waits for it, and when it reads again it is told."""
    systemd.listen()
    manager = systemd.manager(WATCHDOG_S)
    manager.begin()
    for _ in range(10_000):
        manager.ready("x" * 100)
    assert "cannot be told" in systemd.log.getvalue()
    manager.stopping()
    assert "STOPPING=1\nSTATUS=drains" not in systemd.heard()
    await systemd.until("STOPPING=1\nSTATUS=drains")
    manager.end()


async def test_without_a_watchdog_only_a_start_goes_on(
    systemd: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WatchdogSec is not set: it asks for time until it is ready, and is silent from then on."""
    monkeypatch.setattr("fast_sse.systemd._EVERY_S", 0.01)
    systemd.listen()
    manager = systemd.manager()
    manager.begin()
    await systemd.until("EXTEND_TIMEOUT_USEC=20000")
    manager.ready("")
    await systemd.until("READY=1\nSTATUS=serves at ")
    for _ in range(3):
        turned = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.02, turned.set_result, None)
        await turned
    assert systemd.heard() == []
    manager.end()


async def test_without_a_manager_nothing_is_said() -> None:
    """As on a terminal."""
    manager = ServiceManager()
    manager.begin()
    manager.ready("")
    with manager.reloading():
        manager.stopping()
    manager.end()


WATCHED = {"NOTIFY_SOCKET": "@fast-sse-test", "WATCHDOG_USEC": "30000000"}


@pytest.mark.parametrize(
    ("environment", "every_s"),
    [
        (WATCHED, 15.0),
        ({**WATCHED, "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({**WATCHED, "WATCHDOG_PID": "1"}, 10.0),
        ({**WATCHED, "WATCHDOG_USEC": ""}, 10.0),
        ({**WATCHED, "WATCHDOG_USEC": "soon"}, 10.0),
        ({"NOTIFY_SOCKET": "@fast-sse-test"}, 10.0),
    ],
)
def test_the_environment_says_who_and_how_often(environment: dict[str, str], every_s: float) -> None:
    """At half of the watchdog's time, where it watches this process; and no child inherits any of it."""
    given = {**environment, "PATH": "/bin"}
    manager = ServiceManager.of(given, os.getpid(), make_log("info", io.StringIO()))
    assert manager._every_s == every_s
    assert given == {"PATH": "/bin"}
    manager.end()


@pytest.mark.parametrize(("address", "lines"), [("", 0), ("vsock:2:1234", 1)])
def test_an_address_of_another_kind_is_said_and_left(address: str, lines: int) -> None:
    """The hub runs without it."""
    log = io.StringIO()
    manager = ServiceManager.of({"NOTIFY_SOCKET": address}, os.getpid(), make_log("info", log))
    assert manager._socket is None
    assert log.getvalue().count("is not a Unix socket") == lines

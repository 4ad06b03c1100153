"""The load generator measures what happened: against a hub of thirty lines, sound and unsound."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest
from benchmarks.load.scenarios import run
from benchmarks.load.target import LoadError, Target

pytestmark = [pytest.mark.wire, pytest.mark.slow]

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hi\n\n"
BURST = {"seconds_max": 5, "size_bytes": 200}


class SmallHub(asyncio.Protocol):
    """Every subscriber gets every message; `loses` names one that the first subscriber does not get."""

    subscribers: ClassVar[list[asyncio.Transport]]
    loses: ClassVar[int]
    published: ClassVar[int]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """One connection of either kind."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        """A subscription, or a publish whose body arrives with its head."""
        self.data += data
        head, border, body = self.data.partition(b"\r\n\r\n")
        if not border:
            return
        self.data = b""
        hub = type(self)
        if head.startswith(b"GET"):
            hub.subscribers.append(self.transport)
            self.transport.write(STREAM)
            return
        hub.published += 1
        first = 1 if hub.published == hub.loses else 0
        for subscriber in hub.subscribers[first:]:
            subscriber.write(b"id: %d\ndata: %b\n\n" % (hub.published, body))
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def small_hub(loses: int = 0) -> Iterator[Target]:
    """The hub in a thread of its own, for the generator owns this one."""
    loop = asyncio.new_event_loop()

    class Hub(SmallHub):
        subscribers: ClassVar[list[asyncio.Transport]] = []

    Hub.loses, Hub.published = loses, 0
    server = loop.run_until_complete(loop.create_server(Hub, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    host, port = server.sockets[0].getsockname()
    try:
        yield Target("small", host, port, os.getpid(), "/", "/", {}, {})
    finally:
        loop.call_soon_threadsafe(server.close)
        for subscriber in Hub.subscribers:
            loop.call_soon_threadsafe(subscriber.abort)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_fanout_counts_and_times_every_delivery() -> None:
    """All deliveries arrive, each read has a latency above zero, and the witness agrees."""
    with small_hub() as target:
        figures = run("fanout", target, {"subscribers": 20, "rate": 50, "seconds": 0.4, "size_bytes": 200})
    assert (figures["delivered"], figures["lost"], figures["surplus"]) == (400, 0, 0)
    assert figures["witness_agrees"]
    assert 0 < figures["latency_p50_ms"] <= figures["latency_p99_ms"] <= figures["latency_max_ms"]


def test_burst_ends_when_all_have_all() -> None:
    """A closed loop on several connections publishes exactly the messages asked for."""
    with small_hub() as target:
        figures = run("burst", target, BURST | {"subscribers": 20, "publishers": 4, "messages": 100})
    assert (figures["accepted"], figures["delivered"], figures["lost"]) == (100, 2000, 0)
    assert figures["witness_agrees"]


def test_a_lost_delivery_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber that misses one message is one lost delivery, not a rounding error."""
    monkeypatch.setattr("benchmarks.load.scenarios.SILENCE_S_MAX", 0.3)
    with small_hub(loses=40) as target:
        figures = run("burst", target, BURST | {"subscribers": 3, "publishers": 1, "messages": 50})
    assert (figures["delivered"], figures["lost"], figures["surplus"]) == (149, 1, 0)


def test_idle_opens_what_was_asked() -> None:
    """Memory and CPU are divided by the streams that were opened."""
    with small_hub() as target:
        figures = run("idle", target, {"subscribers": 200, "settle_s": 0.2})
    assert figures["closed_by_server"] == 0
    assert figures["cpu_us_per_subscribe"] >= 0


def test_a_server_that_is_not_there_is_an_error() -> None:
    """No figures of a load that was not made."""
    with pytest.raises(LoadError, match="cannot connect"):
        run(
            "idle",
            Target("none", "127.0.0.1", 1, os.getpid(), "/", "/", {}, {}),
            {"subscribers": 1, "settle_s": 0.1},
        )

"""Start: what answers before the node is ready, and what ends a start."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from tests.app.conftest import (
    BODY,
    PUBLISH,
    SIGNED,
    Start,
    StubbornStore,
    ask,
    refused,
    until,
)
from tests.support.http1 import request
from tests.support.server import stable_port

from fast_sse.model.errors import ConfigError, NotStoredError, UnavailableError

pytestmark = [pytest.mark.wire, pytest.mark.slow]


async def test_a_ready_node_publishes_and_says_so(start: Start) -> None:
    """Once announced, both listeners answer, and both kinds of readiness are 200."""
    public, admin = await start().addresses()
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 200
    for path in ("/healthz", "/readyz/publish", "/readyz/subscribe"):
        assert (await ask(admin, path)).status == 200


async def test_while_the_store_is_away_clients_are_refused(start: Start, store: StubbornStore) -> None:
    """Admin answers 503 for readiness and 200 for health; the public port refuses, which clients retry, and nothing is announced."""
    store.error = NotStoredError("the store is down")
    port, admin_port = stable_port(), stable_port()
    public, admin = ("127.0.0.1", port), ("127.0.0.1", admin_port)
    running = start(port=port, admin_port=admin_port)

    async def admin_answers() -> bool:
        return not await refused(admin)

    async def tried_twice() -> bool:
        return store.opens > 2

    await until(admin_answers)
    await until(tried_twice)
    assert await refused(public)
    assert not running.ready.done()
    assert (await ask(admin, "/healthz")).status == 200
    starting = await ask(admin, "/readyz/publish")
    assert (starting.status, starting.json()["data"]["state"]) == (503, "starting")
    assert (await ask(admin, "/readyz/subscribe")).status == 503
    store.error = None
    assert await running.addresses() == (public, admin)
    assert (await ask(admin, "/readyz/publish")).status == 200
    waits = [line["retry_s"] for line in running.lines("store is not available")]
    assert waits[:3] == [0.01, 0.02, 0.04]


async def test_a_node_that_never_started_can_be_stopped(start: Start, store: StubbornStore) -> None:
    """A signal while the store is away ends the start; the store is closed."""
    store.error = NotStoredError("the store is down")
    running = start()

    async def tried() -> bool:
        return store.opens > 0

    await until(tried)
    running.app.stop()
    await running.task
    assert store.closed
    assert not running.ready.done()


async def test_a_store_that_is_open_is_not_opened_again(start: Start, store: StubbornStore) -> None:
    """It opens and cannot yet say where its log ends: the node asks that again, and gets ready."""
    store.silent = [NotStoredError("no bounds yet"), NotStoredError("no bounds yet")]
    running = start()
    await running.addresses()
    assert store.opens == 1
    assert [line["error"] for line in running.lines("store is not available")] == ["no bounds yet"] * 2


async def test_a_start_that_waits_says_why_and_what_to_do(start: Start, store: StubbornStore) -> None:
    """The store has one word for a wrong name, a closed port and a broken way; the system's own words tell them apart."""
    store.error = NotStoredError("the server cannot be reached")
    store.error.__cause__ = LookupError("no connection")
    store.error.__cause__.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    running = start()

    async def told() -> bool:
        return bool(running.lines("store is not available"))

    await until(told)
    running.app.stop()
    await running.task
    line = running.lines("store is not available")[0]
    assert (line["error"], line["cause"]) == ("the server cannot be reached", "Connection refused")
    assert line["do"] == "start the store or correct its address; the hub waits for it and tries again"


async def test_a_stop_while_the_store_opens_is_no_start(start: Start, store: StubbornStore) -> None:
    """From the signal on the node is draining; a store that then answers makes it not ready, and is closed."""
    store.opening = asyncio.Event()
    running = start()
    await store.tried.wait()
    running.app.stop()
    readiness = await ask(await running.admin(), "/readyz/subscribe")
    assert (readiness.status, readiness.json()["data"]["state"]) == (503, "draining")
    store.opening.set()
    await running.task
    assert not running.ready.done()
    assert not running.lines("ready")
    assert (running.node.state, store.closed) == ("draining", True)


async def test_a_store_that_can_never_work_ends_the_start(start: Start, store: StubbornStore) -> None:
    """A wrong setting that only opening shows is not retried, and both addresses are free again."""
    store.error = ConfigError("data_dir", "is not writable")
    port = stable_port()
    with pytest.raises(ConfigError, match="data_dir"):
        await start(port=port).addresses()
    assert (store.opens, store.closed) == (1, True)
    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("prefix", ["", "admin_"])
async def test_a_taken_port_ends_the_start(prefix: str, start: Start, store: StubbornStore) -> None:
    """It is named with its setting, and the store is not touched."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"^{prefix}port: 127.0.0.1:{port} is already in use; "):
            await start(**{f"{prefix}port": port}).addresses()
    assert store.opens == 0


async def test_one_secret_for_both_is_warned_of(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start says what a 2xx means, and that every subscriber could publish; not where that is not so."""
    running = start()
    await running.addresses()
    (line,) = running.lines("start")
    assert (line["store"], line["durability"], line["limits"]["stall_s"]) == ("memory", "process", 30.0)
    assert "can also publish" in running.log.getvalue()
    monkeypatch.setenv("FAST_SSE_AUTH__V1", "subscribe")
    other = start()
    await other.addresses()
    assert "can also publish" not in other.log.getvalue()

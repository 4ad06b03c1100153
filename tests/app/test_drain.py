"""Drain: what a node still does between the signal and its end."""

from __future__ import annotations

import asyncio

import pytest
from tests.app.conftest import (
    BODY,
    PUBLISH,
    SIGNED,
    SUBSCRIBE,
    Start,
    StubbornStore,
    ask,
    refused,
    until,
)
from tests.support.http1 import Connection, request_bytes

pytestmark = [pytest.mark.wire, pytest.mark.slow]


async def test_drain_finishes_publishes_and_refuses_newcomers(start: Start, store: StubbornStore) -> None:
    """After the signal: readiness 503, newcomers refused, a publish under way gets its 200, then everything closes."""
    running = start(drain_s=5)
    public, admin = await running.addresses()
    store.held = asyncio.Event()
    async with await Connection.open(public) as connection:
        publish = asyncio.create_task(connection.exchange(request_bytes("POST", PUBLISH, SIGNED, BODY)))

        async def taken() -> bool:
            return store.appends > 0

        await until(taken)
        running.app.stop()

        async def gone() -> bool:
            return await refused(public)

        await until(gone)
        draining = await ask(admin, "/readyz/subscribe")
        assert (draining.status, draining.json()["data"]["state"]) == (503, "draining")
        assert not publish.done()
        store.held.set()
        reply = await publish
    assert reply.status == 200
    assert reply.headers["connection"] == "close"
    await running.task
    assert await refused(admin)
    assert store.closed


async def test_drain_ends_streams_with_a_time_to_come_back(start: Start) -> None:
    """A stream is not cut: its last words are `retry:`, and the chunked body is complete."""
    running = start()
    public, _ = await running.addresses()
    reader, writer = await asyncio.open_connection(*public)
    writer.write(request_bytes("GET", SUBSCRIBE, SIGNED))
    await reader.readuntil(b"id: ")
    running.app.stop()
    rest = await reader.read()
    writer.close()
    assert b"retry: " in rest
    assert rest.endswith(b"0\r\n\r\n")
    await running.task
    assert [line["streams"] for line in running.lines("drained")] == [1]


async def test_a_second_signal_ends_the_process(start: Start, store: StubbornStore) -> None:
    """The first begins a drain; the second, while a publish still waits for the store, is not patient."""
    running = start(drain_s=5)
    public, _ = await running.addresses()
    store.held = asyncio.Event()
    async with await Connection.open(public) as connection:
        publish = asyncio.create_task(connection.exchange(request_bytes("POST", PUBLISH, SIGNED, BODY)))

        async def taken() -> bool:
            return store.appends > 0

        await until(taken)
        running.app.stop()
        assert (running.ends, running.lines("ended at once by a second signal")) == (0, [])
        running.app.stop()
        assert running.ends == 1
        assert len(running.lines("ended at once by a second signal")) == 1
        store.held.set()
        assert (await publish).status == 200
    await running.task


async def test_a_request_that_dawdles_is_cut(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not go on holds the drain for its bound and no longer; the log says how many were cut."""
    monkeypatch.setenv("FAST_SSE_LIMITS__APPEND_S", "0.05")
    running = start()
    public, _ = await running.addresses()
    reader, writer = await asyncio.open_connection(*public)
    whole = request_bytes("POST", PUBLISH, SIGNED, BODY)
    writer.write(whole + whole[:-1])
    await reader.readuntil(b"}}")
    running.app.stop()
    await running.task
    assert [line["connections"] for line in running.lines("connections cut at the end of the drain")] == [1]
    assert await reader.read() == b""
    writer.close()

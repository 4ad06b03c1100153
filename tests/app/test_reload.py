"""SIGHUP at a node: what is taken over, what is refused, and what waits. Files and the signal: tests/cli/test_reload.py."""

from __future__ import annotations

import asyncio

import pytest
from tests.app.conftest import BODY, PUBLISH, SIGNED, SUBSCRIBE, Running, Start, StubbornStore
from tests.support.http1 import request, request_bytes
from tests.support.sign import SECRET

from fast_sse.app import App
from fast_sse.config import Config, load
from fast_sse.model.errors import ConfigError, NotStoredError

pytestmark = [pytest.mark.wire, pytest.mark.slow]

REFUSED = "reload refused: the settings in force stay"


async def test_wrong_settings_change_nothing(start: Start) -> None:
    """They are named in the log without a value, the secret in force stays, and right ones are taken afterwards."""
    running = start()
    public, _ = await running.addresses()
    running.settings = lambda: load(None, {"auth": {"secret": "short"}})
    running.app.reload()
    (refused,) = running.lines(REFUSED)
    assert refused["setting"] == "auth.secret"
    assert "short" not in running.log.getvalue().replace(refused["problem"], "")
    assert running.lines("reloaded") == []
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 200
    running.settings = lambda: load(None, {"auth": {"secret": "n" + SECRET}})
    running.app.reload()
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 401


async def test_streams_of_a_right_that_is_gone_end(start: Start) -> None:
    """The log counts them, and the stream ends with `fast-sse.expired`."""
    running = start()
    public, _ = await running.addresses()
    reader, writer = await asyncio.open_connection(*public)
    writer.write(request_bytes("GET", SUBSCRIBE, SIGNED))
    await reader.readuntil(b"\nid: ")
    running.settings = lambda: load(None, {"auth": {"secret": SECRET, "allowed_event_ids": ["other"]}})
    running.app.reload()
    assert [line["streams_ended"] for line in running.lines("reloaded")] == [1]
    assert b"event: fast-sse.expired" in await reader.read()
    writer.close()


async def test_a_reload_before_the_store_is_open_waits(start: Start, store: StubbornStore) -> None:
    """However many come, settings are read once, before the node says that it is ready, and hold from its first answer on."""
    store.error = NotStoredError("the store is down")
    running = start()
    reads = 0

    def settings() -> Config:
        nonlocal reads
        reads += 1
        return load(None, {"auth": {"secret": "n" + SECRET}})

    running.settings = settings
    await store.tried.wait()
    running.app.reload()
    running.app.reload()
    assert reads == 0
    store.error = None
    public, _ = await running.addresses()
    assert reads == 1
    events = running.log.getvalue()
    assert events.index('"reloaded"') < events.index('"ready"')
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 401


async def test_a_wrong_reload_before_the_start_does_not_end_it(start: Start, store: StubbornStore) -> None:
    """The node serves with the settings that it was started with."""
    store.error = NotStoredError("the store is down")
    running = start()

    def broken() -> Config:
        raise ConfigError("auth.secret", "is missing")

    running.settings = broken
    await store.tried.wait()
    running.app.reload()
    store.error = None
    public, _ = await running.addresses()
    assert [line["problem"] for line in running.lines(REFUSED)] == ["is missing"]
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 200


@pytest.mark.parametrize("missed", [True, False])
async def test_a_signal_that_came_too_early_is_made_up_for(missed: bool, start: Start) -> None:
    """One that came before there was anything to take it is a reload once the node serves; none is none."""
    running = start(missed=missed)
    await running.addresses()
    assert len(running.lines("reloaded")) == missed


async def test_without_settings_to_read_a_reload_is_ignored(start: Start) -> None:
    """The log says so; nothing else happens."""
    running: Running = start()
    await running.addresses()
    App(running.node, running.announce).reload()
    assert [line["state"] for line in running.lines("reload ignored")] == ["ready"]

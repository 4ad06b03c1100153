"""Foreign queues of a node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.conftest import (
    SIGNED,
    SUBSCRIBE,
    Start,
    StubbornStore,
    until,
)
from tests.support.http1 import request, request_bytes
from tests.support.redis_server import RedisServer, need_redis
from tests.support.sign import SECRET

from fast_sse.config import load

pytestmark = [pytest.mark.wire, pytest.mark.slow]


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        yield server


async def test_a_queue_is_read_from_ready_to_drain(
    start: Start, store: StubbornStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the queue comes to subscribers; the node lets go of the queue before it stops, and not of its hub."""
    monkeypatch.setenv("FAST_SSE_INGEST__REDIS_STREAM__URL", redis_server.url)
    package = json.dumps({"event_type": "cart_changed", "data": {"quantity": 2}})
    running = start(node="node-1")
    public, _ = await running.addresses()

    async def lease_is_held() -> bool:
        return str(redis_server.do("GET", "sse:events:lease:fast-sse")).startswith("b'node-1:")

    await until(lease_is_held)
    reader, writer = await asyncio.open_connection(*public)
    writer.write(request_bytes("GET", SUBSCRIBE, SIGNED))
    await reader.readuntil(b"\nid: ")
    redis_server.do("XADD", "sse:events", "*", "carid000001", package)
    await reader.readuntil(b'"quantity": 2')
    writer.close()
    running.app.stop()
    await running.task
    assert not redis_server.do("EXISTS", "sse:events:lease:fast-sse")
    (stopped,) = running.lines("ingest stopped")
    assert (stopped["queue"], stopped["entries"]) == ("sse:events", 1)
    assert not running.lines("ingest failed")
    assert redis_server.url not in running.log.getvalue()


async def test_a_reload_holds_for_queues(
    start: Start, store: StubbornStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel that the allow-lists name no more is refused from then on, whoever writes it to the queue."""
    monkeypatch.setenv("FAST_SSE_INGEST__REDIS_STREAM__URL", redis_server.url)
    running = start()
    await running.addresses()
    running.settings = lambda: load(None, {"auth": {"secret": SECRET, "allowed_event_ids": ["other"]}})
    running.app.reload()
    redis_server.do("XADD", "sse:events", "*", "carid000001", '{"event_type": "t", "data": 1}')

    async def told() -> bool:
        return bool(running.lines("ingest poisoned"))

    await until(told)
    assert store.appends == 0
    (poisoned,) = running.lines("ingest poisoned")
    assert "not allowed" in poisoned["error"]


async def test_poison_is_replayed_once_it_is_a_message(
    start: Start, store: StubbornStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by an allow-list it is a dead letter, also where messages make none; when the list is mended it is published."""
    monkeypatch.setenv("FAST_SSE_INGEST__REDIS_STREAM__URL", redis_server.url)
    monkeypatch.setenv("FAST_SSE_DEAD_LETTERS__ENABLED", "false")
    running = start()
    _, admin = await running.addresses()
    running.settings = lambda: load(None, {"auth": {"secret": SECRET, "allowed_event_ids": ["other"]}})
    running.app.reload()
    redis_server.do("XADD", "sse:events", "*", "carid000001", '{"event_type": "t", "data": 1}')

    async def acknowledged() -> bool:
        return bool(running.lines("ingest poisoned"))

    await until(acknowledged)
    (letter,) = (await request(admin, "GET", "/v1/dead-letters")).json()["data"]["items"]
    assert (letter["reason"], letter["event_id"], letter["event_type"]) == ("poison", "carid000001", "t")
    replay = f"/v1/dead-letters/{letter['id']}/replay"
    assert (await request(admin, "POST", replay)).status == 403
    running.settings = lambda: load(None, {"auth": {"secret": SECRET}})
    running.app.reload()
    assert (await request(admin, "POST", replay)).status == 200
    assert (await request(admin, "GET", "/v1/dead-letters")).json()["data"]["total"] == 0
    assert store.appends == 1

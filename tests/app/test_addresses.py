"""Where a node listens: both families, and a Unix socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.app.conftest import (
    SIGNED,
    SUBSCRIBE,
    Start,
    StubbornStore,
    ask,
    refused,
    until,
)
from tests.support.http1 import request_bytes
from tests.support.server import has_ipv6

from fast_sse.http.front.listener import bind
from fast_sse.model.errors import NotStoredError, UnavailableError

pytestmark = [pytest.mark.wire, pytest.mark.slow]


async def test_localhost_answers_on_both_families(start: Start) -> None:
    """Public and operators' listener alike, each on one port; the ready line names one address."""
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    running = start(host="localhost", admin_host="localhost", health_path="/health")
    public, admin = await running.addresses()
    assert (public[0], admin[0]) == ("127.0.0.1", "127.0.0.1")
    for host in ("127.0.0.1", "::1"):
        assert (await ask((host, public[1]), "/health")).status == 200
        assert (await ask((host, admin[1]), "/healthz")).status == 200
    running.app.stop()
    await running.task
    for host in ("127.0.0.1", "::1"):
        assert await refused((host, public[1]))
        assert await refused((host, admin[1]))


async def test_a_unix_socket_is_open_between_ready_and_drain(
    start: Start, store: StubbornStore, tmp_path: Path
) -> None:
    """Bound from the beginning, refusing until the hub can answer, announced by its path, and gone when the drain begins."""
    path = tmp_path / "hub.sock"
    store.error = NotStoredError("the store is down")
    running = start(host=f"unix:{path}", drain_s=5)

    async def tried() -> bool:
        return store.opens > 0

    await until(tried)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_unix_connection(path)
    with pytest.raises(UnavailableError, match="already in use"):
        bind(f"unix:{path}", 0, "", 1000)
    store.error = None
    assert (await running.addresses())[0] == ("unix", 0)
    assert [line["public"] for line in running.lines("ready")] == [f"unix:{path}"]
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request_bytes("GET", SUBSCRIBE, SIGNED))
    await reader.readuntil(b"id: ")
    running.app.stop()
    assert b"retry: " in await reader.read()
    assert not path.exists()
    writer.close()
    await running.task

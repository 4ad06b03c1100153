"""Each number of the public listener, moved."""

from __future__ import annotations

import asyncio

import pytest
from tests.numbers.conftest import CAR, Watch
from tests.support.http1 import Connection, CutError, exchange, request, request_bytes
from tests.support.publisher import publish_target
from tests.support.sign import v2

from fast_sse import app

pytestmark = [pytest.mark.wire, pytest.mark.slow]

JSON = {"content-type": "application/json"}


async def test_requests_and_what_refuses_them_are_counted(watch: Watch) -> None:
    """By the code of the answer and, for a right, by why; what is no HTTP is counted apart."""
    watched = await watch()
    target = publish_target(CAR)
    async with watched.moves("requests_total", "refused_total", "auth_failures_total"):
        reply = await request(watched.public, "POST", target, {**JSON, "x-signature": "0" * 64}, b"{}")
    assert (reply.status, b"wrong_" in reply.body) == (401, False)
    await watched.tells("auth_failures_total", 1, reason="wrong")
    async with watched.moves("malformed_total"):
        await exchange(watched.public, b"no HTTP\r\n\r\n")


async def test_connections_are_counted(watch: Watch) -> None:
    """While they are open, streams aside; one that does not end its request runs into its deadline."""
    patient, hasty = await watch(), await watch(limits={"header_s": 0.2})
    async with patient.moves("connections"):
        _, stays = await asyncio.open_connection(*patient.public)
    await patient.tells("connections", 1)
    async with hasty.moves("timeouts_total"):
        _, dawdles = await asyncio.open_connection(*hasty.public)
        dawdles.write(b"GET / HTTP/1.1\r\n")
    for writer in (stays, dawdles):
        writer.close()


async def test_bodies_that_nobody_vouches_for_are_counted(watch: Watch) -> None:
    """While they are on their way, and when one is given up to make room."""
    watched = await watch(limits={"bodies_unvouched_bytes_max": 1000})
    head = {**JSON, "x-signature": v2("pub", *CAR, body=b"")}
    raw = request_bytes("POST", publish_target(CAR), head, b"x" * 900)[:-1]
    async with (
        await Connection.open(watched.public) as first,
        await Connection.open(watched.public) as second,
    ):
        async with watched.moves("bodies_unvouched_bytes"):
            one = asyncio.create_task(first.exchange(raw))
        async with watched.moves("bodies_given_up_total"):
            other = asyncio.create_task(second.exchange(raw))
        assert (await one).status == 503
        other.cancel()
        await asyncio.wait([other])


async def test_connections_for_which_no_file_is_left_are_counted(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are closed at once, and operators still get an answer."""
    monkeypatch.setattr(app, "_open_files_max", lambda: 12)
    watched = await watch()
    async with watched.moves("turned_away_total"):
        with pytest.raises((CutError, OSError)):
            await watched.publish()


async def test_connections_that_no_proxy_introduced_are_counted(watch: Watch) -> None:
    """With `proxy_protocol` only a trusted proxy may connect, and it has to say for whom."""
    watched = await watch(proxy_protocol=True, trusted_proxies=["127.0.0.1"])
    async with watched.moves("proxy_header_cut_total"):
        with pytest.raises((CutError, OSError)):
            await watched.publish()


async def test_a_defect_is_counted(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that met one is 500."""
    watched = await watch()
    async with watched.moves("defects_total"):
        monkeypatch.setattr(watched.node._store, "append", None)
        assert (await watched.publish()).status == 500

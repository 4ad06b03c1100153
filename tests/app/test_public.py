"""The public listener of a node: what its settings open there, and what is not there."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.app.conftest import (
    BODY,
    PUBLISH,
    SIGNED,
    SUBSCRIBE,
    Start,
    ask,
)
from tests.support.http1 import exchange, request, request_bytes
from tests.support.sign import SECRET

pytestmark = [pytest.mark.wire, pytest.mark.slow]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/healthz", "/readyz", "/readyz/publish", "/readyz/subscribe", "/metrics"),
        *("/v1/dead-letters", "/v1/channels", "/v1/subscribers", "/v1/messages/x", "/healthz/"),
    ],
)
async def test_operators_paths_are_not_public(path: str, start: Start) -> None:
    """What the admin listener shows does not exist on the public one, signed or not (S24)."""
    public, _ = await start().addresses()
    for method in ("GET", "POST"):
        reply = await request(public, method, path, SIGNED)
        assert (reply.status, reply.code) == (404, "not_found")


async def test_the_page_is_the_demos_alone(start: Start) -> None:
    """A demo shows its page under its root; any other hub knows no such path."""
    public, _ = await start(demo=True).addresses()
    page = await ask(public, "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert SIGNED["x-signature"].encode() in page.body
    assert SECRET.encode() not in page.body


@pytest.mark.parametrize(
    ("demo", "publish_secret", "status"), [(False, None, 401), (True, None, 200), (False, "p" + SECRET, 200)]
)
async def test_a_v1_signature_in_a_link(
    demo: bool, publish_secret: str | None, status: int, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works in a demo, and where it could not publish; elsewhere a URL would be a lasting permit."""
    if publish_secret:
        monkeypatch.setenv("FAST_SSE_AUTH__PUBLISH_SECRET", publish_secret)
    public, _ = await start(demo=demo).addresses()
    reader, writer = await asyncio.open_connection(*public)
    writer.write(request_bytes("GET", f"{SUBSCRIBE}?signature={SIGNED['x-signature']}", {}))
    assert (await reader.readline()).startswith(f"HTTP/1.1 {status} ".encode())
    writer.transport.abort()


async def test_settings_of_the_public_listener_reach_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An allowed origin is told so, and a trusted proxy's clients are counted each for itself."""
    monkeypatch.setenv("FAST_SSE_CORS__ORIGINS", "https://shop.example")
    monkeypatch.setenv("FAST_SSE_TRUSTED_PROXIES", "127.0.0.0/8")
    monkeypatch.setenv("FAST_SSE_LIMITS__PUBLISH_RATE", "0.001")
    public, _ = await start().addresses()
    statuses = []
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        headers = {**SIGNED, "Origin": "https://shop.example", "X-Forwarded-For": client}
        reply = await request(public, "POST", PUBLISH, headers, BODY)
        assert reply.headers["access-control-allow-origin"] == "https://shop.example"
        statuses.append(reply.status)
    assert statuses == [200, 200, 429]


async def test_the_health_path_is_for_anybody_and_for_reading(start: Start) -> None:
    """Unsigned and under any Host it is 200 `ok`, to GET and HEAD alone; without the setting there is no such path."""
    public, _ = await start(health_path="/health").addresses()
    raw = b"%s /health HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n"
    answer = await exchange(public, raw % b"GET")
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    reader, writer = await asyncio.open_connection(*public)
    writer.write(raw % b"HEAD")
    head = await reader.read()
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Length: 3\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert (await request(public, "POST", "/health", SIGNED, BODY)).status == 405
    bare, _ = await start().addresses()
    assert (await ask(bare, "/health")).status == 404


async def test_connections_that_no_proxy_introduces_are_named_seldom(start: Start) -> None:
    """With `proxy_protocol`, each is cut, and the log says it at the first, second, fourth: a crowd must not fill it."""
    running = start(proxy_protocol=True, trusted_proxies=["10.0.0.1"])
    public, _ = await running.addresses()
    for _ in range(5):
        reader, writer = await asyncio.open_connection(*public)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
    told = running.lines("connections cut: not introduced by a PROXY header of a trusted proxy")
    assert [line["connections"] for line in told] == [1, 2, 4]
    assert {(line["reason"], line["peer"]) for line in told} == {("untrusted", "127.0.0.1")}

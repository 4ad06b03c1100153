"""Rules of `http.admin.guard`: no page of somebody else changes anything."""

from __future__ import annotations

from typing import Any

import pytest

from fast_sse.http.admin.guard import MutationGuard


async def passed(method: str = "DELETE", host: str = "127.0.0.1:30001", **headers: str) -> int:
    """The status that a request gets; 200 when the guard lets it through."""
    sent: list[Any] = []
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": "/v1/channels/a/b",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
        "server": ("127.0.0.1", 30001),
    }

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    await MutationGuard(app, "hub.internal")(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:30001", "localhost:9", "LOCALHOST", "[::1]:30001", "10.1.2.3", "hub.internal:30001"]
)
async def test_a_host_that_is_ours_passes(host: str) -> None:
    """An address, localhost, or the configured name, whatever the port: tunnels change it."""
    assert await passed(host=host) == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example:30001", "localhost.evil.example", "1.2.3"]
)
async def test_a_name_of_somebody_else_is_refused(host: str) -> None:
    """DNS rebinding (CWE-350): a page that made its name resolve to this machine still sends its own name."""
    assert await passed(host=host) == 403
    assert await passed("GET", host=host) == 200


async def test_another_origin_is_refused() -> None:
    """CSRF (CWE-352): where a browser says which page it speaks for, it must be this listener's own."""
    assert await passed(origin="http://127.0.0.1:30001") == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:30002", "https://127.0.0.1:30001", ""):
        assert await passed(origin=origin) == 403


async def test_a_body_must_be_json() -> None:
    """What a form or a simple request can send is refused; an empty body needs no type."""
    assert await passed() == 200
    assert await passed(content_length="0", content_type="text/plain") == 200
    assert await passed(content_length="2", content_type="application/json; charset=utf-8") == 200
    assert await passed(content_length="2", content_type="text/plain") == 415
    assert await passed(content_length="2") == 415
    assert await passed(transfer_encoding="chunked") == 415

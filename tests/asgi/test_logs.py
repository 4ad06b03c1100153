"""The log and the traces of a hub in somebody else's process."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from tests.support.collector import Kept, text
from tests.support.sign import SECRET, v1

from fast_sse.asgi import HubApp, app
from fast_sse.config import load
from fast_sse.model.cursor import parse_cursor
from fast_sse.observe.logging import make_log

PATH = "/v1/sse/events/cart1/types/changed"
BODY = b'{"data":1}'


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub with an access log."""
    for name, value in (("AUTH__SECRET", SECRET), ("STORE", "memory"), ("ACCESS_LOG", "true")):
        monkeypatch.setenv(f"FAST_SSE_{name}", value)


@contextmanager
def pipe() -> Iterator[int]:
    """Standard error is a pipe; its reading end. No fixture: the runner puts its own there before the test begins."""
    reading, writing = os.pipe()
    with pytest.MonkeyPatch.context() as patch, os.fdopen(writing, "w") as stream:
        patch.setattr(sys, "stderr", stream)
        yield reading
    os.close(reading)


async def publish(hub: HubApp, **headers: str) -> int:
    """The status of one publish over ASGI."""
    given = {"content-type": "application/json", "x-signature": v1("cart1", "changed"), **headers}
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("192.0.2.7", 4711),
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await hub(scope, receive, send)
    (status,) = statuses
    return status


def lines(raw: bytes) -> list[dict[str, Any]]:
    """The lines of the access log."""
    return [line for line in map(json.loads, raw.splitlines()) if line["event"] == "request"]


async def test_requests_under_another_server_have_their_lines() -> None:
    """The same lines as on the hub's own listener, written by the time the application has ended."""
    with pipe() as reading:
        hub = app()
        async with hub.lifespan():
            assert await publish(hub) == 200
            assert await publish(hub, **{"x-signature": ""}) == 401
        found = lines(os.read(reading, 1 << 16))
    assert [(line["method"], line["path"], line["status"], line["peer"]) for line in found] == [
        ("POST", PATH, 200, "192.0.2.7"),
        ("POST", PATH, 401, "192.0.2.7"),
    ]
    assert "request_id" in found[1]


async def test_the_last_line_is_written_before_the_end() -> None:
    """A server ends the process as soon as the application has ended: lines that still waited would be lost."""
    stream, last = io.StringIO(), []
    hub = HubApp(load(), make_log("info", stream), written=lambda: last.append(stream.getvalue()))
    async with hub.lifespan():
        assert last == []
    (said,) = last
    assert json.loads(said.splitlines()[-1])["event"] == "stopped"


async def test_a_reader_that_stopped_holds_up_no_request() -> None:
    """A pipe takes 64 KiB: the lines of far more requests wait in memory, and the loop goes on."""
    with pipe() as reading:
        hub = app()
        async with hub.lifespan():
            statuses = [await publish(hub) for _ in range(500)]
            raw = b""
            while raw.count(b'"status": 200') < 500:
                raw += await asyncio.to_thread(os.read, reading, 1 << 16)
    assert set(statuses) == {200}
    assert len(lines(raw[: raw.rindex(b"\n")])) == 500


async def test_what_is_no_file_is_written_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some applications put an object of their own in the place of standard error."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    hub = app()
    async with hub.lifespan():
        assert await publish(hub) == 200
    assert [line["status"] for line in lines(stream.getvalue().encode())] == [200]


async def test_spans_go_to_the_provider_of_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    """A publish from inside the process goes on from the span that is current there, and so does its message."""
    kept = Kept()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: kept.provider)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv("FAST_SSE_TRACING", "true")
    hub = app(load())
    async with hub.lifespan():
        with kept.provider.get_tracer("shop").start_as_current_span("order") as order:
            message_id = await hub.publish("cart1", "changed", 1)
            here = text(order.get_span_context())
        await publish(hub)
        cursor = parse_cursor(message_id)
        assert hub._node is not None
        assert cursor is not None
        record = await hub._node._store.get(cursor.position)
    assert record is not None
    assert json.loads(record.headers)["traceparent"] == here
    parents = {(span.name, "" if span.parent is None else text(span.parent)) for span in kept.ended}
    assert parents == {
        ("order", ""),
        ("append", here),
        ("publish", ""),
        ("append", text(kept.one("publish").context)),
    }

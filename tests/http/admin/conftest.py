"""The operators' application, asked as an ASGI server would: no socket, no hub."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.types import ASGIApp
from tests.support.sign import SECRET

from fast_sse.config import load
from fast_sse.http.admin.app import admin_app
from fast_sse.hub.hub import Erased
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import parse_cursor
from fast_sse.model.errors import UnavailableError
from fast_sse.model.letter import Reason
from fast_sse.node import Node
from fast_sse.observe.history import History
from fast_sse.observe.logging import make_log
from fast_sse.parts import make_sources, make_store

KEY = b"operators-only"


class FakeNode:
    """A process in a state of the test's choice."""

    def __init__(self, state: str = "ready", error: UnavailableError | None = None) -> None:
        self.name = "n1"
        self.state, self.store_name, self.durability, self.following = state, "sqlite", "fsync", True
        self.erased_stays = self.damaged = False
        self.error = error
        self.probes = 0
        self.erased: list[Channel] = []
        self.instance, self.started_ms, self.history = "0f" * 8, 1_000, History([])
        self.letters_by_reason: dict[Reason, int] | None = None
        self.looks: asyncio.Queue[None] = asyncio.Queue()

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """One number, in whatever form was asked for."""
        return b"fast_sse_streams_open 3\n", accept or "text/plain; version=0.0.4; charset=utf-8"

    async def erase(self, target: Channel) -> Erased:
        """Remember it."""
        if self.error:
            raise self.error
        self.erased.append(target)
        return Erased(3, 2)

    async def look(self) -> None:
        """Say that it was asked."""
        self.looks.put_nowait(None)

    async def probe_publish(self) -> None:
        """The store's answer."""
        self.probes += 1
        if self.error:
            raise self.error


@pytest.fixture
async def real(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    """A node that serves, on a log in memory."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    config = load(None, {"store": "memory", "drain_s": 0.05, "node": "n1"})
    node = Node(config, make_store(config), make_sources(config), make_log("debug", io.StringIO()))
    await node.open()
    node.serve()
    yield node
    await node.drain()
    await node.close()


async def published(node: Node, channel: str = "a/t", *data: object, **fields: object) -> list[str]:
    """Messages by an operator; their ids."""
    event_id, event_type = channel.split("/")
    ids = []
    for value in data:
        body = {"event_id": event_id, "event_type": event_type, "data": value, **fields}
        answer = await ask(
            node, "/v1/publish-test", method="POST", body=json.dumps(body, ensure_ascii=False).encode()
        )
        assert answer.status_code == 200, answer.text
        ids.append(answer.json()["data"]["message_id"])
    await settled(node, ids)
    return ids


async def settled(node: Node, ids: list[str]) -> None:
    """Wait until the node has read what was published."""
    place = parse_cursor(ids[-1])
    assert place is not None
    async with asyncio.timeout(5):
        await node.hub._ground.fanout.reached(place.position)


class Answer:
    """What came back."""

    def __init__(self, sent: list[Any]) -> None:
        self.status_code: int = sent[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.body = b"".join(part["body"] for part in sent[1:])

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.text)


async def ask(
    node: Any,
    path: str,
    key: bytes = b"",
    method: str = "GET",
    authorization: str = "",
    *,
    metrics_open: bool = False,
    body: bytes = b"",
    now_s: float = 1_000_000.0,
    names: tuple[str, ...] = (),
    **named: str,
) -> Answer:
    """One request to the application, from 10.0.0.1; a body is JSON. `named`: headers, with `_` for `-`."""
    app = admin_app(node, key, names, metrics_open=metrics_open, now=lambda: now_s)
    return await ask_app(app, path, method, body=body, authorization=authorization, **named)


async def ask_app(app: ASGIApp, path: str, method: str = "GET", *, body: bytes = b"", **named: str) -> Answer:
    """One request to any application."""
    sent: list[Any] = []
    path, _, query = path.partition("?")
    host = named.pop("host", "127.0.0.1:30001")
    headers = [(b"host", host.encode())]
    headers += [
        (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in named.items() if value
    ]
    if body:
        headers += [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "client": ("10.0.0.1", 4711),
        "headers": headers,
        "scheme": "http",
        "http_version": "1.1",
    }

    requests = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        if (request := next(requests, None)) is None:
            await asyncio.Event().wait()  # the client stays
        return request

    async def send(part: Any) -> None:
        sent.append(part)

    try:
        await app(scope, receive, send)
    except ZeroDivisionError:
        assert sent, "a defect is answered before it is passed on to the server's log"
    return Answer(sent)

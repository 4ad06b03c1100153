"""Answers of the operators' listener that go on: how each of them ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.http.admin.conftest import ask_app
from tests.http.admin.test_server import bound

from fast_sse.http.admin.event_stream import ENDS, EventStream, Refused, cut_of, last_words
from fast_sse.http.admin.server import AdminServer
from fast_sse.observe.access import Ended

NOW_S = 1_000_000.0


class Stream:
    """A protocol that does nothing by itself."""

    def __init__(self, transport: Any) -> None:
        self.ended: Ended = "client"
        self.transport = transport
        self.lost = asyncio.Event()
        self.paused = asyncio.Event()

    def end(self, reason: Any) -> None:
        """Last words."""
        self.ended = ENDS[reason]
        self.transport.write(last_words(reason))
        self.transport.close()

    def pause_writing(self) -> None:
        """The peer does not read."""
        self.paused.set()

    def resume_writing(self) -> None:
        """The peer reads."""

    def connection_lost(self, _exc: Exception | None) -> None:
        """The end."""
        self.lost.set()


class Place:
    """An application of one stream."""

    def __init__(self, ends_s: float | None = None) -> None:
        self.began: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
        self.request: Request | None = None
        self.door: Any = None
        self._ends_s = ends_s
        self.app = Starlette(routes=[Route("/", self._open)])

    async def _open(self, request: Request) -> Response:
        self.request = request
        if self._ends_s is not None:
            request.scope["state"] = {"session_ends_s": self._ends_s}
        return EventStream(request, self._attach, lambda: NOW_S)

    def _attach(self, transport: Any) -> Stream:
        stream = Stream(transport)
        if not self.began.done():
            self.began.set_result(stream)
        return stream


async def test_a_stream_ends_with_its_session() -> None:
    """What the cookie allowed, it allows no longer than it lasts; the browser is told why, in a block without an id."""
    answer = await asyncio.wait_for(ask_app(Place(NOW_S).app, "/"), 5)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.text == 'retry: 60000\nevent: end\ndata: {"reason":"expired"}\n\n'


async def test_head_opens_no_stream() -> None:
    """It is answered as GET would begin, and is over."""
    place = Place()
    answer = await asyncio.wait_for(ask_app(place.app, "/", "HEAD"), 5)
    assert (answer.status_code, answer.body) == (200, b"")
    assert not place.began.done()


async def test_a_stream_that_does_not_begin_says_why() -> None:
    """With 200: a browser's EventSource gives up for good on anything else."""

    async def refuse(request: Request) -> Response:
        return EventStream(request, lambda transport: Refused(transport, "full"), lambda: NOW_S)

    app = Starlette(routes=[Route("/", refuse)])
    answer = await asyncio.wait_for(ask_app(app, "/"), 5)
    assert (answer.status_code, answer.text.partition("\n")[0]) == (200, "retry: 15000")


@pytest.fixture
async def place() -> AsyncIterator[tuple[Place, int]]:
    """The application on a real listener, and its port."""
    made = Place()
    sock = bound()
    server = AdminServer(made.app, sock)
    port = sock.getsockname()[1]
    made.door = server._door
    await server.start()
    yield made, port
    await server.stop()


@pytest.mark.wire
async def test_a_viewer_that_leaves_is_gone(place: tuple[Place, int]) -> None:
    """The stream hears of it without writing anything."""
    made, port = place
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    stream = await made.began
    writer.close()
    await asyncio.wait_for(stream.lost.wait(), 5)


@pytest.mark.wire
async def test_a_viewer_that_does_not_read_can_be_cut(place: tuple[Place, int]) -> None:
    """Whatever waits for it in our buffers and in the server's: a connection that is only closed would wait for ever."""
    made, port = place
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    stream = await made.began
    while not stream.paused.is_set():
        stream.transport.write(b":" * 65_536)
        await asyncio.sleep(0)
    assert made.request is not None
    cut_of(made.request, stream.transport.abort)()
    await asyncio.wait_for(stream.lost.wait(), 5)
    assert not made.door._served
    writer.close()

"""A connection fed with bytes through a transport without a socket, and the handler behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tests.support.clock import ManualClock
from tests.support.interface import Scripted
from tests.support.transport import FakeTransport

from fast_sse.http.front.front import Front
from fast_sse.http.message import Admission, Answer, Deferred, Request, Response, Stream
from fast_sse.model.limits import Limits

LIMITS = Limits(
    head_bytes_max=400,
    body_bytes_max=100,
    pipeline_requests_max=4,
    header_s=10.0,
    body_s=30.0,
    keep_alive_s=75.0,
)
DATE = b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT"  # RFC 9110's own example
TICK = 1.0  # a deadline may be late by one sweep


def get(path: str, lines: str = "", version: str = "1.1") -> bytes:
    return f"GET {path} HTTP/{version}\r\nHost: a\r\n{lines}\r\n".encode()


def post(path: str, body: bytes = b"", lines: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


def render(future: asyncio.Future[Any]) -> Response:
    if future.cancelled():
        return Response(504, b"cancelled")
    error = future.exception()
    return Response(503, str(error).encode()) if error else Response(200, future.result())


class Subscriber(asyncio.Protocol):
    """Stands for a stream's protocol: keeps what it is told."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.received = b""
        self.paused = False
        transport.write(b"primed")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def pause_writing(self) -> None:
        self.paused = True


class Rig:
    """A front with a scripted handler and one connection."""

    def __init__(
        self, limits: Limits = LIMITS, *, half_close: bool = True, peer: object = ("192.0.2.7", 1)
    ) -> None:
        self.clock = ManualClock(1000.0)
        self.asked: list[Request] = []
        self.futures: dict[str, asyncio.Future[bytes]] = {}
        self.defects: list[tuple[str, BaseException]] = []
        self.subscribers: list[Subscriber] = []
        self.judged: list[Request] = []
        self.admission: Admission | Response = Admission(limits.body_bytes_max)
        self.special: dict[str, Callable[[Request], Answer]] = {}
        self.front = Front(
            Scripted(self.handle, self.admit),
            limits,
            clock=self.clock,
            on_defect=lambda *defect: self.defects.append(defect),
            wall=lambda: 784111777.0,
        )
        self.peer = peer
        self.transport = FakeTransport(self.front(), half_close=half_close, peer=peer)

    def handle(self, request: Request) -> Answer:
        self.asked.append(request)
        path = request.path
        if path in self.special:
            return self.special[path](request)
        if path.startswith("/later"):
            future = self.futures[path] = asyncio.get_running_loop().create_future()
            return Deferred(future, render)
        if path.startswith("/stream"):
            return Stream(self.subscribe)
        return Response(200, path.encode(), "text/plain")

    def admit(self, request: Request) -> Admission | Response:
        self.judged.append(request)
        return self.admission

    def connect(self) -> FakeTransport:
        """One more connection."""
        return FakeTransport(self.front(), peer=self.peer)

    def subscribe(self, transport: Any, head: bytes) -> asyncio.BaseProtocol:
        transport.write(head)
        self.subscribers.append(Subscriber(transport))
        return self.subscribers[-1]

    def feed(self, data: bytes) -> None:
        self.transport.feed(data)

    async def resolve(self, *paths: str) -> None:
        for path in paths:
            self.futures[path].set_result(path.encode())
        await turn()

    def after(self, seconds: float) -> None:
        """Let time pass and sweep."""
        self.clock.now += seconds
        self.front.sweep()

    @property
    def answers(self) -> list[tuple[int, bytes]]:
        """Status and body of each answer so far."""
        found, rest = [], self.transport.sent
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
            found.append((int(head[9:12]), rest[:length]))
            rest = rest[length:]
        return found

    @property
    def bodies(self) -> list[str]:
        return [body.decode() for _, body in self.answers]

    @property
    def statuses(self) -> list[int]:
        return [status for status, _ in self.answers]


async def turn(times: int = 3) -> None:
    """Let the loop run what is ready."""
    for _ in range(times):
        await asyncio.sleep(0)

"""A reader that is fed by hand, and what it says."""

from __future__ import annotations

from tests.support.interface import INTAKE

from fast_sse.http.front.reader import RequestReader
from fast_sse.http.message import Request
from fast_sse.http.request_head import Kept
from fast_sse.model.limits import Limits

SMALL = Limits(head_bytes_max=300, body_bytes_max=100)


class Taker:
    """Collects requests; refuses to go on after `stop_at` of them."""

    def __init__(self, limits: Limits = SMALL, stop_at: int = 1_000_000) -> None:
        self.requests: list[Request] = []
        self.kept_alive: list[bool] = []
        self.stop_at = stop_at
        self.reader = RequestReader(limits, Kept(INTAKE), self.take, "192.0.2.7")

    def take(self, request: Request, keep_alive: bool) -> bool:
        self.requests.append(request)
        self.kept_alive.append(keep_alive)
        return len(self.requests) < self.stop_at

    def feed(self, *pieces: bytes) -> list[Request]:
        for piece in pieces:
            at = self.reader.feed(piece)
            while at:
                at = self.reader.feed(piece, at)
        return self.requests


def read(*pieces: bytes, limits: Limits = SMALL) -> list[Request]:
    return Taker(limits).feed(*pieces)


def post(lines: bytes, body: bytes = b"") -> bytes:
    return b"POST /p HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (lines, body)

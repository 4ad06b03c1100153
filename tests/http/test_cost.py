"""What a publish costs between socket and socket, in calls: through the front, the rules, the hub and a memory store.

Counted and not timed, so that a machine that is busy changes nothing. Only calls that the project makes count, of functions
of its own and of functions in C. The bounds are what was measured: they may go down. Three Python calls
and four of C of each are its place in the histograms of how long it took.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from tests.http.rig import NOW, PUBLISH, SECRET, V1, rigged
from tests.support.transport import FakeTransport

import fast_sse
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.front.front import Front
from fast_sse.model.channel import Channel
from fast_sse.model.limits import Limits
from fast_sse.model.signature import sign_v2

SOURCE = str(Path(fast_sse.__file__).parent)
BODY = b'{"data":{"n":1}}'


class Cost(NamedTuple):
    """Calls of the project's functions, and calls that these make of functions in C."""

    python: int
    c: int


def request(signature: str, more: str = "") -> bytes:
    """A publish as clients send it."""
    head = (
        f"POST {PUBLISH} HTTP/1.1\r\nHost: hub.example:30000\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
        f"User-Agent: bench/1\r\n{more}x-signature: {signature}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n"
    )
    return head.encode() + BODY


def of_v2(number: int) -> bytes:
    """A publish whose signature is its own, and so is its head."""
    times = {"iat": int(NOW), "exp": int(NOW) + 60}
    channel = Channel("cart1", "changed")
    return request(sign_v2(SECRET, "web-1", "pub", (channel,), body=BODY, nonce=f"{number:016}", **times))


def counted(feed: Any, data: bytes) -> Cost:
    """What one read of the socket costs, up to the answer's `write`."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _argument: Any) -> None:
        if frame.f_code.co_filename.startswith(SOURCE):
            calls[event] += 1

    sys.setprofile(count)
    try:
        feed(data)
    finally:
        sys.setprofile(None)
    return Cost(calls["call"], calls["c_call"])


@pytest.mark.parametrize(
    ("make", "most"),
    [
        pytest.param(lambda _number: request(V1), Cost(41, 55), id="a head that came before"),
        pytest.param(lambda number: request(V1, f"X-Trace: {number}\r\n"), Cost(71, 122), id="a new head"),
        pytest.param(of_v2, Cost(74, 137), id="a signature of its own"),
    ],
)
async def test_a_publish_costs_no_more_calls(make: Any, most: Cost) -> None:
    """Each publish is some tens of calls: what is added here is paid by every message."""
    async with rigged(Limits(), kind=Endpoints) as rig:
        transport = FakeTransport(Front(rig.endpoints, Limits(), clock=lambda: 0.0)())
        costs = []
        for number in range(6):
            costs.append(counted(transport.protocol.data_received, make(number)))
            await asyncio.sleep(0)
        assert transport.sent.count(b"HTTP/1.1 200 OK") == 6
        assert costs[-1].python <= most.python
        assert costs[-1].c <= most.c

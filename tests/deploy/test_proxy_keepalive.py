"""Connections that a proxy keeps to the hub: none is used again that the hub is about to close."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

import pytest
from tests.deploy.conftest import Pairing
from tests.support.http1 import request
from tests.support.publisher import Pair, Publisher, subscribe_target
from tests.support.sign import v2

pytestmark = [pytest.mark.wire, pytest.mark.slow]


class Count(NamedTuple):
    """Publishes beside streams that the hub ends."""

    publishes: int
    streams: int


PARALLEL = 10


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(Count(2_000, 100), id="ci"),
        pytest.param(Count(20_000, 1_000), id="chaos", marks=[pytest.mark.chaos, pytest.mark.timeout(1800)]),
    ],
)
async def test_no_publish_is_lost_to_a_stream_that_ends(shared: Pairing, channel: Pair, count: Count) -> None:
    """Beside streams that the hub ends, each publish through kept connections gets the hub's own answer, at the first try."""
    ended = v2("sub", *channel, now=time.time() - 200)  # right, and over: the stream says so and ends
    headers = {"Accept": "text/event-stream", "Connection": "close", "x-signature": ended}

    async def publish(number: int) -> list[int]:
        publisher = Publisher(f"p{number}", shared.proxy.plain, keyed=False)
        messages = [await publisher.publish(channel) for _ in range(count.publishes // PARALLEL)]
        publisher.close()
        return [attempt.status for message in messages for attempt in message.attempts]

    async def subscribe() -> list[bytes]:
        answers = [
            await request(shared.proxy.plain, "GET", subscribe_target(channel), headers)
            for _ in range(count.streams // PARALLEL)
        ]
        return [answer.body for answer in answers]

    streams = [asyncio.create_task(subscribe()) for _ in range(PARALLEL)]
    statuses = [status for found in await asyncio.gather(*map(publish, range(PARALLEL))) for status in found]
    bodies = [body for found in await asyncio.gather(*streams) for body in found]
    assert len(bodies) == count.streams
    assert all(b"fast-sse.expired" in body for body in bodies)
    others = [status for status in statuses if status != 200]
    assert (len(statuses), others) == (count.publishes, [])

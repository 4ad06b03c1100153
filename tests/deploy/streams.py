"""The streams that a hub has, as its operators see them."""

from __future__ import annotations

import asyncio

from tests.deploy.curl import SOON_S
from tests.support.http1 import request
from tests.support.publisher import Pair
from tests.support.server import Hub


async def streams_of(hub: Hub, channel: Pair) -> int:
    """How many streams of a channel the hub has. Its open files would not do: proxies probe it, and keep idle connections."""
    answer = await request(hub.admin, "GET", f"/v1/subscribers?channel={'/'.join(channel)}")
    return len(answer.json()["data"]["items"])


async def end_at(hub: Hub, channel: Pair) -> None:
    """Wait until the hub has no stream of a channel."""
    async with asyncio.timeout(SOON_S):
        while await streams_of(hub, channel):  # noqa: ASYNC110  the hub tells nobody that a stream has ended
            await asyncio.sleep(0.05)

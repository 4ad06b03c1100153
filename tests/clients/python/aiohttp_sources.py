"""What a user of `aiohttp-sse-client` writes, and of its fork: they differ in the name that is imported."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout  # type: ignore[import-not-found]
from tests.clients.python.say import say_error, say_event, say_open

#: The library's class, from one of two packages; neither has types.
EventSource = Any


async def plain(event_source: EventSource, url: str) -> None:
    """What the README shows; the callbacks only tell."""
    async with event_source(url, on_open=say_open, on_error=lambda: say_error("on_error")) as source:
        try:
            async for event in source:
                say_event(event.type, event.last_event_id, event.data)
        except ConnectionError as error:
            say_error(error)


async def mended(event_source: EventSource, url: str) -> None:
    """A new source after each error, from the last event that was processed.

    Raises:
        ConnectionRefusedError: the library's word for 401.
    """
    last_id = ""
    # The first bounds the silence between heartbeats, which come every 15 s; the second lets a message of 1 MiB pass.
    timeout = ClientTimeout(total=None, sock_connect=10, sock_read=60)
    async with ClientSession(timeout=timeout, read_bufsize=2**21) as session:
        while True:
            headers = (
                {"Last-Event-Id": last_id} if last_id else {}
            )  # spelled as the library does, which replaces it
            try:
                async with event_source(url, session=session, headers=headers, on_open=say_open) as source:
                    async for event in source:
                        say_event(event.type, event.last_event_id, event.data)
                        last_id = event.last_event_id or last_id
                return  # 204
            except ConnectionRefusedError:
                raise
            except (ClientError, OSError, TimeoutError) as error:
                say_error(error)
            await asyncio.sleep(random.uniform(0.5, 1.5))

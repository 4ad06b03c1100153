"""`aiohttp-sse-client2`: a fork of `aiohttp-sse-client` whose error messages have the answer's body.

Found, in 0.3.0: the rest of its code is the same line by line, so `aiohttp_sse_client.py` says what it does.
"""

from __future__ import annotations

from aiohttp_sse_client2.client import EventSource  # type: ignore[import-not-found]
from tests.clients.python import aiohttp_sources


async def plain(url: str) -> None:
    """What the README shows."""
    await aiohttp_sources.plain(EventSource, url)


async def mended(url: str) -> None:
    """Comes back after everything but 401, from the last event that was processed."""
    await aiohttp_sources.mended(EventSource, url)

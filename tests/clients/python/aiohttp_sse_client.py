"""`aiohttp-sse-client`: reconnects by itself, but only after an end without an error.

Found, in 0.2.1:

- Keeps the id of a block without data. Sends Last-Event-Id when it reconnects.
- What half a block set is not forgotten at the end of a connection: its data and its name are put before the next
  block's, and a blank line makes its id the one to reconnect with. An id that stands last, and a first block with an
  id of its own, leave it no wrong id; and a cut is an exception, behind which a new object starts clean.
- Reconnects after a clean end, after 200 with `retry:` only too. A cut is `ClientPayloadError`, a refused reconnect
  `ClientConnectorError`: both go to the user, and neither is the `ConnectionError` that the README catches.
- Waits twice what `retry` said; 10 s where the connection said nothing. Tells nobody what it was.
- Named events come like others. Stops for good on 204, any status but 200, and another content type.
- aiohttp ends each request after 5 minutes, and refuses a line of more than 512 KiB; both are options of its session.
"""

from __future__ import annotations

from aiohttp_sse_client.client import EventSource  # type: ignore[import-not-found]
from tests.clients.python import aiohttp_sources


async def plain(url: str) -> None:
    """What the README shows."""
    await aiohttp_sources.plain(EventSource, url)


async def mended(url: str) -> None:
    """Comes back after everything but 401, from the last event that was processed."""
    await aiohttp_sources.mended(EventSource, url)

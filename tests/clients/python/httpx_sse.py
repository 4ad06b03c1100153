"""`httpx-sse`: reads one response; who uses it reconnects. `plain` is the function of its README, word for word.

Found, in 0.4.3:

- Hands over an event without data at each blank line once an id was seen, so an id-only block is a phantom and a
  block that is only `retry:` is another. Position blocks with data, and `retry:` without a blank line, make none.
- An event's id is the last one of this connection. Half a block at the end of a connection counts for nothing.
- `retry` is known only from a block that has it: last words are not seen.
- README's function comes back after a broken read and nothing else. The hub's cuts are `RemoteProtocolError`, 5 s of
  silence (httpx's default) are `ReadTimeout`, and both go to the user; a whole end of the stream ends the loop.
  Even then it gives up 45 s after it began, since that is stamina's default. It keeps the id before the event
  is processed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import httpx  # type: ignore[import-not-found]
from httpx_sse import ServerSentEvent, connect_sse  # type: ignore[import-not-found]
from stamina import retry  # type: ignore[import-not-found]
from tests.clients.python.say import say_error, say_event, say_open


def plain(url: str) -> None:
    """What the README shows under "Handling reconnections"."""
    with httpx.Client() as client:
        for sse in _iter_sse_retrying(client, "GET", url):
            say_event(sse.event, sse.id, sse.data)


def _iter_sse_retrying(client: httpx.Client, method: str, url: str) -> Iterator[ServerSentEvent]:
    last_event_id = ""
    reconnection_delay = 0.0

    @retry(on=httpx.ReadError)
    def _iter_sse() -> Iterator[ServerSentEvent]:
        nonlocal last_event_id, reconnection_delay

        time.sleep(reconnection_delay)

        headers = {"Accept": "text/event-stream"}

        if last_event_id:
            headers["Last-Event-ID"] = last_event_id

        with connect_sse(client, method, url, headers=headers) as event_source:
            say_open()
            for sse in event_source.iter_sse():
                last_event_id = sse.id

                if sse.retry is not None:
                    reconnection_delay = sse.retry / 1000

                yield sse

    return _iter_sse()


def mended(url: str) -> None:
    """Comes back after everything but a refusal, from the last event that was processed."""
    last_id, wait_s = "", 1.0
    # Bounds the silence between heartbeats, which come every 15 s, and not the stream.
    with httpx.Client(timeout=httpx.Timeout(10, read=60)) as client:
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                with connect_sse(client, "GET", url, headers=headers) as source:
                    source.response.raise_for_status()
                    say_open()
                    for sse in source.iter_sse():
                        if sse.retry is not None:
                            wait_s = sse.retry / 1000
                        if sse.data:
                            say_event(sse.event, sse.id, sse.data)
                        last_id = sse.id or last_id
            except httpx.HTTPStatusError as error:
                if error.response.status_code < 500 and error.response.status_code != 429:
                    raise
                say_error(error)
            except httpx.TransportError as error:
                say_error(error)
            time.sleep(wait_s * random.uniform(0.5, 1))

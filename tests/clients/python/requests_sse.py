"""`requests-sse`: reconnects by itself, after an end and after a cut.

Found, in 0.5.3:

- Keeps the id of a block without data. Sends Last-Event-Id when it reconnects.
- Half a block's data and name are forgotten at the end of a connection, its id is not: the next blank line makes it
  the one to reconnect with. A first block with an id of its own comes before that.
- Reconnects after a clean end, a cut, 200 with `retry:` only, and a read that timed out. Without `timeout` it
  waits for ever on a connection that died; the README's 30 s are two heartbeats.
- Waits twice what `retry` said, then doubles; 10 s where the connection said nothing.
- Gives up for good after six refused connections in a row, on any status but 200, and on another content type.
- Named events come like others; `on_message` gets only those without a name.
- Puts lines together from pieces of 512 bytes, in quadratic time: a message of 1 MiB takes seconds.
"""

from __future__ import annotations

import random
import time

import requests
from requests_sse import EventSource, InvalidContentTypeError, InvalidStatusCodeError  # type: ignore[import-not-found]
from tests.clients.python.say import say_error, say_event, say_open


def plain(url: str) -> None:
    """What the README shows; the callbacks only tell."""
    with EventSource(
        url, timeout=30, on_open=say_open, on_error=lambda: say_error("on_error")
    ) as event_source:
        for event in event_source:
            say_event(event.type, event.last_event_id, event.data)


def mended(url: str) -> None:
    """A new source where the library gives up, from the last event that was processed; a refusal stays final."""
    last_id = ""
    while True:
        try:
            with EventSource(url, timeout=60, latest_event_id=last_id, on_open=say_open) as source:
                for event in source:
                    say_event(event.type, event.last_event_id, event.data)
                    last_id = event.last_event_id or last_id
        except InvalidStatusCodeError as error:
            if error.status_code < 500 and error.status_code != 429:
                raise
            say_error(error)
        except InvalidContentTypeError:
            raise
        except requests.RequestException as error:
            say_error(error)
        time.sleep(random.uniform(0.5, 1.5))

"""`sseclient-py`: parses one response; who uses it reconnects. `plain` is its README, which does not.

Found, in 1.9.0:

- A block without data is dropped with its id. `Event.id` is the block's own, None without one; nothing remembers.
- Half a block at the end of a response that ends whole is handed over as an event, cut where it was cut. Behind a
  chunked response a cut is an exception of requests, and nothing is handed over.
- `Event.retry` is text, and known only from an event with data: last words are not seen.
- Named events come like others. It sends nothing, so neither Last-Event-ID nor a second request.
- Puts a response of requests together from pieces of 128 bytes, in quadratic time: a message of 1 MiB takes seconds.
  From `iter_content(65_536)` it takes none.
"""

from __future__ import annotations

import random
import time

import requests
import sseclient  # type: ignore[import-not-found]
from tests.clients.python.say import say_error, say_event, say_open


def plain(url: str) -> None:
    """What the README shows with requests: one connection."""
    res = requests.get(url, stream=True)
    say_open()
    for event in sseclient.SSEClient(res).events():
        say_event(event.event, event.id, event.data)


def mended(url: str) -> None:
    """Comes back after everything but a refusal, from the last event that was processed."""
    last_id, wait_s = "", 1.0
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            # The second figure bounds the silence between heartbeats, which come every 15 s, and not the stream.
            with requests.get(url, stream=True, headers=headers, timeout=(10, 60)) as response:
                if 400 <= response.status_code < 500 and response.status_code != 429:
                    raise PermissionError(response.text)
                response.raise_for_status()
                say_open()
                for event in sseclient.SSEClient(response.iter_content(65_536)).events():
                    # Each of the hub's has an id, and it stands last: without one, this is half a block.
                    if event.id:
                        say_event(event.event, event.id, event.data)
                        last_id = event.id
                    if event.retry:
                        wait_s = int(event.retry) / 1000
        except requests.RequestException as error:
            say_error(error)
        time.sleep(wait_s * random.uniform(0.5, 1))

"""`launchdarkly-eventsource`: reconnects by itself when its error strategy says so, which the default does not.

Found, in 1.7.4:

- Drops a block without data and its id with it. A position block with data is kept.
- Half a block at the end of a connection counts for nothing. Sends Last-Event-ID when it reconnects.
- The default strategy ends the events at the first end or cut. With `always_continue` it comes back after all of
  them, after 200 with `retry:` only, and after every error status too, 401 included.
- Ignores `retry`, though its documentation says otherwise. Waits 1 s, then twice that, and begins anew 60 s after
  the last connection began; before the first connection it doubles without a bound.
- Without a timeout of urllib3's it waits for ever on a connection that died. Named events come like others.
"""

from __future__ import annotations

from ld_eventsource import SSEClient  # type: ignore[import-not-found]
from ld_eventsource.actions import Event, Fault, Start  # type: ignore[import-not-found]
from ld_eventsource.config import ConnectStrategy, ErrorStrategy, RetryDelayStrategy  # type: ignore[import-not-found]
from ld_eventsource.errors import HTTPContentTypeError, HTTPStatusError  # type: ignore[import-not-found]
from tests.clients.python.say import say_error, say_event, say_open
from urllib3 import Timeout


def plain(url: str) -> None:
    """Its own reconnecting, which is off until a strategy turns it on."""
    _listen(SSEClient(url, error_strategy=ErrorStrategy.always_continue()))


def mended(url: str) -> None:
    """Dead connections are noticed, waits are short and not the same for all, and a refusal is final."""
    connect = ConnectStrategy.http(url, urllib3_request_options={"timeout": Timeout(connect=10, read=60)})
    _listen(
        SSEClient(
            connect,
            error_strategy=ErrorStrategy.from_lambda(_judge),
            retry_delay_strategy=RetryDelayStrategy.default(max_delay=15, jitter_multiplier=0.5),
            retry_delay_reset_threshold=1,
        )
    )


def _judge(error: Exception | None) -> tuple[bool, None]:
    if isinstance(error, HTTPStatusError):
        return error.status < 500 and error.status != 429, None  # True is ErrorStrategy.FAIL
    return isinstance(error, HTTPContentTypeError), None


def _listen(client: SSEClient) -> None:
    for action in client.all:
        if isinstance(action, Start):
            say_open()
        elif isinstance(action, Event):
            say_event(action.event, action.last_event_id, action.data)
        elif isinstance(action, Fault):
            say_error(action.error or "the stream ended")

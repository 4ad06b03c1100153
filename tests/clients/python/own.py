"""Our own client, the one of `fast-sse subscribe`, with what it gets from its arguments taken from an URL.

Keeps the id of a block without data; half a block counts for nothing; sends Last-Event-ID; comes back after an
end, a cut, an error status of 500 or more, and 429, after what `retry` said, then twice that, to 15 s at most.
A refusal is final. Its user does not see `fast-sse.expired`, since the next connection signs anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPResponse
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tests.clients.python.say import say_error, say_event, say_open

from fast_sse.cli.credentials import Signer
from fast_sse.cli.remote import NETWORK_ERRORS, Remote
from fast_sse.cli.subscribe import EventSource
from fast_sse.model.channel import Channel, channel
from fast_sse.model.parser import Event
from fast_sse.model.signature import Keyring


class _Hub(Remote, frozen=True):
    """A hub whose subscribe path carries what else was asked for, as `prime` or `since`."""

    query: str = ""

    def subscribe_path(self, to: Channel) -> str:
        return super().subscribe_path(to) + (f"?{self.query}" if self.query else "")


class _Given(Signer, frozen=True):
    """A signature that somebody else made."""

    signature: str = ""

    def sign(self, *_: object, **__: object) -> str:
        return self.signature


class _EventSource(EventSource):
    """Tells what the command tells on standard error."""

    def _connection(self) -> Iterator[Event]:
        try:
            yield from super()._connection()
        except NETWORK_ERRORS as error:
            say_error(error)
            raise

    def _read(self, response: HTTPResponse) -> Iterator[Event]:
        say_open()
        return super()._read(response)


def plain(url: str) -> None:
    """As the command does."""
    parts = urlsplit(url)
    fields = dict(parse_qsl(parts.query))
    signature = _Given(Keyring(), signature=fields.pop("signature", ""))
    prefix, _, path = parts.path.partition("/v1/subscribe/events/")
    event_id, _, event_type = path.partition("/types/")
    at = Remote.at(f"{parts.scheme}://{parts.netloc}{prefix}")
    hub = _Hub(at.scheme, at.host, at.port, at.prefix, query=urlencode(fields))
    for event in _EventSource(hub, channel(unquote(event_id), unquote(event_type)), signature).events():
        say_event(event.type, event.last_event_id, event.text)

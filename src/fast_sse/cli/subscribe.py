"""`fast-sse subscribe`: a stream on standard output that survives cuts, restarts and kills of the hub.

What a browser's EventSource does, plus what a service needs: it also comes back after an error status, and it
says loudly when the hub had to leave something out (guarantee G6).

What a publisher wrote is printed as it was written: nothing is read into numbers and written again.
"""

from __future__ import annotations

import http.client
import json
import math
import random
import time
from collections.abc import Iterator
from typing import Annotated, Literal
from urllib.parse import urlencode

from typer import Option, echo

from fast_sse.cli.credentials import (
    ConfigOption,
    DemoDirOption,
    KidOption,
    SecretEnvOption,
    Signer,
    find_signer,
)
from fast_sse.cli.exact import checked, one_line
from fast_sse.cli.remote import (
    DEFAULT_URL,
    NETWORK_ERRORS,
    CacertOption,
    EventIdArgument,
    EventTypeArgument,
    Remote,
    UrlOption,
    advised,
    channel_argument,
)
from fast_sse.model.backoff import Backoff
from fast_sse.model.channel import Channel
from fast_sse.model.errors import (
    BadRequestError,
    ClientFaultError,
    ConfigError,
    TooLargeError,
    UnavailableError,
)
from fast_sse.model.moment import Moment, parse_moment
from fast_sse.model.parser import Event, EventParser
from fast_sse.model.payload import unpacked

GAP = "fast-sse.gap"
EXPIRED = "fast-sse.expired"
#: Names of the hub's own events: they move the cursor, and only a gap is anything to say.
OWN = "fast-sse."
#: Several heartbeats long: a stream that is silent for this long is dead.
TIMEOUT_S = 60.0
#: The wait before a reconnect doubles from the first to the second, unless the hub asks for another one.
WAIT_S_MIN = 1.0
WAIT_S_MAX = 15.0
#: No server is waited for longer than this.
RETRY_S_MAX = 3600.0
READ_BYTES = 65_536


def subscribe(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    event_id: EventIdArgument,
    event_type: EventTypeArgument,
    start: Annotated[
        Literal["earliest"] | None, Option("--from", help="earliest: all that is kept, then live.")
    ] = None,
    last: Annotated[int | None, Option(min=1, max=1000, help="The last N messages, then live.")] = None,
    from_id: Annotated[str | None, Option(metavar="MESSAGE_ID", help="Go on after this message.")] = None,
    since: Annotated[
        str | None,
        Option(
            metavar="TIME", help="From a time on: 15m, 2h, 2026-11-29T12:00:00Z, or milliseconds since 1970."
        ),
    ] = None,
    as_json: Annotated[bool, Option("--json", help="One JSON object a line: id, event, data.")] = False,
    count: Annotated[int | None, Option(min=1, help="Stop after this many messages.")] = None,
    kid: KidOption = None,
    config: ConfigOption = None,
    demo_dir: DemoDirOption = None,
    secret_env: SecretEnvOption = None,
    url: UrlOption = DEFAULT_URL,
    cacert: CacertOption = None,
) -> None:
    """Print what is published to a channel, one message a line, from now on or from where you say.

    Reconnects by itself and goes on exactly where it was. If the hub cannot (the messages are past retention),
    a line on standard error says so. * as ID or TYPE takes all of them.

    \b
    Examples:
      fast-sse subscribe carid000001 cart_changed
      fast-sse subscribe carid000001 '*' --last 1
      fast-sse subscribe carid000001 cart_changed --since 15m
      fast-sse subscribe orders created --from earliest --json | jq .data
    """
    to, hub = channel_argument(event_id, event_type), Remote.at(url, cacert=cacert)
    if sum(option is not None for option in (start, last, from_id, since)) > 1:
        raise ConfigError("--from", "choose one of --from, --last, --from-id and --since")
    begin = Begin(last, _checked(since) if since is not None else None)
    signer = find_signer(config, demo_dir, secret_env, kid)
    source = EventSource(hub, to, signer, cursor=start or from_id or "", begin=begin)
    left = count
    for event in source.events():
        if event.type == GAP:
            echo(f"GAP: {event.text}", err=True)
            continue
        echo(_line(event) if as_json else one_line(event.text.encode()))
        if left is not None and (left := left - 1) == 0:
            return


class Begin:
    """The query of a connection that has no cursor yet. An age is counted back from now on, whenever it is asked for."""

    def __init__(self, last: int | None = None, since: Moment | None = None) -> None:
        self._last, self._since = last, since
        self._from_s = time.monotonic()

    @property
    def query(self) -> dict[str, str]:
        """What to ask for now."""
        if self._last is not None:
            return {"last": str(self._last)}
        if self._since is None:
            return {}
        if not self._since.is_age:
            return {"since": self._since.text}
        return {"since": f"{self._since.ms // 1000 + math.ceil(time.monotonic() - self._from_s)}s"}


def _checked(since: str) -> Moment:
    try:
        return parse_moment(since)
    except BadRequestError as error:
        raise ConfigError("--since", error.message) from error


def _line(event: Event) -> bytes:
    """One JSON object on one line, with the data as it came; what is no JSON becomes a string."""
    try:
        data = one_line(checked(event.data))
    except ValueError:
        data = _json(event.text)
    return b'{"id": %b, "event": %b, "data": %b}' % (_json(event.last_event_id), _json(event.type), data)


def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()


class EventSource:
    """One subscription over as many connections as it takes; `begin`: where one begins that has no cursor yet.

    Attributes:
        cursor: what the next connection sends as Last-Event-ID.
    """

    def __init__(
        self,
        hub: Remote,
        to: Channel,
        signer: Signer,
        *,
        cursor: str = "",
        begin: Begin | None = None,
    ) -> None:
        self.cursor = cursor
        self._hub, self._to, self._signer, self._begin = hub, to, signer, begin or Begin()
        self._wait = Backoff(WAIT_S_MIN, WAIT_S_MAX)
        #: Without the hub's wish: it spreads clients that must first fetch a signature, and this one signs by itself.
        self._own_wait = Backoff(WAIT_S_MIN, WAIT_S_MAX)
        self._expired = self._began = False

    def events(self) -> Iterator[Event]:
        """Every event of others, and gaps; reconnects for ever.

        Raises:
            UnavailableError: the hub refuses this subscription for good.
        """
        while True:
            began_s, self._expired, self._began = time.monotonic(), False, False
            try:
                yield from self._connection()
                problem = "the stream ended"
            except http.client.IncompleteRead:
                problem = "the stream was cut"
            except NETWORK_ERRORS as error:
                problem = self._hub.trouble(error)
            if time.monotonic() - began_s > WAIT_S_MAX:
                self._own_wait.restart()
            self._pause(problem)

    def _pause(self, problem: str) -> None:
        """Wait before the next connection, after a signature that ran out no longer than on our own account."""
        if self._expired:
            problem, self._wait.wait_s = (
                "the signature ran out",
                min(self._wait.wait_s, self._own_wait.wait_s),
            )
        echo(f"{problem}; reconnecting in {self._wait.wait_s:.1f} s", err=True)
        self._own_wait.next_s()
        time.sleep(self._wait.next_s(random.random()))  # noqa: S311  jitter

    def _connection(self) -> Iterator[Event]:
        connection = self._hub.connect(TIMEOUT_S)
        try:
            headers = {
                "Accept": "text/event-stream",
                "Cache-Control": "no-store",
                "x-signature": self._signer.sign("sub", [self._to], None),
            }
            path = self._hub.subscribe_path(self._to)
            if self.cursor:
                headers["Last-Event-ID"] = self.cursor
            elif query := self._begin.query:
                path += "?" + urlencode(query)
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            _check(response)
            yield from self._read(response)
        finally:
            connection.close()

    def _read(self, response: http.client.HTTPResponse) -> Iterator[Event]:
        parser = EventParser(self.cursor)
        while data := response.read1(READ_BYTES):
            try:
                events = parser.feed(data)
            except TooLargeError as error:
                raise UnavailableError(error.message) from error
            if parser.retry_ms is not None:
                self._wait.wait_s = min(parser.retry_ms / 1000, RETRY_S_MAX)
            for event in events:
                self.cursor = event.last_event_id or self.cursor
                if event.type == EXPIRED:
                    self._expire()
                self._began = True
                if event.type == GAP:
                    yield event
                elif not event.type.startswith(OWN):
                    yield _plain(event)
            self.cursor = parser.last_event_id or self.cursor

    def _expire(self) -> None:
        """Sign anew and come back. A signature that was made just now and is over at once will not get better."""
        if not self._began:
            raise UnavailableError(
                "a new signature had run out when the hub read it: is this machine's clock right?"
            )
        self._expired = True


def _plain(event: Event) -> Event:
    """A message as it was published, also where the hub packs messages."""
    try:
        data = unpacked(event.data)
    except ClientFaultError as error:
        raise UnavailableError(
            f"the message {event.last_event_id} cannot be unpacked: {error.message}"
        ) from error
    return event._replace(data=data)


def _check(response: http.client.HTTPResponse) -> None:
    """An answer that is no stream: later means a network error, never means the end."""
    if response.status == 200:
        return
    text = response.read(READ_BYTES)
    try:
        answer = json.loads(text)
        problem = f"{response.status} {answer['code']}: {answer['message']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        problem = f"{response.status} {response.reason}"
    if response.status >= 500 or response.status == 429:
        raise http.client.HTTPException(problem)
    raise UnavailableError(advised(response.status, problem))

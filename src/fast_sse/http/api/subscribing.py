"""Subscribing: one channel by its path, or several by query; where the stream begins, and when it must end.

A browser's EventSource gives up for good on any answer but 200. So a problem that the client did not cause, such as a
cursor that cannot be read or a signature that expired while its machine slept, is reported inside a stream.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qsl

from fast_sse.http.api.access import Access
from fast_sse.http.api.clients import Clients
from fast_sse.http.api.credential import credential_of
from fast_sse.http.api.forms import Fields, Forms
from fast_sse.http.api.routes import Segments
from fast_sse.http.message import Answer, Request, Stream, Verdict
from fast_sse.hub.form import Form
from fast_sse.hub.hub import Hub
from fast_sse.hub.subscription import Start, Subscription
from fast_sse.model.channel import Channel, Filter, channel_from_path, channel_of
from fast_sse.model.cursor import parse_cursor
from fast_sse.model.errors import (
    BadChannelError,
    BadRequestError,
    FastSseError,
    GrantEndedError,
    OverloadedError,
)
from fast_sse.model.limits import Limits
from fast_sse.model.moment import parse_moment
from fast_sse.model.signature import Grant

_QUERY_FIELDS_MAX = 100
_LAST_DIGITS_MAX = 4
#: Fields that may hold bytes that are not UTF-8. A cursor that cannot be read is a gap and never a 4xx, after which
#: EventSource gives up; a channel has an error of its own.
_SELF_JUDGED = frozenset({"last_event_id", "lastEventId", "channel"})
#: Share of `connection_age_s` at which streams begin to end, so that they do not all end at once.
_AGE_SHARE_MIN = 0.8

Query = list[tuple[str, str]]
#: Of a right: the key of its token, or the word of the application around the hub.
Awaited = Literal["keys_awaited", "undecided"]


class Subscribing:
    """The routes that open an event stream."""

    def __init__(
        self,
        hub: Hub,
        limits: Limits,
        clients: Clients,
        now: Callable[[], float],
        forms: Forms,
    ) -> None:
        self._forms = forms
        self._hub = hub
        self._limits = limits
        self._clients = clients
        self._now = now
        self._rng = random.Random()  # noqa: S311  jitter, no secret

    def one(self, request: Request, segments: Segments, access: Access) -> Answer:
        """`GET /v1/subscribe/events/{event_id}/types/{event_type}`."""
        return self._subscribe(request, (channel_from_path(*segments),), parse_query(request.query), access)

    def several(self, request: Request, _segments: Segments, access: Access) -> Answer:
        """`GET /v1/subscribe?channel=ID/TYPE&channel=ID/TYPE`: each value form-decoded once, one slash in it."""
        query = parse_query(request.query)
        targets = {channel_of(value): None for name, value in query if name == "channel"}
        if not targets:
            raise BadChannelError("at least one channel=ID/TYPE is needed")
        return self._subscribe(request, tuple(targets), query, access)

    def _subscribe(
        self, request: Request, targets: tuple[Channel, ...], query: Query, access: Access
    ) -> Answer:
        headers, fields, now = request.headers, dict(query), self._now()
        wanted = Filter.of(*targets)
        try:
            grant = access.reader(credential_of(request, fields), wanted.patterns, now=now)
        except (GrantEndedError, OverloadedError) as error:
            if not takes_events(headers):
                raise
            return self._only_told(request, wanted, query, _awaited(error))
        start = self._start(headers, query, fields)
        form, said = self._forms.of(request, wanted, fields)
        if grant.expires_at is not None:
            rest_s = grant.expires_at - now
            # Accepted within the skew of two clocks, yet by ours it has ended: the stream would end at once.
            if rest_s <= 0 and takes_events(headers):
                return self._only_told(request, wanted, query, None)
            return self._open(wanted, form, said, start, grant, max(0.0, rest_s), request)
        if request.head is not None:  # a grant without an end is right for the next request, too
            request.head.verdict = Verdict(
                access, partial(self._open, wanted, form, said, start, grant, None)
            )
        return self._open(wanted, form, said, start, grant, None, request)

    def _open(
        self,
        wanted: Filter,
        form: Form,
        said: Fields,
        start: Start,
        grant: Grant,
        expires_in_s: float | None,
        request: Request,
    ) -> Answer:
        counted = self._clients.counts_streams
        address = self._clients.address(request) if counted else ""
        refused = not self._clients.has_room(address)
        if refused or self._hub.full:
            self._check_waits(request)
        subscription = Subscription(
            filter=wanted,
            form=form,
            start=start,
            expires_in_s=expires_in_s,
            age_s=self._limits.connection_age_s
            * (_AGE_SHARE_MIN + (1 - _AGE_SHARE_MIN) * self._rng.random()),
            right=grant,
            refused="overload" if refused else None,
            on_end=partial(self._clients.closed, address) if counted else None,
        )

        def attach(transport: Any, head: bytes) -> Any:
            if counted:
                self._clients.opened(address)
            return self._hub.subscribe(transport, subscription, head)

        return Stream(attach, said)

    def _only_told(self, request: Request, wanted: Filter, query: Query, awaited: Awaited | None) -> Answer:
        """A stream that says only that its right has expired, so that the page fetches a new one and goes on; or that the
        client is to come back, since what would prove its right is not here yet.
        """
        fields = dict(query)
        form, said = self._forms.of(request, wanted, fields)
        start = self._start(request.headers, query, fields)
        subscription = Subscription(
            filter=wanted,
            form=form,
            start=start,
            expired=awaited is None,
            refused=awaited,
        )
        return Stream(lambda transport, head: self._hub.subscribe(transport, subscription, head), said)

    def _check_waits(self, request: Request) -> None:
        """Raise OverloadedError unless the client asked for an event stream: such a stream can say when to come back."""
        if not takes_events(request.headers):
            raise OverloadedError(
                "the hub takes no further stream now; come back after Retry-After", retry_after_s=15
            )

    def _start(self, headers: dict[str, str], query: Query, fields: dict[str, str]) -> Start:
        """Where the stream begins. A cursor beats `since`, which beats `last`.

        A header that is present and empty is a cursor that was lost, so it cannot be read. An empty value in a query says
        nothing: templates make such values.
        """
        shown = headers.get("last-event-id")
        cursor = (shown or "").strip(", ") or _cursors_of(query)
        count = self._last(fields["last"]) if fields.get("last") else 0
        moment = parse_moment(fields["since"]) if fields.get("since") else None
        if cursor:
            return Start(earliest=True) if _is_earliest(cursor) else Start(after=cursor)
        if moment is not None:
            return Start(since=moment)
        return Start(after="") if shown is not None and not count else Start(last=count)

    def _last(self, text: str) -> int:
        digits = text.isascii() and text.isdigit() and len(text) <= _LAST_DIGITS_MAX
        if not digits or not 1 <= int(text) <= self._limits.last_records_max:
            raise BadRequestError(f"last must be 1 to {self._limits.last_records_max}")
        return int(text)


def _cursors_of(query: Query) -> str:
    """All cursors of a query as a list, of which the last one counts.

    `lastEventId` comes after `last_event_id`: polyfills of EventSource add it when they reconnect to an address that may have
    held the other one from the beginning.
    """
    names = ("last_event_id", "lastEventId")
    return ",".join(value for wanted in names for name, value in query if name == wanted and value)


def _is_earliest(cursors: str) -> bool:
    """Whether these say `earliest` and hold no cursor beside it: the client has received nothing yet."""
    parts = [part.strip() for part in cursors.split(",")]
    return "earliest" in parts and not any(map(parse_cursor, parts))


def _awaited(error: FastSseError) -> Awaited | None:
    """What is not here yet to prove a right by; None for a right that has ended."""
    if isinstance(error, GrantEndedError):
        return None
    return "undecided" if error.reason == "undecided" else "keys_awaited"


def takes_events(headers: dict[str, str]) -> bool:
    """Whether a request asks for an event stream, as EventSource does."""
    return "text/event-stream" in headers.get("accept", "").lower()


def parse_query(query: str) -> Query:
    """The fields of a query, form-decoded once. In the fields of `_SELF_JUDGED`, bytes that are not UTF-8 become lone surrogates.

    Raises BadRequestError for too many fields, and for other fields that are not UTF-8.
    """
    if not query:
        return []
    try:
        fields = parse_qsl(
            query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX, errors="surrogateescape"
        )
    except ValueError as error:
        raise BadRequestError(f"the query has more than {_QUERY_FIELDS_MAX} fields") from error
    if "%" in query:
        for name, value in fields:
            _check_utf8(name, value)
    return fields


def _check_utf8(name: str, value: str) -> None:
    try:
        name.encode()
        if name not in _SELF_JUDGED:
            value.encode()
    except UnicodeEncodeError as error:
        raise BadRequestError("the query is not valid UTF-8") from error

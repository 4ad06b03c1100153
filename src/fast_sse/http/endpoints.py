"""Every public route: Request -> Response | Stream | Deferred. The only place where the public API's rules live.

    POST /v1/sse/events/{event_id}/types/{event_type}        publish
    GET  /v1/subscribe/events/{event_id}/types/{event_type}  subscribe
    POST /v1/sse/events                                      load route (demo mode or `load_route`; unsigned)

Checks go from cheap to dear and from public to private: route, channel, media type, signature, allow-lists, body.
"""

from __future__ import annotations

import re
from asyncio import Future
from collections.abc import Callable
from hashlib import blake2b, sha256
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from fast_sse.http.access import Access
from fast_sse.http.clock import SendTime
from fast_sse.http.errors import error_response
from fast_sse.http.message import Answer, Deferred, Request, Response, Stream
from fast_sse.hub.catch_up import Start
from fast_sse.hub.hub import Hub
from fast_sse.hub.live_set import Form
from fast_sse.hub.streams import Subscription
from fast_sse.model.channel import WILDCARD, Channel, Filter, channel, channel_from_path
from fast_sse.model.errors import (
    BadRequestError,
    FastSseError,
    MethodNotAllowedError,
    NotFoundError,
    OverloadedError,
    UnsupportedMediaError,
)
from fast_sse.model.limits import KIB, Limits
from fast_sse.model.message import Draft, Key, PublishBody, draft, parse_publish
from fast_sse.model.signature import SKEW_S, Grant
from fast_sse.store.base import Appended, Outcome

_PUBLISH = re.compile(r"/v1/sse/events/([^/]+)/types/([^/]+)").fullmatch
_SUBSCRIBE = re.compile(r"/v1/subscribe/events/([^/]+)/types/([^/]+)").fullmatch
_LOAD = "/v1/sse/events"
_KEY_BYTES = 16
_QUERY_FIELDS_MAX = 100


class LoadBody(msgspec.Struct):
    """The load route's body: publish `body_size` KiB of generated JSON to (`event_id`, `*`)."""

    event_id: str
    body_size: int


class Endpoints:
    """The public routes of one hub. `handle` is what a server calls with every request; it never raises for one."""

    def __init__(
        self, hub: Hub, limits: Limits, access: Access, *, now: Callable[[], float], load_route: bool = False
    ) -> None:
        self.access = access
        self._hub = hub
        self._limits = limits
        self._now = now
        self._load_route = load_route
        self._send_time = SendTime()
        durability = hub.store.durability.encode()
        self._ok_head = b'{"code":"ok","message":"success","data":{"message_id":"'
        self._ok_tail = b'","durability":"%b","duplicate":false}}' % durability
        self._ok_tail_duplicate = b'","durability":"%b","duplicate":true}}' % durability

    def handle(self, request: Request) -> Answer:
        """Answer one request."""
        try:
            return self._route(request)
        except FastSseError as error:
            return error_response(error)

    def _route(self, request: Request) -> Answer:
        if (place := _PUBLISH(request.path)) is not None:
            _allow(request, "POST")
            return self._publish(request, channel_from_path(*place.groups()))
        if (place := _SUBSCRIBE(request.path)) is not None:
            _allow(request, "GET")
            return self._subscribe(request, channel_from_path(*place.groups()))
        if request.path == _LOAD and self._load_route:
            _allow(request, "POST")
            return self._load(request)
        raise NotFoundError("there is no such route")

    # -- publish ------------------------------------------------------------------------------------

    def _publish(self, request: Request, target: Channel) -> Answer:
        headers = request.headers
        _check_json(headers)
        now = self._now()
        grant = self.access.grant(
            headers.get("x-signature", ""), "pub", (target,), body=request.body, now=now
        )
        body = parse_publish(request.body, self._limits)
        _check_agrees(body, target)
        keys = self._keys(target, body, headers.get("idempotency-key"), grant, now)
        return self._append(
            draft(
                target,
                body,
                send_time=self._send_time.text(now),
                keys=keys,
                body_sha256=sha256(request.body).digest() if keys else b"",
            )
        )

    def _keys(
        self, target: Channel, body: PublishBody, header: str | None, grant: Grant, now: float
    ) -> tuple[Key, ...]:
        """The idempotency keys of a publish: the nonce of a v2 signature, then the client's own."""
        own = body.idempotency_key
        if header is not None:
            header = header.encode("latin-1").decode("utf-8", "replace")
            if own is not None and own != header:
                raise BadRequestError("the header Idempotency-Key and idempotency_key differ")
            own = header
        if own is None and not grant.nonce:
            return ()
        keys: tuple[Key, ...] = ()
        if grant.nonce and grant.expires_at is not None:
            window_s = grant.expires_at + SKEW_S - now
            keys = (Key(_digest("nonce", grant.kid, grant.nonce), max(1, int(window_s * 1000))),)
        if own is not None:
            if not 0 < len(own.encode()) <= self._limits.key_bytes_max:
                raise BadRequestError(f"an idempotency key has 1 to {self._limits.key_bytes_max} bytes")
            keys = (*keys, Key(_digest("key", grant.principal, *target, own)))
        return keys

    def _append(self, message: Draft) -> Deferred:
        return Deferred(self._hub.publish((message,)), self._published)

    def _published(self, future: Future[list[Outcome]]) -> Response:
        try:
            outcome = future.result()[0]
        except FastSseError as error:
            outcome = error
        if not isinstance(outcome, Appended):
            return error_response(outcome)
        tail = self._ok_tail_duplicate if outcome.duplicate else self._ok_tail
        return Response(200, self._ok_head + outcome.cursor.text.encode() + tail)

    def _load(self, request: Request) -> Answer:
        _check_json(request.headers)
        try:
            body = msgspec.json.decode(request.body, type=LoadBody)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequestError(f"the body is not valid: {error}") from error
        if not 0 <= body.body_size * KIB <= self._limits.body_bytes_max:
            raise BadRequestError(f"body_size must be 0 to {self._limits.body_bytes_max // KIB}")
        data = msgspec.json.encode({"event_id": body.event_id, "padding": "x" * body.body_size * KIB})
        generated = PublishBody(data=msgspec.Raw(data))
        send_time = self._send_time.text(self._now())
        return self._append(draft(channel(body.event_id, WILDCARD), generated, send_time=send_time))

    # -- subscribe ----------------------------------------------------------------------------------

    def _subscribe(self, request: Request, target: Channel) -> Answer:
        headers = request.headers
        query = _parse_query(request.query)
        signature, in_query = headers.get("x-signature"), False
        if signature is None:
            signature, in_query = query.get("signature", ""), True
        now = self._now()
        grant = self.access.grant(signature, "sub", (target,), body=None, now=now, in_query=in_query)
        start = self._start(headers, query)
        if self._hub.full and "text/event-stream" not in headers.get("accept", ""):
            raise OverloadedError("no more streams are taken now", retry_after_s=15)
        subscription = Subscription(
            filter=Filter.of(target),
            form=Form(chunked=request.http11, ids=query.get("prime") != "0"),
            start=start,
            expires_in_s=None if grant.expires_at is None else max(0.0, grant.expires_at - now),
        )

        def attach(transport: Any) -> Any:
            return self._hub.subscribe(transport, subscription)

        return Stream(attach)

    def _start(self, headers: dict[str, str], query: dict[str, str]) -> Start:
        """Where the stream begins; a cursor beats `last`."""
        cursor = headers.get("last-event-id") or query.get("last_event_id") or query.get("lastEventId")
        last = query.get("last")
        if last is not None and not (last.isascii() and last.isdigit() and len(last) <= 4):
            raise BadRequestError(f"last must be 1 to {self._limits.last_records_max}")
        if cursor:
            return Start(earliest=True) if cursor == "earliest" else Start(after=cursor)
        if last is None:
            return Start()
        if not 1 <= int(last) <= self._limits.last_records_max:
            raise BadRequestError(f"last must be 1 to {self._limits.last_records_max}")
        return Start(last=int(last))


def _allow(request: Request, method: str) -> None:
    if request.method != method:
        raise MethodNotAllowedError("this route does not take this method", allow=method)


def _check_json(headers: dict[str, str]) -> None:
    media = headers.get("content-type", "")
    if media != "application/json" and media.partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaError("the body must be application/json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaError("this content encoding is not taken")


def _check_agrees(body: PublishBody, target: Channel) -> None:
    """Fields of the original that the path already gives must agree with it."""
    if body.event_id not in (None, target.event_id) or body.event_type not in (None, target.event_type):
        raise BadRequestError("event_id or event_type differs from the path")


def _digest(*parts: str) -> bytes:
    """A key of the idempotency table. Only the last part can hold NUL, so no two lists of parts join alike."""
    return blake2b("\0".join(parts).encode(), digest_size=_KEY_BYTES).digest()


def _parse_query(query: str) -> dict[str, str]:
    if not query:
        return {}
    try:
        return dict(parse_qsl(query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS_MAX))
    except ValueError as error:
        raise BadRequestError("the query has too many fields") from error

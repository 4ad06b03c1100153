"""Publishing one message, and the load route. A 2xx is given only when the store has answered with a place in the log.

The signature is verified before the body is read. A signature that does not cover the body is verified from the head.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from functools import partial

import msgspec

from fast_sse.http.api.access import Access
from fast_sse.http.api.body import JSON, is_gzip
from fast_sse.http.api.drafting import check_agrees
from fast_sse.http.api.ignored import ignored_tail
from fast_sse.http.api.publish_routes import PublishRoutes
from fast_sse.http.api.routes import Segments
from fast_sse.http.errors import error_response
from fast_sse.http.message import Admission, Answer, Deferred, Request, Response, Verdict
from fast_sse.model.channel import WILDCARD, Channel, channel, channel_from_path
from fast_sse.model.errors import BadRequestError, FastSseError, TooLargeError
from fast_sse.model.inflating import Inflating
from fast_sse.model.limits import KIB
from fast_sse.model.message import PublishBody, parse_publish
from fast_sse.model.payload import check_compressed
from fast_sse.model.signature import Grant
from fast_sse.model.trace import carrying
from fast_sse.store.base import Appended, Outcome

_encode = msgspec.json.Encoder().encode


class LoadBody(msgspec.Struct):
    """The load route's body: publish `body_size` KiB of generated JSON to (`event_id`, `*`)."""

    event_id: str
    body_size: int


#: How an answer about a stored message begins, up to its id.
_STORED = b'{"code":"ok","message":"success","data":{"message_id":"'


class Publishing(PublishRoutes):
    """The routes that publish one message a request."""

    def admit(self, request: Request, segments: Segments, access: Access) -> Admission:
        """Judge the head of a publish whose body is still on its way."""
        target = channel_from_path(*segments)
        is_gzip(request.headers, JSON)
        vouched = access.foresee(request.headers.get("x-signature", ""), "pub", (target,), now=self._now())
        return Admission(self._limits.body_bytes_max, vouched)

    def publish(self, request: Request, segments: Segments, access: Access) -> Answer:
        """`POST /v1/sse/events/{event_id}/types/{event_type}`."""
        target = channel_from_path(*segments)
        gzip, now = is_gzip(request.headers, JSON), self._now()
        signature = request.headers.get("x-signature", "")
        grant = access.grant(signature, "pub", (target,), body=request.body, now=now)
        if not gzip:
            if request.head is not None and grant.expires_at is None:
                # A v1 signature covers the channel alone and never expires: it is right for the next request, too.
                request.head.verdict = Verdict(access, partial(self._take, target, grant))
            return self._take(target, grant, request, now=now)
        limits = self._limits
        inflating = Inflating(request.body, limits.inflated_bytes_max, limits.inflate_ratio_max)
        raw = inflating.begin()
        if raw is None:
            return self._later.answer(self._take_later(target, grant, request, inflating, now))
        return self._take(target, grant, request, raw, now)

    async def _take_later(
        self, target: Channel, grant: Grant, request: Request, inflating: Inflating, now: float
    ) -> Answer:
        return self._take(target, grant, request, await self._later.dear(inflating.finish), now)

    async def _take_checked(
        self,
        rest: Inflating,
        target: Channel,
        grant: Grant,
        request: Request,
        inflated: bytes | None,
        now: float,
    ) -> Answer:
        await self._later.dear(rest.finish)
        return self._take(target, grant, request, inflated, now, checked=True)

    def _take(
        self,
        target: Channel,
        grant: Grant,
        request: Request,
        inflated: bytes | None = None,
        now: float | None = None,
        *,
        checked: bool = False,
    ) -> Answer:
        """Publish what a request brings whose signature is right.

        Args:
            target: the channel.
            grant: what the signature grants.
            request: the request.
            inflated: its body, where that came as gzip.
            now: when the signature was verified; by default this is the moment.
            checked: data that its publisher compressed is what it says.
        """
        raw = request.body if inflated is None else inflated
        if now is None:
            now = self._now()
        body = parse_publish(raw, self._limits)
        if body.headers and not checked and (rest := check_compressed(body, self._limits)) is not None:
            return self._later.answer(self._take_checked(rest, target, grant, request, inflated, now))
        if body.event_id is not None or body.event_type is not None:
            check_agrees(body, target)
        own, header = body.idempotency_key, request.headers.get("idempotency-key")
        if own is not None or header is not None:
            own = self._drafting.own_key(own, header)
        if "traceparent" in request.headers:
            body.headers = carrying(body.headers, request.headers["traceparent"])
        message = self._drafting.draft(target, body, raw, grant, own, now)
        if self._clients.counts_messages:
            self._clients.charge(request, 1, now)
        future = self._hub.publish((message,))
        if body.odd:
            return Deferred(future, partial(self._published, more=ignored_tail(raw)))
        return self._published(future) if future.done() else Deferred(future, self._published)

    async def put(self, target: Channel, raw: bytes, principal: str) -> Appended:
        """Publish for code of this process, which needs no signature. The rules and the body are those of HTTP.

        Raises the FastSseError that the answer over HTTP would have named. When the caller is cancelled, a publish that
        the store has goes on.
        """
        if len(raw) > self._limits.body_bytes_max:
            raise TooLargeError(f"the body is larger than {self._limits.body_bytes_max} bytes")
        body = parse_publish(raw, self._limits)
        if (rest := check_compressed(body, self._limits)) is not None:
            await self._later.dear(rest.finish)
        check_agrees(body, target)
        grant = Grant("pub", "v1", principal)
        own = self._drafting.own_key(body.idempotency_key, None)
        message = self._drafting.draft(target, body, raw, grant, own, self._now())
        (outcome,) = await asyncio.shield(self._hub.publish((message,)))
        if not isinstance(outcome, Appended):
            raise outcome
        return outcome

    def admit_load(self, request: Request, _segments: Segments, _access: Access) -> Admission:
        """Judge the head of a load request, which has no signature."""
        is_gzip(request.headers, JSON)
        return Admission(self._limits.body_bytes_max)

    def load(self, request: Request, _segments: Segments, access: Access) -> Answer:
        """`POST /v1/sse/events`: what the original's load test used. Unsigned, so it is off unless a setting says so."""
        limits, raw = self._limits, request.body
        if is_gzip(request.headers, JSON):
            begun = Inflating(raw, limits.inflated_bytes_max, limits.inflate_ratio_max).begin()
            if begun is None:
                raise TooLargeError("the body is too large when inflated")
            raw = begun
        try:
            body = msgspec.json.decode(raw, type=LoadBody)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequestError(f"the body is not valid: {error}") from error
        if not 0 <= body.body_size * KIB <= limits.body_bytes_max:
            raise BadRequestError(f"body_size must be 0 to {limits.body_bytes_max // KIB}")
        target = channel(body.event_id, WILDCARD)
        access.check(target)
        data = _encode({"event_id": body.event_id, "padding": "x" * body.body_size * KIB})
        now = self._now()
        self._clients.charge(request, 1, now)
        message = self._drafting.bare(target, PublishBody(data=msgspec.Raw(data)), now)
        future = self._hub.publish((message,))
        return self._published(future) if future.done() else Deferred(future, self._published)

    def _published(self, future: Future[list[Outcome]], more: bytes = b"") -> Response:
        """`more`: what the answer says beside the message's own."""
        try:
            outcome = future.result()[0]
        except FastSseError as error:
            outcome = error
        if not isinstance(outcome, Appended):
            return error_response(outcome)
        word = self._store.durability
        tails = self._tails if word is self._durability else self._renewed(word)
        tail = tails[outcome.duplicate]
        if more:
            tail = b"%b%b}" % (tail[:-1], more)
        return Response(200, b"%b%b%b}" % (_STORED, outcome.cursor.text.encode(), tail))

"""How far a message has come, and a client's word that it has it. Both are signed for the message's channel.

The signature that opened a stream is right for every message that the stream may carry, if the request names the stream's
channels: `?channel=ID/TYPE`, as in the stream's own address. Then it is verified before anything is looked up. Without
them it is verified for the channel of the message, which has to be found first. A message that is unknown has no channel,
so then the answer is that of a wrong signature: only a right signature is answered with 404, and what is in the log cannot
be probed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec

from fast_sse.http.api.access import Access
from fast_sse.http.api.body import JSON, is_gzip
from fast_sse.http.api.credential import Credential, credential_of
from fast_sse.http.api.later import Later
from fast_sse.http.api.routes import Segments
from fast_sse.http.api.subscribing import parse_query
from fast_sse.http.indicator import indicator_response
from fast_sse.http.message import Admission, Answer, Request, Response
from fast_sse.hub.delivery import Delivery, Found
from fast_sse.model.channel import Channel, Filter, channel_of
from fast_sse.model.errors import (
    BadRequestError,
    NotFoundError,
    OverloadedError,
    TooLargeError,
    UnauthorizedError,
    UnsupportedMediaError,
)
from fast_sse.model.limits import KIB
from fast_sse.model.signature import claimed_scope

#: Of the body of an ack.
ACK_BYTES_MAX = KIB
#: UTF-8 bytes of a client's name.
CLIENT_BYTES_MAX = 128

#: Messages that are looked up at once: without the channels a request comes so far before its signature is proved right.
LOOKUPS_MAX = 256

_REFUSAL = "missing, wrong or expired signature"


class AckBody(msgspec.Struct):
    """The JSON of an ack. `client` is a name that the client gives itself."""

    client: str


_decode = msgspec.json.Decoder(AckBody).decode


class _Claim(NamedTuple):
    """What a request shows, and the channels that it says this is for."""

    shown: Credential
    named: tuple[Channel, ...]


class DeliveryRoutes:
    """The routes about one message."""

    def __init__(self, delivery: Delivery, now: Callable[[], float], later: Later) -> None:
        self._delivery = delivery
        self._now = now
        self._later = later
        self._looking = 0

    def show(self, request: Request, segments: Segments, access: Access) -> Answer:
        """`GET /v1/messages/{id}/delivery`: for those who may publish to its channel, or subscribe."""
        claim = self._claim(request, access)
        return self._later.answer(self._show(segments[0], claim, access))

    async def _show(self, message_id: str, claim: _Claim, access: Access) -> Response:
        found = await self._find(message_id, claim, partial(self._check_reader, access))
        return indicator_response(self._delivery.indicator(found))

    def admit_ack(self, request: Request, _segments: Segments, access: Access) -> Admission:
        """Judge the head of an ack whose body is still on its way."""
        _check_plain(request)
        claim = self._claim(request, access)
        if claim.named:
            self._check_subscriber(access, claim, claim.named)
        return Admission(ACK_BYTES_MAX, vouched=bool(claim.named))

    def ack(self, request: Request, segments: Segments, access: Access) -> Answer:
        """`POST /v1/messages/{id}/ack`: for those who may subscribe to its channel."""
        _check_plain(request)
        claim = self._claim(request, access)
        if len(request.body) > ACK_BYTES_MAX:
            raise TooLargeError(f"the body is larger than {ACK_BYTES_MAX} bytes")
        return self._later.answer(self._ack(segments[0], claim, access, request.body))

    async def _ack(self, message_id: str, claim: _Claim, access: Access, body: bytes) -> Response:
        found = await self._find(message_id, claim, partial(self._check_subscriber, access))
        acked, duplicate = self._delivery.ack(found, _client_of(body))
        data = {"acked": acked, "duplicate": duplicate}
        return Response(200, msgspec.json.encode({"code": "ok", "data": data}))

    def _claim(self, request: Request, access: Access) -> _Claim:
        """Raises UnauthorizedError when nothing is shown, before anything else is looked at.

        A token that is right for no channel is refused here, too, so that no answer about it tells what is in the log.
        """
        query = parse_query(request.query)
        shown = credential_of(request, dict(query))
        if shown.is_absent:
            raise UnauthorizedError(_REFUSAL, reason="missing")
        named = tuple({channel_of(value): None for name, value in query if name == "channel"})
        if not named:
            access.check_token(shown, now=self._now())
        return _Claim(shown, Filter.of(*named).patterns if named else ())

    async def _find(
        self, message_id: str, claim: _Claim, check: Callable[[_Claim, tuple[Channel, ...]], None]
    ) -> Found:
        """The message, once the signature is right for its channel.

        Raises what `check` raises, and NotFoundError only for a signature that is right.
        """
        if claim.named:
            check(claim, claim.named)
        if self._looking == LOOKUPS_MAX:
            raise OverloadedError("too many messages are looked up at once", retry_after_s=1)
        self._looking += 1
        try:
            found = await self._delivery.find(message_id)
        except NotFoundError as error:
            if claim.named:
                raise
            raise UnauthorizedError(_REFUSAL, reason="unknown_message") from error
        finally:
            self._looking -= 1
        if not claim.named:
            check(claim, (found.channel,))
        elif not Filter.of(*claim.named).matches(found.channel):
            raise UnauthorizedError(_REFUSAL, reason="channel")
        return found

    def _check_reader(self, access: Access, claim: _Claim, channels: tuple[Channel, ...]) -> None:
        """Raise unless what is shown is a right to subscribe, or a signature to publish."""
        signature = claim.shown.signature
        if claimed_scope(signature) != "pub":
            try:
                self._check_subscriber(access, claim, channels)
                return
            except UnauthorizedError:
                if claimed_scope(signature) or not signature:
                    raise
        access.grant(signature, "pub", channels, body=None, now=self._now(), in_query=claim.shown.in_query)

    def _check_subscriber(self, access: Access, claim: _Claim, channels: tuple[Channel, ...]) -> None:
        """Raise unless what is shown is a right to subscribe; it is that of a stream, so it covers no body."""
        access.reader(claim.shown, channels, now=self._now())


def _check_plain(request: Request) -> None:
    if is_gzip(request.headers, JSON):
        raise UnsupportedMediaError("an ack is too short to be compressed")


def _client_of(body: bytes) -> str:
    """The name that an ack gives. Raises BadRequestError."""
    try:
        client = _decode(body).client
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"the body is not valid: {error}") from error
    if not 0 < len(client.encode()) <= CLIENT_BYTES_MAX:
        raise BadRequestError(f"client has 1 to {CLIENT_BYTES_MAX} bytes")
    if any(character < " " or "\x7f" <= character < "\xa0" for character in client):
        raise BadRequestError("client holds a control character")
    return client

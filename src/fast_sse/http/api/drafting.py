"""From a checked body to the draft of a message: its time and its idempotency keys."""

from __future__ import annotations

from hashlib import sha256

from fast_sse.hub.send_time import SendTime
from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError
from fast_sse.model.keys import key_digest, own_key
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft, Key, PublishBody, draft
from fast_sse.model.signature import SKEW_S, Grant


class Drafting:
    """Makes the drafts of a node's messages."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._send_time = SendTime()

    def own_key(self, own: str | None, header: str | None) -> str | None:
        """The client's own key, from the body or from the bytes of a header (as Latin-1). Raises BadRequestError.

        Bytes that are not UTF-8 are refused, never replaced: two keys would become one, and a message would be lost.
        """
        if header is not None:
            try:
                header = header.encode("latin-1").decode()
            except UnicodeDecodeError as error:
                raise BadRequestError("the header Idempotency-Key is not valid UTF-8") from error
            if own is not None and own != header:
                raise BadRequestError(
                    "the header Idempotency-Key and the field idempotency_key differ; send one of them"
                )
            own = header
        return own_key(own, self._limits)

    def draft(
        self,
        target: Channel,
        body: PublishBody,
        raw: bytes,
        grant: Grant,
        own: str | None,
        now: float,
        nonce_suffix: str = "",
    ) -> Draft:
        """The draft with its idempotency keys: the nonce of a v2 signature, then the client's own.

        Both belong to the channel, which the signature covers: a nonce that a client uses again for another channel is
        the key of another message.
        """
        keys: tuple[Key, ...] = ()
        if own is None and not grant.nonce:
            return draft(target, body, send_time=self._send_time.text(now))
        if grant.nonce and grant.expires_at is not None:
            window_ms = max(1, int((grant.expires_at + SKEW_S - now) * 1000))
            keys = (Key(key_digest("nonce", grant.kid, target, grant.nonce + nonce_suffix), window_ms),)
        if own is not None:
            keys = (*keys, Key(key_digest("key", grant.principal, target, own)))
        return draft(
            target,
            body,
            send_time=self._send_time.text(now),
            keys=keys,
            body_sha256=sha256(raw).digest() if keys else b"",
        )

    def bare(self, target: Channel, body: PublishBody, now: float) -> Draft:
        """The draft of a message without keys."""
        return draft(target, body, send_time=self._send_time.text(now))


def check_agrees(body: PublishBody, target: Channel) -> None:
    """Raise BadRequestError when fields of the body name another channel than the path."""
    if body.event_id not in (None, target.event_id) or body.event_type not in (None, target.event_type):
        raise BadRequestError("event_id and event_type must match the path, or be absent")

"""Signatures for those who publish and those who hand out streams: your own services and backends.

    signer = Signer(kid="shop", key=os.environ["SHOP_KEY"])                      format v2, for all that follows
    signer.stream_url("https://hub.example", "cart1/changed", ttl_s=600)         for `new EventSource(...)`
    signer.publish_headers("cart1/changed", body)                                beside the very bytes of the body
    Signer(secret=os.environ["HUB_SECRET"]).publish_headers("cart1/changed", b"")   format v1

A signer makes signatures and sends nothing. It needs no loop and no settings, so any program can import it. The hub checks
with the same code (`model/signature.py`); docs/signatures.md says which format is for whom.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from urllib.parse import quote, urlencode

from fast_sse.model.channel import FILTER_CHANNELS_MAX, Channel, channel, channel_of
from fast_sse.model.secret import weakness
from fast_sse.model.signature import LIFETIME_S_MAX, Scope, sign_v1, sign_v2

#: A channel as `ID/TYPE`, or its two halves; a half may be `*`.
Name = str | tuple[str, str]

#: How long a signature for a stream is good unless you say otherwise.
STREAM_TTL_S = 600

_NONCE_BYTES = 18


class Signer:
    """Signs with one secret. Give `secret` for format v1, or `kid` and `key` for format v2.

    Args:
        secret: `auth.secret` of the hub, or `auth.publish_secret` where that signs publishes.
        kid, key: an entry of `auth.keys`.
        now: Unix seconds.

    Raises ValueError: neither or both were given, or the secret is too short or a placeholder.
    """

    def __init__(
        self,
        *,
        secret: str | bytes | None = None,
        kid: str = "",
        key: str | bytes | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        given = secret if key is None else key
        if given is None or (secret is None) == (key is None) or bool(kid) != (key is not None):
            raise ValueError(
                "give either secret (format v1: auth.secret of the hub), or kid and key (format v2: an entry of auth.keys)"
            )
        self._secret = given.encode() if isinstance(given, str) else given
        if flaw := weakness(self._secret):
            named = "secret (auth.secret of the hub)" if key is None else "key (an entry of auth.keys)"
            raise ValueError(f"the {named} {flaw}")
        self._kid = kid
        self._now = now

    def subscribe(self, *channels: Name, ttl_s: float | None = None) -> str:
        """The signature of a stream of these channels, good for `ttl_s` seconds: 600 unless you say otherwise, 3600 at most.

        A fraction of a second is dropped. Format v1 signs one channel, and for ever. Raises BadChannelError, and ValueError for
        what cannot be signed.
        """
        if self._kid:
            return self._v2("sub", channels, None, STREAM_TTL_S if ttl_s is None else ttl_s)
        if ttl_s is not None:
            raise ValueError("a v1 signature never expires: sign with kid and key")
        return self._v1(channels)

    def stream_url(self, base: str, *channels: Name, ttl_s: float = STREAM_TTL_S, **query: str | int) -> str:
        """The address of a stream of these channels, with its signature: what a page gives to `new EventSource(...)`.

        `base` is where the hub is: `https://hub.example`, or `/sse` where your application mounts it. `query` is more of
        the query, such as `last=1`. `channels` and `ttl_s` are those of `subscribe`.

        Raises BadChannelError, and ValueError for what cannot be signed: an address is kept in histories and logs, so it takes
        a signature that ends, which is one of format v2.
        """
        if not self._kid:
            raise ValueError(
                "a v1 signature never expires and belongs into no address: sign with kid and key"
            )
        named = [channel_named(one) for one in channels]
        fields: list[tuple[str, str | int]] = [*query.items()]
        if len(named) == 1:
            event_id, event_type = (quote(half, safe="") for half in named[0])
            path = f"/v1/subscribe/events/{event_id}/types/{event_type}"
        else:
            path = "/v1/subscribe"
            fields = [("channel", "/".join(one)) for one in named] + fields
        fields.append(("signature", self.subscribe(*named, ttl_s=ttl_s)))
        return f"{base.rstrip('/')}{path}?{urlencode(fields)}"

    def publish_headers(self, to: Name, body: bytes) -> dict[str, str]:
        """The headers of `POST /v1/sse/events/ID/types/TYPE` with this body. Send exactly these bytes.

        They are good for five minutes. Sent again meanwhile they are the same message, so a retry publishes nothing twice;
        in format v1 that takes an `Idempotency-Key` of yours. Raises BadChannelError.
        """
        signature = self._v2("pub", (to,), body, LIFETIME_S_MAX["pub"]) if self._kid else self._v1((to,))
        return {"Content-Type": "application/json", "x-signature": signature}

    def batch_headers(self, body: bytes) -> dict[str, str]:
        """The headers of `POST /v1/sse/batch` with this body. Raises ValueError in format v1, which signs no batch."""
        if not self._kid:
            raise ValueError("format v1 signs no batch: sign with kid and key")
        signature = self._v2("batch", (), body, LIFETIME_S_MAX["batch"])
        return {"Content-Type": "application/x-ndjson", "x-signature": signature}

    def _v1(self, channels: tuple[Name, ...]) -> str:
        if len(channels) != 1:
            raise ValueError("format v1 signs one channel: sign several with kid and key")
        return sign_v1(self._secret, channel_named(channels[0]))

    def _v2(self, scope: Scope, channels: tuple[Name, ...], body: bytes | None, ttl_s: float) -> str:
        named = [channel_named(one) for one in channels]
        if len(set(named)) > FILTER_CHANNELS_MAX:
            raise ValueError(f"one stream has at most {FILTER_CHANNELS_MAX} channels: sign several streams")
        now = int(self._now())
        return sign_v2(
            self._secret,
            self._kid,
            scope,
            named,
            body=body,
            iat=now,
            exp=now + math.floor(ttl_s),
            nonce=secrets.token_urlsafe(_NONCE_BYTES),
        )


def channel_named(name: Name) -> Channel:
    """Raises BadChannelError."""
    return channel_of(name) if isinstance(name, str) else channel(*name)

"""One message of the hub as one entry of the topic, and back.

The key is the channel, for people who look at the topic with Kafka's tools. The value is a msgpack array, since
everything in it is read by every node and nothing by the broker:

    version, token, event id, event type, data, headers, event, meta, ttl_ms, [[digest, window_ms], …], body sha256

The token is 64 random bits made at publish. By it the publishing node recognises its own entry when it reads it
back; its upper half is the fingerprint that ids carry. Store time is the entry's LogAppendTime, the broker's.

Whatever else is in the topic is poison: another version, foreign bytes, a value that could break the framing of a
stream (CWE-93). A control event is not: one that this version does not know was written by a later one, and is passed over.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from fast_sse.model.channel import Channel, channel
from fast_sse.model.cursor import fingerprint_text
from fast_sse.model.errors import ClientFaultError
from fast_sse.model.message import CONTROL_PREFIX, Draft, Key, check_event_name

#: Store letter and version of this store's cursors.
KIND = "k1"
VERSION = 1

_Keys = list[tuple[bytes, int]]
_Fields = tuple[Literal[1], int, str, str, bytes, bytes, str, bytes, int, _Keys, bytes]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Fields).decode


class TopicEntry(NamedTuple):
    """A readable entry."""

    token: int
    draft: Draft


def key_of(where: Channel) -> bytes:
    """The entry's key."""
    return "/".join(where).encode()


def fingerprint_of(token: int) -> str:
    """What ids carry of a token."""
    return fingerprint_text(token >> 32)


def encode(draft: Draft, token: int) -> bytes:
    """The entry's value."""
    keys = [(key.digest, key.window_ms) for key in draft.keys]
    return _encode(
        (
            VERSION,
            token,
            *draft.channel,
            draft.data,
            draft.headers,
            draft.event,
            draft.meta,
            draft.ttl_ms,
            keys,
            draft.body_sha256,
        )
    )


def decode(value: bytes | None) -> TopicEntry | None:
    """The entry of a value, None when it is poison."""
    if value is None:
        return None
    try:
        fields = _decode(value)
        _, token, event_id, event_type, data, headers, event, meta, ttl_ms, keys, sha = fields
        where = channel(event_id, event_type)
        if event and not event.startswith(CONTROL_PREFIX):
            check_event_name(event)
    except (msgspec.MsgspecError, UnicodeDecodeError, ClientFaultError):
        return None
    one_line = not any(mark in text for text in (data, headers) for mark in (b"\n", b"\r"))
    if not (0 <= token < 1 << 64 and ttl_ms >= 0 and one_line and headers[:1] + headers[-1:] == b"{}"):
        return None
    draft = Draft(
        channel=where,
        data=data,
        headers=headers,
        event=event,
        meta=meta,
        ttl_ms=ttl_ms,
        keys=tuple(Key(digest, window_ms) for digest, window_ms in keys),
        body_sha256=sha,
    )
    return TopicEntry(token, draft)

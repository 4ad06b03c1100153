"""What foreign queues carry: the original's JSON package, from bytes to a draft.

    {"event_id": "carid000001", "event_type": "cart_changed", "event_name": "CartItemUpdated",
     "user": {...}, "data": {...}, "headers": {...}, "send_direct": false}

It is the body of a publish that names its channel itself, or has it named by the queue: the field of a Redis entry,
the headers of a Kafka record. Checks and limits are those of a publish over HTTP; the right to write to the queue
takes the place of the signature. What cannot become a message is an error of the caller's kind (4xx): poison.

Every draft carries a key made of the queue, the entry's place in it and the entry's bytes. An entry that comes again,
because it was not acknowledged, is the earlier message; a place that was given out again (a queue deleted and made
anew, a failover to a replica that lagged) is another one. A package may bring an `idempotency_key` of its own, which
the whole queue shares: a producer that repeats itself is heard once.

Serializers of a schema registry put five bytes before the JSON: a zero and the number of the schema. They are no part of
the package, also where its place or its own key is compared: a schema that is registered anew changes no message.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import msgspec

from fast_sse.hub.send_time import SendTime
from fast_sse.model.channel import Channel, channel
from fast_sse.model.errors import BadChannelError, BadRequestError, TooLargeError
from fast_sse.model.keys import key_digest, own_key
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft, Key, PublishBody, draft, parse_publish
from fast_sse.model.payload import HEADER, check_all_compressed

#: A package with the mark of data that its producer compressed, of more than so many bytes, is read in a thread. It may
#: inflate to a hundred times that.
_COMPRESSED, _DEAR_BYTES = HEADER.encode(), 1024


def without_schema(package: bytes) -> bytes:
    """The JSON behind a schema registry's five bytes, where they are there: JSON never begins with a zero byte."""
    return package[5:] if package[:1] == b"\0" else package


class QueueEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry of a queue, as it was read.

    Attributes:
        place: where it is in the queue, unique there: `1795600000000-0`, `<topic id>-3-4711`.
        package: the bytes that should be the JSON package; with a `flaw`, all that the entry holds.
        event_id, event_type: what the queue says beside the package, as bytes; None when it says nothing.
        flaw: why the entry cannot be read as one package.
    """

    place: str
    package: bytes
    event_id: bytes | None = None
    event_type: bytes | None = None
    flaw: str = ""


class Packages:
    """Entries of one queue to drafts.

    Args:
        owner: of the idempotency keys, `hub:…`.
        limits: of a publish.
        now: seconds since 1970, for `send_time`.
        check: raises ForbiddenError for a channel that this hub does not allow.
        unwrap: takes off what the queue's producers put around a package.
    """

    def __init__(
        self,
        owner: str,
        limits: Limits,
        now: Callable[[], float],
        check: Callable[[Channel], None],
        unwrap: Callable[[bytes], bytes] = bytes,
    ) -> None:
        self._owner = owner
        self._limits = limits
        self._now = now
        self._check = check
        self._unwrap = unwrap
        self._send_time = SendTime()

    def dear(self, entry: QueueEntry) -> bool:
        """Whether its draft may take long: data that its producer compressed is inflated for it."""
        return len(entry.package) > _DEAR_BYTES and _COMPRESSED in entry.package

    def draft(self, entry: QueueEntry) -> Draft:
        """The draft of one entry. Raises ClientFaultError when it cannot become a message."""
        if entry.flaw:
            raise BadRequestError(entry.flaw)
        package = self._unwrap(entry.package)
        target, body = read_package(package, self._limits, entry.event_id, entry.event_type)
        self._check(target)
        digest = sha256(package).digest()
        return draft(
            target,
            body,
            send_time=self._send_time.text(self._now()),
            keys=self._keys(target, entry.place, body, digest),
            body_sha256=digest,
        )

    def _keys(self, target: Channel, place: str, body: PublishBody, digest: bytes) -> tuple[Key, ...]:
        keys = (Key(key_digest("entry", self._owner, target, f"{place} {digest.hex()}")),)
        own = body.idempotency_key
        return keys if own is None else (*keys, Key(key_digest("key", self._owner, target, own)))


def read_package(
    package: bytes, limits: Limits, event_id: bytes | None = None, event_type: bytes | None = None
) -> tuple[Channel, PublishBody]:
    """The channel and the body of a package, of which the queue may say the channel beside it.

    Raises ClientFaultError when it cannot become a message.
    """
    if len(package) > limits.body_bytes_max:
        raise TooLargeError(f"the package is larger than {limits.body_bytes_max} bytes")
    body = parse_publish(package, limits)
    check_all_compressed(body, limits)
    own_key(body.idempotency_key, limits)
    target = channel(
        _segment("event_id", body.event_id, event_id), _segment("event_type", body.event_type, event_type)
    )
    return target, body


def _segment(name: str, inside: str | None, beside: bytes | None) -> str:
    """One half of the channel: from the package, or else from what stands beside it; both must agree."""
    if beside is None:
        if inside is None:
            raise BadRequestError(f"the package names no {name}")
        return inside
    try:
        named = beside.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise BadChannelError(f"{name} beside the package is not valid UTF-8") from error
    if inside is not None and inside != named:
        raise BadRequestError(f"{name} in the package differs from the one beside it")
    return named

"""A message in its three lives: Draft (as published), Record (as stored), envelope (as delivered).

The envelope is the original's: `data` and `headers`, to which the hub adds `send_time`. It is built from
what the store keeps and nothing else, so it is byte-identical live, replayed and on every node. Streams that
can carry more than one channel get the *addressed* form, which names the channel in the headers.

JSON is strict (RFC 8259 and I-JSON, RFC 7493): UTF-8 checked, NaN and lone surrogates refused, depth bounded.
`msgspec.Raw` checks the grammar, escapes and surrogates included, but neither UTF-8 nor depth, so both are
checked here. Numbers are never read: they reach the subscriber with the digits they were published with. A byte order
mark before a body is passed over, as RFC 8259, 8.1 lets a reader do.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate
from typing import Any, ClassVar

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.errors import BadRequestError
from fast_sse.model.limits import Limits

#: The byte order mark that some editors, shells and libraries put before UTF-8.
BOM = b"\xef\xbb\xbf"
#: Longest time to live: ten years, far past any retention.
TTL_S_MAX = 315_360_000.0
#: UTF-8 bytes of an SSE event name.
EVENT_BYTES_MAX = 256

#: What events begin with that only the hub writes: control events, which speak to nodes and to no client.
CONTROL_PREFIX = "fast-sse."
#: It erases its channel.
ERASED = "fast-sse.erased"
#: What dead letters say where the log is a topic: a process begins, tells a turn, keeps poison, removes letters.
BEGIN, TURN, POISON, DROP = "fast-sse.begin", "fast-sse.turn", "fast-sse.poison", "fast-sse.drop"
#: Every control event, and whether its entry is a record, which enters the stream of those who follow the log.
CONTROL_EVENTS = {ERASED: True, BEGIN: False, TURN: False, POISON: False, DROP: False}

#: The envelope: what stands before its data, between data and headers, and behind those.
ENVELOPE = (b'{"data":', b',"headers":', b"}")

_RESERVED_EVENTS = ("open", "error")
_RESERVED_HEADERS = frozenset({"event_id", "event_type", "send_time"})
_RESERVED_HEADER_PREFIX = "fast-sse-"
_LINE_BREAK = re.compile(r"[\r\n\x00]")
#: A bracket as a signed byte: one level down, one level up.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NEITHER_BRACKET_NOR_QUOTE = bytes(set(range(256)) - set(b'[]{}"'))


class Key(msgspec.Struct, frozen=True, gc=False):
    """One idempotency key: `digest` covers principal, channel and key; `window_ms` 0 means the store's own window."""

    digest: bytes
    window_ms: int = 0


class Draft(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A checked message on its way to the store.

    Attributes:
        data: one line of JSON, as published.
        headers: one line, a JSON object that always holds `send_time`.
        event: the SSE event name, empty for none.
        meta: JSON object with what only operators see (`event_name`, `user`, `dead_letter`), empty for none.
        ttl_ms: milliseconds after storing past which it is never delivered; 0 for none.
        keys: idempotency keys; if any of them is known the earlier message is the answer.
        body_sha256: of the inflated body, compared when a key is known.
    """

    channel: Channel
    data: bytes
    headers: bytes
    event: str = ""
    meta: bytes = b""
    ttl_ms: int = 0
    keys: tuple[Key, ...] = ()
    body_sha256: bytes = b""

    @property
    def size_bytes(self) -> int:
        """What the draft weighs against the bounds of the publish queue."""
        return len(self.data) + len(self.headers) + len(self.meta) + 200


class Record(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A message as the log holds it. `time_ms` is store time; `expires_ms` 0 means never.

    The order of its fields is that of its encoded form in the log: new ones come last, with a default.
    """

    position: Position
    channel: Channel
    data: bytes
    headers: bytes
    event: str
    meta: bytes
    time_ms: int
    expires_ms: int = 0
    fingerprint: str = ""

    def expired(self, now_ms: int) -> bool:
        """Whether its time to live has passed at `now_ms`."""
        return self.expires_ms != 0 and now_ms >= self.expires_ms

    @property
    def is_control(self) -> bool:
        """Whether it speaks to the nodes that follow the log, and to no client."""
        return self.event != "" and self.event.startswith(CONTROL_PREFIX)  # most have none: no call for those

    def due(self, now_ms: int) -> bool:
        """Whether a client is to see it at `now_ms`."""
        return not (self.expires_ms or self.event) or not (self.expired(now_ms) or self.is_control)


def is_record(event: str) -> bool:
    """Whether an entry of this event is a record. A control event that this version does not know makes none."""
    return not event.startswith(CONTROL_PREFIX) or CONTROL_EVENTS.get(event, False)


def bare_envelope(record: Record) -> bytes:
    """The envelope for streams of exactly one channel: one line of JSON."""
    before, between, behind = ENVELOPE
    return b"".join((before, record.data, between, record.headers, behind))


def addressed_envelope(record: Record) -> bytes:
    """The envelope for wildcard and multi-channel streams: its headers name the record's channel."""
    before, between, behind = ENVELOPE
    return b"".join((before, record.data, between, record.headers[:-1], address(record.channel), behind))


@lru_cache(maxsize=1024)
def address(channel: Channel) -> bytes:
    """What the addressed form adds to the headers of a record, the end of their object included."""
    return b',"event_id":%b,"event_type":%b}' % tuple(map(msgspec.json.encode, channel))


class PublishBody(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """The JSON of a publish. `null` means absent; of duplicates the last wins.

    Attributes:
        odd: it came with fields that are not known. They are ignored, and the answer names them.
    """

    odd: ClassVar[bool] = False

    data: msgspec.Raw
    event_name: str | None = None
    user: msgspec.Raw = msgspec.Raw()
    headers: dict[str, str] | None = None
    event: str | None = None
    ttl_s: float | None = None
    idempotency_key: str | None = None
    dead_letter: bool | None = None
    event_id: str | None = None
    event_type: str | None = None


class OddBody(PublishBody, gc=False, forbid_unknown_fields=False):
    """One with fields that are not known."""

    odd: ClassVar[bool] = True


_decoder = msgspec.json.Decoder(PublishBody)
_odd_decoder = msgspec.json.Decoder(OddBody)


def parse_publish(body: bytes, limits: Limits) -> PublishBody:
    """Decode and check a publish body of any origin.

    Raises:
        BadRequestError: not strict JSON, too deep, a field of the wrong type, or a forbidden event name.
    """
    body = body.removeprefix(BOM)
    try:
        body.decode("utf-8", "strict")
        try:
            parsed = _decoder.decode(body)
        except (
            msgspec.ValidationError
        ):  # a field that is not known, or one that is wrong: then this raises, too
            parsed = _odd_decoder.decode(body)
    except UnicodeDecodeError as error:
        raise BadRequestError("the body is not valid UTF-8") from error
    except RecursionError as error:
        raise BadRequestError(f"the body nests deeper than {limits.json_depth_max} levels") from error
    except msgspec.DecodeError as error:
        raise BadRequestError(f"the body is not a valid message: {error}") from error
    _check_fields(parsed, body, limits)
    return parsed


def _check_fields(body: PublishBody, text: bytes, limits: Limits) -> None:
    # Counted once for all of it, which mostly settles it; the object around the fields is one level of its own.
    if text.count(b"[") + text.count(b"{") > limits.json_depth_max + 1:
        for name, value in (("data", body.data), ("user", body.user)):
            if depth_exceeds(value, limits.json_depth_max):
                raise BadRequestError(f"{name} nests deeper than {limits.json_depth_max} levels")
    if body.headers and len(body.headers) > limits.header_count_max:
        raise BadRequestError(f"headers must have at most {limits.header_count_max} entries")
    if body.event:
        check_event_name(body.event)
    if body.ttl_s is not None and not 0 < body.ttl_s <= TTL_S_MAX:
        raise BadRequestError(f"ttl_s must be above 0 and at most {TTL_S_MAX:.0f}")


def check_event_name(name: str) -> None:
    """Refuse names that would break the framing (CWE-93) or that belong to EventSource or the hub."""
    if _LINE_BREAK.search(name) or len(name.encode()) > EVENT_BYTES_MAX:
        raise BadRequestError(f"event must have at most {EVENT_BYTES_MAX} bytes, and no line break or NUL")
    if name in _RESERVED_EVENTS or name.startswith(CONTROL_PREFIX):
        raise BadRequestError("event must not be open, error or a name that begins with fast-sse")


def depth_exceeds(json: bytes | msgspec.Raw, depth_max: int) -> bool:
    """Whether arrays and objects nest deeper than `depth_max` in valid JSON; `[]` is one level.

    Works in passes over the whole text, since a bytecode loop over a megabyte would hold up every stream.
    """
    text = bytes(json)
    if text.count(b"[") + text.count(b"{") <= depth_max:
        return False
    if b"\\" in text:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    steps = text.translate(_STEPS, _NEITHER_BRACKET_NOR_QUOTE).replace(b'""', b"")
    outside = b"".join(steps.split(b'"')[::2])  # between quotes are brackets inside strings
    return max(accumulate(memoryview(outside).cast("b")), default=0) > depth_max


def one_line(json: bytes) -> bytes:
    """Valid JSON on one line: unchanged when it is, else without the white space between its tokens."""
    if b"\n" in json or b"\r" in json:
        return msgspec.json.format(json, indent=-1)
    return json


def encode_headers(headers: dict[str, str] | None, send_time: str) -> bytes:
    """The stored headers object: the publisher's own less the reserved ones, then `send_time`."""
    if not headers:
        return b'{"send_time":"%b"}' % send_time.encode()
    kept: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower not in _RESERVED_HEADERS and not lower.startswith(_RESERVED_HEADER_PREFIX):
            kept[name] = value
    kept["send_time"] = send_time
    return msgspec.json.encode(kept)


def draft(
    channel: Channel,
    body: PublishBody,
    *,
    send_time: str,
    keys: tuple[Key, ...] = (),
    body_sha256: bytes = b"",
) -> Draft:
    """The draft of a parsed body. `send_time` is the publishing node's local time, `%Y-%m-%d %H:%M:%S.mmm`."""
    return Draft(
        channel=channel,
        data=one_line(bytes(body.data)),
        headers=encode_headers(body.headers, send_time),
        event=body.event or "",
        meta=_encode_meta(body),
        ttl_ms=max(1, int(body.ttl_s * 1000)) if body.ttl_s is not None else 0,
        keys=keys,
        body_sha256=body_sha256,
    )


def erasure(target: Channel) -> Draft:
    """The control record that makes every node forget what was published to exactly this channel before it."""
    return Draft(channel=target, data=b"{}", headers=b"{}", event=ERASED)


def _encode_meta(body: PublishBody) -> bytes:
    if body.event_name is None and body.dead_letter is None and not body.user:
        return b""
    meta: dict[str, Any] = {}
    if body.event_name is not None:
        meta["event_name"] = body.event_name
    if bytes(body.user) not in (b"", b"null"):
        meta["user"] = body.user
    if body.dead_letter is not None:
        meta["dead_letter"] = body.dead_letter
    return msgspec.json.encode(meta) if meta else b""

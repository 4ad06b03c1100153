"""Payload compression, the original's: an envelope that is packed into an envelope of its own.

    {"encoding":"base64+gzip","data":"H4sIAAAA..."}

`data` is base64 (RFC 4648, 4, padded) of one gzip member (RFC 1952), and that is the plain envelope. An envelope is packed
only from a size on, and only if it really gets smaller, so a client looks at each: one that is not packed has no
`encoding`. A publisher cannot make it look so, because all that it writes stands inside `data` and `headers`.

The bytes are always zlib's, of one level and without a time: live, replayed and on every node a record is packed to the
same bytes.

A publisher may compress by itself. It says so by the header `message_compressed: "true"`; then `data` is a string that holds
base64 of gzip, which is checked at publish, and the hub does not pack that message again.
"""

from __future__ import annotations

import binascii
import zlib

import msgspec

from fast_sse.model.errors import BadRequestError
from fast_sse.model.inflating import Inflating
from fast_sse.model.limits import MIB, Limits
from fast_sse.model.message import PublishBody

#: A publisher's header; only the value "true" means anything.
HEADER = "message_compressed"

_BEFORE, _BEHIND = b'{"encoding":"base64+gzip","data":"', b'"}'
_LEVEL = 6
#: Added to zlib's window bits, it asks for the gzip wrapper.
_GZIP = 16
_WINDOW_MIN, _WINDOW_MAX, _MEMORY = 9, 15, 7
#: What a client unpacks at most: more than any hub lets through unless its limits were raised.
UNPACKED_BYTES_MAX = 64 * MIB

_text = msgspec.json.Decoder(str).decode
#: How the header looks in a record. A quote inside a name or a value is escaped there, so nothing else looks the same.
_MARKS = tuple(b'%b"%b":"true"' % (start, HEADER.encode()) for start in (b"{", b","))


def packed(envelope: bytes) -> bytes:
    """The envelope packed, or as it is where it would not become smaller."""
    size = len(envelope)
    # A window no larger than the envelope costs less to set up, and finds as much.
    bits = max(_WINDOW_MIN, min(_WINDOW_MAX, size.bit_length()))
    maker = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP + bits, _MEMORY)
    member = maker.compress(envelope) + maker.flush()
    made = b"".join((_BEFORE, binascii.b2a_base64(member, newline=False), _BEHIND))
    return made if len(made) < size else envelope


def unpacked(data: bytes, bytes_max: int = UNPACKED_BYTES_MAX) -> bytes:
    """The plain envelope in the data of an event, whether it was packed or not. For clients.

    Raises:
        BadRequestError: it begins as a packed one and is none.
        TooLargeError: it is longer than `bytes_max`.
    """
    if not (data.startswith(_BEFORE) and data.endswith(_BEHIND)):
        return data
    member = _from_base64(data[len(_BEFORE) : -len(_BEHIND)])
    return _whole(Inflating(member, bytes_max, bytes_max, "data"))


def is_compressed(headers: bytes) -> bool:
    """Whether the publisher of a record had compressed it by itself. `headers`: as a record has them."""
    return any(mark in headers for mark in _MARKS)


def check_compressed(body: PublishBody, limits: Limits) -> Inflating | None:
    """Check the data of a message that says it is compressed; those that do not say so are not looked at.

    Returns None when that is done. Otherwise `finish` of what it returns does the rest, which is for a thread.

    Raises:
        BadRequestError: `data` is not a string, not base64, or not exactly one whole gzip member.
        TooLargeError: it inflates to more than is allowed.
    """
    if not body.headers or body.headers.get(HEADER) != "true":
        return None
    try:
        text = _text(body.data)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"data must be a string, because the header {HEADER} is true") from error
    inflating = Inflating(_from_base64(text), limits.inflated_bytes_max, limits.inflate_ratio_max, "data")
    return inflating if inflating.begin() is None else None


def check_all_compressed(body: PublishBody, limits: Limits) -> None:
    """`check_compressed` to its end, however long that takes."""
    if (rest := check_compressed(body, limits)) is not None:
        rest.finish()


def _whole(inflating: Inflating) -> bytes:
    begun = inflating.begin()
    return inflating.finish() if begun is None else begun


def _from_base64(text: str | bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:  # binascii.Error, or a string that is not ASCII
        raise BadRequestError("data is not valid base64") from error

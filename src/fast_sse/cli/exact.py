"""JSON as the text that it is: looked at, never read into numbers and written again.

A number that is read becomes a float or an integer of this language: 1e400 turns into infinity, which is no JSON, 0.10
into 0.1, -0 into 0, and of two fields of one name one is lost. So what passes through a command passes byte for byte.
"""

from __future__ import annotations

import msgspec

from fast_sse.model.message import BOM

_decode = msgspec.json.Decoder(msgspec.Raw).decode


def checked(text: bytes) -> bytes:
    """One JSON value, without a byte order mark before it and white space around it.

    Raises:
        ValueError: not strict JSON (RFC 8259), not UTF-8, or nested too deep to be looked at.
    """
    text = text.removeprefix(BOM)
    text.decode("utf-8", "strict")
    try:
        return bytes(_decode(text))
    except RecursionError as error:
        raise ValueError("it nests too deep") from error


def one_line(text: bytes) -> bytes:
    """The same value on one line: in valid JSON a raw line break stands between tokens only."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ")

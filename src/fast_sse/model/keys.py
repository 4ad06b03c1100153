"""Idempotency keys: what a caller may choose, and the one digest that a store remembers (guarantee G3).

A key belongs to its owner and its channel: the same word of another caller, or for another channel, is another key.
What kind of word it is (a client's own, a signature's nonce, an entry of a foreign queue) is a part of the digest,
so that none of them can be made to collide with another.
"""

from __future__ import annotations

from hashlib import blake2b

from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError
from fast_sse.model.limits import Limits

_DIGEST_BYTES = 16


def own_key(text: str | None, limits: Limits) -> str | None:
    """A key as the caller chose it, unchanged. Raises BadRequestError when it is empty or too long."""
    if text is not None and not 0 < len(text.encode()) <= limits.key_bytes_max:
        raise BadRequestError(f"an idempotency key must have 1 to {limits.key_bytes_max} bytes")
    return text


def key_digest(kind: str, owner: str, target: Channel, word: str) -> bytes:
    """16 bytes that stand for one key. Only `word` may hold NUL, so no two keys are joined alike."""
    return blake2b("\0".join((kind, owner, *target, word)).encode(), digest_size=_DIGEST_BYTES).digest()

"""Which draft is new, which is an earlier message again, which contradicts one (guarantee G3).

A draft may carry several keys (a signature's nonce and the client's own). Any known key makes it the earlier
message, if the body is the same; its other keys are then remembered for that position too, so that a third
try with only one of them still finds it. Pure: the caller looks keys up and stores what is to be remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fast_sse.model.cursor import Position
from fast_sse.model.errors import KeyConflictError
from fast_sse.model.message import Draft


class Known(NamedTuple):
    """What a key stands for."""

    position: Position
    body_sha256: bytes
    expires_ms: int


Lookup = Callable[[bytes], Known | None]


def resolve(draft: Draft, lookup: Lookup, now_ms: int) -> Known | KeyConflictError | None:
    """The earlier message of a draft, the conflict with one, or None when every key of it is new or past its window."""
    earliest: Known | None = None
    for key in draft.keys:
        known = lookup(key.digest)
        if known is None or known.expires_ms <= now_ms:
            continue
        if known.body_sha256 != draft.body_sha256:
            return KeyConflictError("the idempotency key was used with another body")
        if earliest is None or known.position < earliest.position:
            earliest = known
    return earliest


def to_remember(
    draft: Draft, position: Position, lookup: Lookup, now_ms: int, window_ms: int, from_ms: int | None = None
) -> list[tuple[bytes, Known]]:
    """The keys of a draft that are not known yet, each with what it stands for from now on.

    `from_ms`: when their windows begin, if not now.
    """
    from_ms = now_ms if from_ms is None else from_ms
    fresh: list[tuple[bytes, Known]] = []
    for key in draft.keys:
        known = lookup(key.digest)
        if known is None or known.expires_ms <= now_ms:
            expires_ms = from_ms + (key.window_ms or window_ms)
            fresh.append((key.digest, Known(position, draft.body_sha256, expires_ms)))
    return fresh

"""Entries as the consumer would give them."""

from __future__ import annotations

from tests.contract.backends import draft

from fast_sse.model.message import Draft
from fast_sse.store.kafka.entry import encode
from fast_sse.store.kafka.fold import Raw

NOW_MS = 1_800_000_000_000


def raw(offset: int, one: Draft | None = None, *, time_ms: int = NOW_MS, token: int = 0) -> Raw:
    """An entry at an offset; its token is told apart by the offset unless given."""
    return Raw(offset, time_ms, encode(one or draft(), token or (offset + 1) << 32))


def poison(offset: int, *, time_ms: int = NOW_MS) -> Raw:
    return Raw(offset, time_ms, b"\xffnot ours")

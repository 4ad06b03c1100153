"""Packed frames that take long to make: made in a thread, before anybody asks for them.

Packing takes 10 us for a kilobyte and 10 ms for a megabyte. So whoever is about to write packed frames first looks how much
there is to do: a little is done at once, when the first stream asks; more is done in a thread, while the loop goes on. An
entry keeps its frame, so each message is packed once for each shape, whatever the number of streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

from fast_sse.hub.frames import PAYLOAD, is_packed
from fast_sse.hub.tail import Entry
from fast_sse.model.limits import KIB, MIB
from fast_sse.model.message import Record

T = TypeVar("T")

#: Up to so many bytes are packed at once, in about 0.1 ms: handing them to a thread would take as long.
AT_ONCE_BYTES = 16 * KIB
#: What is packed for the follower before it hands on what it has.
_PORTION_BYTES = MIB


async def pack_first(entries: Sequence[Entry], shapes: Callable[[Entry], Collection[int]]) -> int:
    """Make the packed frames of the first entries, each in its shapes, if that takes long; how many entries these are."""
    wanted: list[tuple[Entry, int]] = []
    size = ready = 0
    for entry in entries:
        ready += 1
        for shape in shapes(entry):
            if entry.is_unpacked(shape):
                wanted.append((entry, shape))
                size += len(entry.record.data)
        if size >= _PORTION_BYTES:
            break
    if size > AT_ONCE_BYTES:
        await _make(wanted)
    return ready


def is_long(entries: Iterable[Entry], shape: int) -> bool:
    """Whether there is more to pack than is packed at once."""
    if shape < PAYLOAD:
        return False
    return sum(len(entry.record.data) for entry in entries if entry.is_unpacked(shape)) > AT_ONCE_BYTES


class Packing:
    """What the catch-ups of a node have packed: one at a time, so that they take one core and little memory."""

    def __init__(self, bytes_min: int) -> None:
        """`bytes_min`: see `frames.is_packed`."""
        self._bytes_min = bytes_min
        self._turn = asyncio.Semaphore(1)

    async def pack(self, entries: Sequence[Entry], shape: int) -> bool:
        """Make the frames of these entries if that takes long. Whether it did: much may have changed meanwhile."""
        if not is_long(entries, shape):
            return False
        async with self._turn:
            # Whoever was in line before may have wanted the same.
            if wanted := [(entry, shape) for entry in entries if entry.is_unpacked(shape)]:
                await _make(wanted)
        return True

    async def run(self, records: Sequence[Record], shape: int, found: Iterable[T]) -> Iterable[T]:
        """`found`, an iterator that makes the frames of records: as it is, or run in a thread if that takes long."""
        if shape < PAYLOAD:
            return found
        if sum(len(one.data) for one in records if is_packed(one, self._bytes_min)) <= AT_ONCE_BYTES:
            return found
        async with self._turn:
            return await asyncio.to_thread(list, found)


async def _make(wanted: Sequence[tuple[Entry, int]]) -> None:
    made = await asyncio.to_thread(lambda: [entry.encode(shape) for entry, shape in wanted])
    for (entry, shape), frame in zip(wanted, made, strict=True):
        entry.keep(shape, frame)

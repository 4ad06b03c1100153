"""The stores that the contract is proved on, and what each of them can do.

A test asks for a capability, never for a class. To add a store: one entry in BACKENDS, and the suite and the
state machine run on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fast_sse.model.channel import channel
from fast_sse.model.message import Draft, Key
from fast_sse.store.base import Retention, Store, Windows
from fast_sse.store.memory import MemoryStore
from fast_sse.store.sqlite import SqliteStore

#: No bound at all: what is stored stays.
FOREVER = Retention(max_age_s=None, max_bytes=None, max_messages=None)
START_MS = 1_800_000_000_000


class Clock:
    """Store time, moved by hand."""

    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms

    def pass_s(self, seconds: float) -> None:
        self.ms += int(seconds * 1000)


class Make(Protocol):
    """A new, unopened store on one place."""

    def __call__(
        self, place: Path, retention: Retention, windows: Windows, clock: Callable[[], int]
    ) -> Store: ...


@dataclass(frozen=True)
class Backend:
    """One store. `durable`: what was answered is there after closing and opening the same place."""

    name: str
    make: Make
    durable: bool


def _memory(place: Path, retention: Retention, windows: Windows, clock: Callable[[], int]) -> Store:
    return MemoryStore(retention, windows, now_ms=clock)


def _sqlite(place: Path, retention: Retention, windows: Windows, clock: Callable[[], int]) -> Store:
    return SqliteStore(place, retention, windows, now_ms=clock, ballast_bytes=4096)


BACKENDS = (Backend("memory", _memory, durable=False), Backend("sqlite", _sqlite, durable=True))


def draft(
    event_id: str = "a",
    event_type: str = "t",
    data: bytes = b"1",
    *,
    keys: tuple[str, ...] = (),
    body: bytes = b"",
    window_ms: int = 0,
    ttl_ms: int = 0,
) -> Draft:
    """A draft with short names; `keys` are texts, padded to digests."""
    return Draft(
        channel=channel(event_id, event_type),
        data=data,
        headers=b'{"send_time":"x"}',
        keys=tuple(Key(key.encode().ljust(32, b"."), window_ms) for key in keys),
        body_sha256=body or data,
        ttl_ms=ttl_ms,
    )

"""The stores that the contract is proved on, and what each of them can do.

A test asks for a capability, never for a class. To add a store: one Place and one entry in BACKENDS, and the
suite and the state machine run on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.contract.kafka_place import KafkaPlace
from tests.contract.places import MemoryPlace, Place, SqlitePlace
from tests.contract.redis_place import RedisPlace

from fast_sse.model.channel import channel
from fast_sse.model.message import Draft, Key
from fast_sse.store.base import Retention

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


@dataclass(frozen=True)
class Backend:
    """One store. `place` gives a new place for its log, below a directory or isolated in another way, and skips the
    test on a laptop without the server. `durable`: it is a DurablePlace.
    """

    name: str
    place: Callable[[Path], Place]
    durable: bool
    #: Sequences that the state machine tries: fewer where each step asks a server.
    examples: int = 30


BACKENDS = (
    Backend("memory", lambda _: MemoryPlace(), durable=False),
    Backend("sqlite", SqlitePlace, durable=True),
    Backend("redis", RedisPlace, durable=True),
    Backend("kafka", KafkaPlace, durable=True, examples=5),
)

#: Those that keep dead letters: tests/contract/letters runs on them.
WITH_LETTERS = ("memory", "sqlite", "redis", "kafka")


def draft(
    event_id: str = "a",
    event_type: str = "t",
    data: bytes = b"1",
    *,
    keys: tuple[str, ...] = (),
    body: bytes = b"",
    window_ms: int = 0,
    ttl_ms: int = 0,
    meta: bytes = b"",
) -> Draft:
    """A draft with short names; `keys` are texts, padded to digests."""
    return Draft(
        channel=channel(event_id, event_type),
        data=data,
        headers=b'{"send_time":"x"}',
        keys=tuple(Key(key.encode().ljust(32, b"."), window_ms) for key in keys),
        body_sha256=body or data,
        ttl_ms=ttl_ms,
        meta=meta,
    )

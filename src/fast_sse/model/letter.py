"""A dead letter: a copy of a message that was handed to nobody, or of bytes that never became a message, and why.

A letter is known by its id with epoch and fingerprint, never by a bare position; letters are ordered by (position, id),
which all nodes of a store share. What a replay has to know of earlier ones (its lineage) travels in the message's meta,
which only the hub writes.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any, Literal

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.message import Record

Reason = Literal["no_subscriber", "expired", "poison"]

#: Bytes of poison that a letter keeps at most.
RAW_BYTES_MAX = 256 << 10
#: The header of a replayed message that names the letter. No publisher can set it: the prefix is the hub's.
REPLAY_HEADER = "fast-sse-replay-of"
_POISON = "p-"
_POISON_CHARACTERS = 26


class Source(msgspec.Struct, frozen=True, gc=False):
    """Where poison came from: `kind` is `redis_stream`, `kafka_topic` or `log`, `place` an entry of the queue."""

    kind: str
    queue: str
    place: str


class Lineage(msgspec.Struct, frozen=True, gc=False):
    """Where a message stands in a row of replays.

    Attributes:
        attempts: publishes so far, this one included.
        original: id of the first one; empty for itself.
        first_ms: store time of the first one; 0 for its own.
    """

    attempts: int = 1
    original: str = ""
    first_ms: int = 0


class Letter(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One dead letter. A head has neither `record` nor `raw`; a whole one that died in the log has its record, one that
    was kept (`Poison`) its bytes.

    Attributes:
        id: the message's; of poison one made of its source and content (`poison_id`).
        position: the message's; of poison the newest of the log when it was kept.
        channel: None where poison names none.
        published_ms, dead_ms, first_ms: store time; `first_ms` of the first of a row of replays.
        attempts: publishes so far.
        original: id of the first of a row of replays; its own id when it is the first.
        maybe_delivered: a node that may have handed it over had not told everything when it was decided.
        node: the one that asked for the decision, or kept the poison.
        size_bytes: of data and headers; of poison all bytes that it had.
        source: of one that was kept.
        sha256: of all bytes of one that was kept, hexadecimal; empty else.
        raw: the first RAW_BYTES_MAX of these bytes.
    """

    id: str
    position: Position
    channel: Channel | None
    reason: Reason
    description: str
    published_ms: int
    dead_ms: int
    first_ms: int
    attempts: int
    original: str
    maybe_delivered: bool
    node: str
    size_bytes: int
    source: Source | None = None
    sha256: str = ""
    record: Record | None = None
    raw: bytes | None = None


class Poison(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bytes that cannot become a message, as a source found them. `raw` may be longer than what is kept of it.

    `reason` is another one where they are a message that died elsewhere: it is bounded with those that died here.
    """

    source: Source
    raw: bytes
    description: str
    reason: Reason = "poison"
    channel: Channel | None = None
    node: str = ""

    @property
    def size_bytes(self) -> int:
        """How many bytes it had."""
        return len(self.raw)

    @property
    def sha256(self) -> str:
        """Of all its bytes, hexadecimal."""
        return sha256(self.raw).hexdigest()

    @property
    def id(self) -> str:
        """The same for the same bytes at the same place; another for other bytes, also where a place is given again."""
        source = self.source
        text = f"{source.kind}\0{source.queue}\0{source.place}\0{self.sha256}"
        digest = base64.b32encode(sha256(text.encode()).digest()).decode("ascii").lower()
        return _POISON + digest[:_POISON_CHARACTERS]


def is_poison_id(text: str) -> bool:
    """Whether an id is that of bytes that were kept, and not of a message of the log."""
    return text.startswith(_POISON)


class _Meta(msgspec.Struct, gc=False):
    """What a record's meta says to the dead letters; all else in it is passed over."""

    dead_letter: bool | None = None
    replay: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(_Meta).decode


def wants_letter(record: Record, ignored: frozenset[str] = frozenset()) -> bool:
    """Whether a record becomes a dead letter when nobody is handed it. `ignored`: event types that nobody misses.

    What its publisher said wins. A message to a wildcard channel addresses whoever is there, so it wants none.
    """
    if record.is_control:
        return False
    if record.meta and (said := _decode(record.meta).dead_letter) is not None:
        return said
    event_id, event_type = record.channel
    return event_id != "*" and event_type != "*" and event_type not in ignored


def lineage_of(record: Record) -> Lineage:
    """What a record's meta says of earlier replays."""
    replay = _decode(record.meta).replay if b'"replay"' in record.meta else None
    return (
        Lineage() if replay is None else Lineage(replay["attempts"], replay["original"], replay["first_ms"])
    )


def replay_meta(letter: Letter) -> dict[str, Any]:
    """The `replay` of the meta of a message that replays a letter."""
    return {
        "of": letter.id,
        "original": letter.original,
        "first_ms": letter.first_ms,
        "attempts": letter.attempts + 1,
    }


def describe(reason: Reason, grace_s: float) -> str:
    """One sentence for people."""
    if reason == "expired":
        return "its time to live passed before anybody was handed it"
    return f"nobody was handed it within {grace_s:g} s"

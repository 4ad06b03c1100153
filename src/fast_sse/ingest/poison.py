"""What cannot become a message, as a dead letter, and back again.

    an entry of a queue -> the store's dead letters -> only then the queue may forget it

A letter has the bytes of the package as they were, and the channel where it can be read: what stands beside the package
before what stands in it. So a replay needs nothing else, and reads it by the rules of that day. The id is made of the
queue, the place and the bytes: kept again after a crash, it is the letter that is there.
"""

from __future__ import annotations

import msgspec

from fast_sse.ingest.package import QueueEntry, read_package, without_schema
from fast_sse.model.channel import SEGMENT_BYTES_MAX, Channel, channel
from fast_sse.model.errors import (
    BadChannelError,
    BadRequestError,
    ClientFaultError,
    FastSseError,
)
from fast_sse.model.letter import RAW_BYTES_MAX, Letter, Poison, Source
from fast_sse.model.limits import Limits
from fast_sse.model.message import BOM, PublishBody
from fast_sse.store.letters import Letters

_IMPORTED = "nobody was handed it where it was published first"


class Quarantine:
    """Where the poison of one queue goes.

    Args:
        letters: of the hub's store.
        kind, queue: `redis_stream` or `kafka_topic`, and its name.
        node: this node's name.
    """

    def __init__(self, letters: Letters, kind: str, queue: str, node: str) -> None:
        self._letters = letters
        self._kind = kind
        self._queue = queue
        self._node = node

    async def keep(self, entry: QueueEntry, error: FastSseError) -> None:
        """Keep an entry, or know that it is kept. Raises UnavailableError: then again."""
        target = named(entry.package, entry.event_id, entry.event_type)
        poison = Poison(
            source=Source(self._kind, self._queue, entry.place),
            raw=entry.package,
            description=_described(error, entry if target is None else None),
            channel=target,
            node=self._node,
        )
        await self._letters.keep(poison)


def imported(source: Source, raw: bytes, limits: Limits, node: str) -> Poison:
    """What stood in the dead letters of another hub: a message that nobody was handed, or poison there as here."""
    try:
        target, _ = read_package(without_schema(raw), limits)
    except ClientFaultError as error:
        return Poison(source=source, raw=raw, description=error.message, channel=named(raw), node=node)
    return Poison(
        source=source, raw=raw, description=_IMPORTED, channel=target, reason="no_subscriber", node=node
    )


def reread(letter: Letter, limits: Limits) -> tuple[Channel, PublishBody]:
    """What the bytes of a letter say by the limits of today. Raises ClientFaultError when they are still no message."""
    if letter.raw is None or len(letter.raw) < letter.size_bytes:
        raise BadRequestError("only the beginning of it was kept: publish it by hand, and purge it here")
    event_id, event_type = (None, None) if letter.channel is None else map(str.encode, letter.channel)
    return read_package(without_schema(letter.raw), limits, event_id, event_type)


def _described(error: FastSseError, entry: QueueEntry | None) -> str:
    """What is wrong; and what the queue says beside an entry whose channel is not known, as nothing else holds it then."""
    text = error.message
    for name in ("event_id", "event_type"):
        if entry is not None and (beside := getattr(entry, name)) is not None:
            text += f"; beside it stands {name} {beside[:SEGMENT_BYTES_MAX].decode('utf-8', 'backslashreplace')!r}"
    return text.encode("utf-8", "replace").decode()


class _Names(msgspec.Struct):
    event_id: str | None = None
    event_type: str | None = None


_decode = msgspec.json.Decoder(_Names).decode


def named(package: bytes, event_id: bytes | None = None, event_type: bytes | None = None) -> Channel | None:
    """The channel of an entry that is no message; None where a half of it cannot be read."""
    inside = _Names()
    if (event_id is None or event_type is None) and len(package) <= RAW_BYTES_MAX:
        try:
            inside = _decode(without_schema(package).removeprefix(BOM))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    try:
        first = inside.event_id if event_id is None else event_id.decode()
        second = inside.event_type if event_type is None else event_type.decode()
        return None if first is None or second is None else channel(first, second)
    except (BadChannelError, UnicodeDecodeError):
        return None

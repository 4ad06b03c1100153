"""What dead letters say in the topic: entries that are no records, each a control event with one line of JSON as its data.

    fast-sse.begin   a process begins
    fast-sse.turn    what a node tells once a turn
    fast-sse.poison  bytes that cannot become a message, as many as are kept of them, in base64
    fast-sse.drop    ids of letters that go; null: all letters of the entry's channel

The JSON is an array: a version, where positions or ids depend on it the epoch, then the fields in the order below. Positions
that were handed over are written as differences, so that a record takes four bytes. What is of another version, or is not what
was meant, says nothing: the topic has to be read on, whatever somebody wrote into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import sub
from typing import Annotated, Literal

import msgspec

from fast_sse.model.channel import Channel, channel
from fast_sse.model.errors import BadChannelError
from fast_sse.model.letter import Poison, Reason, Source
from fast_sse.model.message import BEGIN, DROP, POISON, TURN, Draft
from fast_sse.store.letters import Ack, Due, Handed, Turn

#: 63 bits: what SQLite can hold.
_POSITION_MAX = (1 << 63) - 1
_Place = Annotated[int, msgspec.Meta(ge=0, le=_POSITION_MAX)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
#: Milliseconds or a number of turns: sums of them stay far below what SQLite can hold.
_Small = Annotated[int, msgspec.Meta(ge=0, le=1 << 48)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
#: Control entries concern every channel, but for an erasure of letters.
_EVERY = Channel("*", "*")


class Begins(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A process begins. `first`: its view knows of none that ever did."""

    version: Literal[1]
    epoch: str
    node: str
    start: str
    first: bool


class Told(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A turn."""

    version: Literal[1]
    epoch: str
    node: str
    start: str
    number: _Small
    every_ms: _Small
    grace_s: _Seconds
    decides: bool
    through: _Place
    decided: _Place | None
    seen: str
    steps: list[int]
    counts: list[_Count]
    due: list[tuple[_Place, str]]
    late: list[str]
    acks: list[tuple[_Place, str]]
    goodbye: bool

    def turn(self) -> Turn | None:
        """The turn as its node told it; None when its positions cannot be."""
        places = list(accumulate(self.steps))
        if len(places) != len(self.counts) or (
            places and not 0 <= min(places) <= max(places) <= _POSITION_MAX
        ):
            return None
        return Turn(
            node=self.node,
            start=self.start,
            number=self.number,
            every_ms=self.every_ms,
            grace_s=self.grace_s,
            through=self.through,
            decided=self.decided,
            seen=self.seen,
            decides=self.decides,
            handed=list(map(Handed, places, self.counts)),
            due=[Due(*one) for one in self.due],
            late=self.late,
            acks=[Ack(*one) for one in self.acks],
            goodbye=self.goodbye,
        )


class Kept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Poison: its first bytes, and what can be said of all of them."""

    version: Literal[1]
    kind: str
    queue: str
    place: str
    description: str
    node: str
    event_id: str | None
    event_type: str | None
    size: _Small
    digest: str
    raw: bytes
    reason: Reason = "poison"


class Dropped(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Letters that go; None: all of the entry's channel."""

    version: Literal[1]
    ids: list[str] | None


class ShortPoison(Poison, frozen=True, kw_only=True, gc=False):
    """Poison of which `raw` is only the beginning."""

    size: int
    digest: str

    @property
    def size_bytes(self) -> int:
        """How many bytes it had."""
        return self.size

    @property
    def sha256(self) -> str:
        """Of all its bytes, hexadecimal."""
        return self.digest


Control = Begins | Told | ShortPoison | Dropped

_Said = Begins | Told | Kept | Dropped

_encode = msgspec.json.Encoder().encode
_DECODE: dict[str, Callable[[bytes], _Said]] = {
    BEGIN: msgspec.json.Decoder(Begins).decode,
    TURN: msgspec.json.Decoder(Told).decode,
    POISON: msgspec.json.Decoder(Kept).decode,
    DROP: msgspec.json.Decoder(Dropped).decode,
}


def _entry(event: str, said: _Said, where: Channel = _EVERY) -> Draft:
    return Draft(channel=where, data=_encode(said), headers=b"{}", event=event)


def begin_entry(epoch: str, node: str, start: str, *, first: bool) -> Draft:
    """The entry of a process that begins."""
    return _entry(BEGIN, Begins(1, epoch, node, start, first))


def turn_entry(epoch: str, turn: Turn) -> Draft:
    """The entry of a turn."""
    places = [one.position for one in turn.handed]
    said = Told(
        version=1,
        epoch=epoch,
        node=turn.node,
        start=turn.start,
        number=turn.number,
        every_ms=turn.every_ms,
        grace_s=turn.grace_s,
        decides=turn.decides,
        through=turn.through,
        decided=turn.decided,
        seen=turn.seen,
        steps=list(map(sub, places, [0, *places])),
        counts=[one.count for one in turn.handed],
        due=[(one.position, one.fingerprint) for one in turn.due],
        late=list(turn.late),
        acks=[(one.position, one.client) for one in turn.acks],
        goodbye=turn.goodbye,
    )
    return _entry(TURN, said)


def poison_entry(poison: Poison, raw_max: int) -> Draft:
    """The entry of poison, with at most so many of its bytes."""
    source, (event_id, event_type) = poison.source, poison.channel or (None, None)
    said = Kept(
        version=1,
        kind=source.kind,
        queue=source.queue,
        place=source.place,
        description=poison.description,
        node=poison.node,
        event_id=event_id,
        event_type=event_type,
        size=poison.size_bytes,
        digest=poison.sha256,
        raw=poison.raw[:raw_max],
        reason=poison.reason,
    )
    return _entry(POISON, said)


def drop_entry(ids: Sequence[str]) -> Draft:
    """The entry that removes letters."""
    return _entry(DROP, Dropped(1, list(ids)))


def erase_entry(target: Channel) -> Draft:
    """The entry that removes the letters of exactly this channel."""
    return _entry(DROP, Dropped(1, None), target)


def said_by(draft: Draft) -> Control | None:
    """What a control entry says; None when this version has no ear for it."""
    decode = _DECODE.get(draft.event)
    if decode is None:
        return None
    try:
        said = decode(draft.data)
        return _short(said) if isinstance(said, Kept) else said
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, BadChannelError):
        return None


def _short(said: Kept) -> ShortPoison:
    named = None
    if said.event_id is not None and said.event_type is not None:
        named = channel(said.event_id, said.event_type)
    return ShortPoison(
        source=Source(said.kind, said.queue, said.place),
        raw=said.raw,
        description=said.description,
        channel=named,
        node=said.node,
        reason=said.reason,
        size=said.size,
        digest=said.digest,
    )

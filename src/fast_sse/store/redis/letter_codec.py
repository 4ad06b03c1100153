"""Turns as words for settle.lua, and what the scripts of the dead letters answer as objects of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.letter import Letter, Reason, Source, describe, is_poison_id
from fast_sse.model.message import Record
from fast_sse.store.letters import Ack, Drop, Handed, LetterBounds, Receipt, Tally, Turn, Turner
from fast_sse.store.redis.codec import POSITION_MAX, place_text, position_of
from fast_sse.store.redis.wire import Reply, Word

REASONS: tuple[Reason, ...] = ("no_subscriber", "expired", "poison")
_DROPS: tuple[Drop, ...] = ("count", "bytes", "age")
#: Characters of a place before the id in a member of an order.
_PLACE = 41
_HALF = (1 << 64) - 1

_encode = msgspec.msgpack.Encoder().encode
_decode_numbers = msgspec.msgpack.Decoder(list[int]).decode
_decode_any = msgspec.msgpack.Decoder().decode


class _Head(msgspec.Struct, array_like=True, gc=False):
    """As `lua/prelude.lua` names it."""

    place: str
    event_id: str
    event_type: str
    reason: Reason
    description: str
    published_ms: int
    dead_ms: int
    first_ms: int
    attempts: int
    original: str
    maybe: bool
    node: str
    weight: int
    size: int
    kind: str = ""
    queue: str = ""
    source_place: str = ""
    sha256: str = ""


_decode_head = msgspec.msgpack.Decoder(_Head).decode


# -- what is told -----------------------------------------------------------------------------------


def turn_words(turn: Turn, bounds: LetterBounds, receipts_max: int, receipt_bytes_max: int) -> list[Word]:
    """ARGV[4...] of settle.lua."""
    handed = sorted((one.position, one.count) for one in turn.handed)
    acks = sorted((one.position, one.client) for one in turn.acks)
    ends = [told[at][0] for told in (handed, acks) if told for at in (0, -1)]
    epoch, _, heard = turn.seen.rpartition(".")
    words: list[Word] = [
        *(f"{turn.node}/{turn.start}", turn.number, turn.every_ms, int(turn.grace_s * 1000)),
        *(int(turn.decides), int(turn.goodbye), _place(turn.through)),
        *("" if turn.decided is None else _place(turn.decided), epoch, heard or "0-0"),
        *((_place(min(ends)), _place(max(ends))) if ends else ("", "")),
        *(packed(handed), packed(acks)),
        *(describe("no_subscriber", turn.grace_s), describe("expired", turn.grace_s)),
        *bound_words(bounds),
        *(receipts_max, receipt_bytes_max, len(turn.due)),
    ]
    for due in turn.due:
        words += (_place(due.position), due.fingerprint)
    return [*words, *turn.late]


def bound_words(bounds: LetterBounds) -> tuple[Word, ...]:
    """The five bounds of letter.lua."""
    age_ms = int(bounds.max_age_s * 1000)
    return bounds.max_count, bounds.max_bytes, age_ms, bounds.poison_max, bounds.poison_bytes_max


def packed(told: Sequence[tuple[Position, Any]]) -> bytes:
    """Positions, ascending, each with a value, as settle.lua describes it."""
    if not told:
        return b""
    base_ms = told[0][0] >> 64
    flat = [part for at, value in told for part in ((at >> 64) - base_ms, at & _HALF, value)]
    return _encode([base_ms, *flat])


def _place(position: Position) -> str:
    return place_text(min(position, POSITION_MAX))


# -- what is heard ----------------------------------------------------------------------------------


def receipt_of(by: bytes, handed: bytes, decided: bytes, acks: bytes) -> Receipt:
    """A receipt of the stream."""
    return Receipt(
        node=by.rpartition(b"/")[0].decode(),
        handed=[Handed(*one) for one in _unpacked(handed, _decode_numbers)],
        decided=[position for position, _ in _unpacked(decided, _decode_numbers)],
        acks=[Ack(*one) for one in _unpacked(acks, _decode_any)],
    )


def _unpacked(told: bytes, decode: Callable[[bytes], Any]) -> Iterator[tuple[Position, Any]]:
    if told:
        base_ms, *items = decode(told)
        triples = iter(items)
        for ms, n, value in zip(triples, triples, triples, strict=True):
            yield (base_ms + ms << 64) | n, value


def turners_of(reply: Reply) -> list[Turner]:
    """The list, in the order of its names."""
    found = [(*name.decode().rpartition("/"), position_of(place), current) for name, place, current in reply]
    return [
        Turner(node=node, start=start, through=through, current=bool(current))
        for node, _, start, through, current in sorted(found)
    ]


def tally_of(reply: Reply, dropped: Mapping[Drop, int]) -> Tally:
    """The letters in numbers. `dropped`: by earlier calls."""
    *counts, size_bytes, oldest_ms = reply[:5]
    gone = dict(zip(_DROPS, reply[5:], strict=True))
    return Tally(
        by_reason=dict(zip(REASONS, counts, strict=True)),
        size_bytes=size_bytes,
        oldest_ms=oldest_ms,
        dropped={why: dropped.get(why, 0) + gone[why] for why in _DROPS},
    )


# -- letters ----------------------------------------------------------------------------------------


def id_of(member: bytes) -> str:
    """The id in a member of an order, which is `<place, padded>/<id>`."""
    return member[_PLACE + 1 :].decode()


def position_in(member: bytes) -> Position:
    """The position in such a member."""
    return position_of(member[:_PLACE])


def letter_of(letter_id: str, head: bytes) -> Letter | None:
    """A head; None where it is damaged."""
    try:
        it = _decode_head(head)
    except (msgspec.MsgspecError, ValueError):  # not packed as ours, or text that is not UTF-8
        return None
    return Letter(
        id=letter_id,
        position=position_of(it.place),
        channel=Channel(it.event_id, it.event_type) if it.event_id else None,
        reason=it.reason,
        description=it.description,
        published_ms=it.published_ms,
        dead_ms=it.dead_ms,
        first_ms=it.first_ms or it.published_ms,
        attempts=it.attempts,
        original=it.original or letter_id,
        maybe_delivered=it.maybe,
        node=it.node,
        size_bytes=it.size,
        source=Source(it.kind, it.queue, it.source_place) if is_poison_id(letter_id) else None,
        sha256=it.sha256,
    )


def whole(letter: Letter, body: Any) -> Letter | None:
    """A head with its body: the bytes that were kept, or the fields of a message. None where they are damaged."""
    if is_poison_id(letter.id):
        return msgspec.structs.replace(letter, raw=body)
    assert letter.channel is not None
    place, channel, time_ms = letter.position, letter.channel, letter.published_ms
    try:
        event, headers, meta, data, expires_ms, fingerprint = body
        ends_ms, fp = int(expires_ms), fingerprint.decode("ascii")
        record = Record(place, channel, data, headers, event.decode(), meta, time_ms, ends_ms, fp)
    except ValueError:
        return None
    return msgspec.structs.replace(letter, record=record)

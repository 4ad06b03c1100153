"""Dead letters as values: who wants one, what one is known by, and what a replay remembers."""

from __future__ import annotations

import msgspec
import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.letter import (
    Letter,
    Lineage,
    Poison,
    Source,
    describe,
    is_poison_id,
    lineage_of,
    replay_meta,
    wants_letter,
)
from fast_sse.model.message import ERASED, Record

CART = Channel("carid000001", "cart_changed")


def record(channel: Channel = CART, *, event: str = "", meta: bytes = b"") -> Record:
    """One message of the log."""
    return Record(1, channel, b"1", b"{}", event, meta, 1_000)


def letter(**changed: object) -> Letter:
    """A letter of the first message."""
    first = Letter(
        id="s1.abc.1",
        position=1,
        channel=CART,
        reason="no_subscriber",
        description="",
        published_ms=1_000,
        dead_ms=31_000,
        first_ms=1_000,
        attempts=1,
        original="s1.abc.1",
        maybe_delivered=False,
        node="a",
        size_bytes=3,
    )
    return msgspec.structs.replace(first, **changed)


def poison(*, place: str = "1-0", raw: bytes = b"{") -> Poison:
    """An entry of a queue that is no message."""
    return Poison(source=Source("redis_stream", "sse:events", place), raw=raw, description="not JSON")


@pytest.mark.parametrize("channel", [Channel("*", "t"), Channel("a", "*"), Channel("*", "*")])
def test_a_broadcast_wants_no_letter(channel: Channel) -> None:
    """It addresses whoever is there; its publisher may opt in."""
    assert not wants_letter(record(channel))
    assert wants_letter(record(channel, meta=b'{"dead_letter":true}'))


def test_a_message_wants_a_letter() -> None:
    """Unless its publisher says no, or its type is one that nobody misses; what the publisher says wins."""
    assert wants_letter(record())
    assert wants_letter(record(meta=b'{"user":{"dead_letter":false}}'))
    assert not wants_letter(record(meta=b'{"dead_letter":false}'))
    assert not wants_letter(record(), frozenset({"cart_changed"}))
    assert wants_letter(record(meta=b'{"dead_letter":true}'), frozenset({"cart_changed"}))


def test_a_control_record_wants_no_letter() -> None:
    """It speaks to nodes, whatever its meta says."""
    assert not wants_letter(record(event=ERASED, meta=b'{"dead_letter":true}'))


def test_poison_is_known_by_place_and_content() -> None:
    """Seen again it is the same letter; other bytes at a place that was given again are another."""
    assert poison().id == poison().id
    assert len({poison().id, poison(place="2-0").id, poison(raw=b"}").id}) == 3
    assert is_poison_id(poison().id)
    assert len(poison().id) == 28


def test_no_message_is_taken_for_poison() -> None:
    """Ids of messages begin with a store's letter and a digit."""
    assert not is_poison_id("s1.abc.1")


def test_a_replay_remembers_the_first() -> None:
    """Attempts count up; id and time of the first one stay, however often it is replayed."""
    meta = msgspec.json.encode({"replay": replay_meta(letter())})
    second = lineage_of(record(meta=meta))
    assert second == Lineage(2, "s1.abc.1", 1_000)
    again = letter(
        id="s1.abc.7", attempts=second.attempts, original=second.original, first_ms=second.first_ms
    )
    third = lineage_of(record(meta=msgspec.json.encode({"replay": replay_meta(again)})))
    assert third == Lineage(3, "s1.abc.1", 1_000)


def test_a_first_publish_has_no_lineage() -> None:
    """A publisher's own `user` or data say nothing of replays."""
    assert lineage_of(record()) == Lineage()
    assert lineage_of(record(meta=b'{"user":{"replay":1}}')) == Lineage()


def test_a_reason_has_a_sentence() -> None:
    """The grace is named with its unit."""
    assert describe("no_subscriber", 30.0) == "nobody was handed it within 30 s"
    assert "time to live" in describe("expired", 30.0)

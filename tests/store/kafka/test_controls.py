"""What dead letters say in the topic is read back as it was said, and what was not meant so says nothing."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.channel import Channel
from fast_sse.model.letter import Poison, Source
from fast_sse.model.message import BEGIN, CONTROL_EVENTS, DROP, POISON, TURN, Draft, is_record
from fast_sse.store.kafka.controls import (
    Begins,
    Dropped,
    ShortPoison,
    Told,
    begin_entry,
    drop_entry,
    erase_entry,
    poison_entry,
    said_by,
    turn_entry,
)
from fast_sse.store.kafka.entry import decode, encode
from fast_sse.store.letters import Ack, Due, Handed, Turn

EPOCH = "e" * 13
POSITIONS = st.integers(0, (1 << 63) - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TURNS = st.builds(
    Turn,
    node=TEXTS,
    start=TEXTS,
    number=st.integers(0, 1 << 40),
    every_ms=st.integers(0, 10_000),
    grace_s=st.floats(0, 3600),
    through=POSITIONS,
    decided=st.none() | POSITIONS,
    seen=TEXTS,
    decides=st.booleans(),
    handed=st.lists(st.builds(Handed, POSITIONS, st.integers(0, 1000)), max_size=5),
    due=st.lists(st.builds(Due, POSITIONS, TEXTS), max_size=5),
    late=st.lists(TEXTS, max_size=5),
    acks=st.lists(st.builds(Ack, POSITIONS, TEXTS), max_size=5),
    goodbye=st.booleans(),
)


def through_the_topic(draft: Draft) -> Draft:
    entry = decode(encode(draft, 1))
    assert entry is not None
    assert not is_record(entry.draft.event)
    return entry.draft


@given(TURNS)
def test_a_turn_is_read_back_as_it_was_told(turn: Turn) -> None:
    """All of it, in whatever order what was handed over stands, under the epoch that its node knows."""
    said = said_by(through_the_topic(turn_entry(EPOCH, turn)))
    assert isinstance(said, Told)
    assert (said.epoch, said.turn()) == (EPOCH, turn)


def test_a_record_that_was_handed_over_takes_four_bytes() -> None:
    """Beside the turn itself, where a node handed over all of the log to a few sockets."""
    turn = Turn(node="a", start="1", number=1, every_ms=1000, grace_s=30, through=0, decided=0, seen="")
    many = msgspec.structs.replace(turn, handed=[Handed(1_000_000 + number, 3) for number in range(1000)])
    assert len(turn_entry(EPOCH, many).data) - len(turn_entry(EPOCH, turn).data) < 4_100


def test_the_others_are_read_back_as_they_were_said() -> None:
    """A process that begins, letters that go by id and by channel."""
    begins = said_by(through_the_topic(begin_entry(EPOCH, "a", "1", first=True)))
    assert begins == Begins(1, EPOCH, "a", "1", first=True)
    assert said_by(through_the_topic(drop_entry(["x", "y"]))) == Dropped(1, ["x", "y"])
    erased = through_the_topic(erase_entry(Channel("c", "t")))
    assert (erased.channel, said_by(erased)) == (Channel("c", "t"), Dropped(1, None))


def test_poison_is_read_back_as_the_same_letter() -> None:
    """The same id, size and hash, whatever part of its bytes went into the topic."""
    raw = bytes(range(256)) * 10
    found = Poison(
        source=Source("redis_stream", "q", "1-0"),
        raw=raw,
        description="d",
        channel=Channel("c", "t"),
        node="a",
    )
    said = said_by(through_the_topic(poison_entry(found, 100)))
    assert isinstance(said, ShortPoison)
    assert (said.id, said.size_bytes, said.sha256) == (found.id, 2560, hashlib.sha256(raw).hexdigest())
    assert (said.raw, said.source, said.channel, said.node) == (raw[:100], found.source, found.channel, "a")


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("fast-sse.future", b"[1]"),
        (BEGIN, b'[2,"e","a","1",true]'),
        (BEGIN, b'[1,"e","a"]'),
        (TURN, b"{}"),
        (TURN, b""),
        (TURN, b'[1,"e","a","1",1,1000,30,true,-1,0,"",[],[],[],[],[],false]'),
        (TURN, b'[1,"e","a","1",1,1000,30,true,9223372036854775808,0,"",[],[],[],[],[],false]'),
        (TURN, b'[1,"e","a","1",1,1000,1e300,true,0,0,"",[],[],[],[],[],false]'),
        (TURN, b'[1,"e","a\\ud800","1",1,1000,30,true,0,0,"",[],[],[],[],[],false]'),
        (TURN, b'[1,"e","a\xff","1",1,1000,30,true,0,0,"",[],[],[],[],[],false]'),
        (POISON, b'[1,"k","q","p","d","n","a/b","t",1,"x",""]'),
        (POISON, b'[1,"k","q","p","d","n",null,null,1,"x","no base64!"]'),
        (DROP, b"[1,[1]]"),
        (DROP, b"[1," + b"[" * 10_000),
    ],
)
def test_what_was_not_meant_so_says_nothing(event: str, data: bytes) -> None:
    """Another version, another form, numbers that SQLite cannot hold, text that is none: passed over, never an exception."""
    assert said_by(Draft(channel=Channel("*", "*"), data=data, headers=b"{}", event=event)) is None


@pytest.mark.parametrize(
    ("steps", "counts"), [([1], []), ([-1], [1]), ([5, -6], [1, 1]), ([1 << 62, 1 << 62], [1, 1])]
)
def test_positions_that_cannot_be_make_no_turn(steps: list[int], counts: list[int]) -> None:
    """Below 0, above 63 bits, or not as many as counts."""
    told = Told(1, EPOCH, "a", "1", 1, 1000, 30.0, True, 0, 0, "", steps, counts, [], [], [], False)
    assert told.turn() is None


def test_an_event_that_only_the_hub_writes_is_a_record_where_the_table_says_so() -> None:
    """Of control events the one that erases is; one of a later version is none. Every other event is."""
    assert {event for event in CONTROL_EVENTS if is_record(event)} == {"fast-sse.erased"}
    assert not is_record("fast-sse.future")
    assert is_record("")
    assert is_record("fast-sse")

"""Cursors: what we write we read back, and nothing a client sends can hurt."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.cursor import (
    CURSOR_BYTES_MAX,
    KINDS,
    NO_FINGERPRINT,
    Cursor,
    base32,
    choose_cursor,
    epoch_text,
    fingerprint_text,
    parse_cursor,
)
from fast_sse.settings import Settings
from fast_sse.store.base import Store
from fast_sse.store.kafka.store import KafkaStore
from fast_sse.store.memory.store import MemoryStore
from fast_sse.store.redis.store import RedisStore
from fast_sse.store.sqlite.store import SqliteStore

EPOCH = "k3v9x2qah5m2c"
OPAQUE = re.compile(r"[A-Za-z0-9._~-]{1,128}\Z")

counters = st.integers(0, 2**63 - 1)
halves = st.integers(0, 2**64 - 1)
epochs = st.integers(0, 2**64 - 1).map(epoch_text)
fingerprints = st.integers(0, 2**32 - 1).map(fingerprint_text)
cursors = st.one_of(
    st.builds(Cursor, st.sampled_from(["m1", "s1"]), epochs, counters),
    st.builds(Cursor, st.just("k1"), epochs, counters, fingerprints),
    st.builds(
        Cursor, st.just("r1"), epochs, st.builds(lambda ms, n: ms * 2**64 + n, halves, halves), fingerprints
    ),
)


@given(cursors)
def test_a_cursor_reads_back(cursor):
    """For all four stores: text and back is the same cursor, and the text needs no escaping anywhere."""
    assert parse_cursor(cursor.text) == cursor
    assert OPAQUE.match(cursor.text)
    assert len(cursor.text) <= CURSOR_BYTES_MAX


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        ("m1.k3v9x2qah5m2c.0", Cursor("m1", EPOCH, 0)),
        ("s1.k3v9x2qah5m2c.4711", Cursor("s1", EPOCH, 4711)),
        ("k1.k3v9x2qah5m2c.12-0123abv", Cursor("k1", EPOCH, 13, "0123abv")),
        (
            "r1.k3v9x2qah5m2c.1795000000000-3-0123abv",
            Cursor("r1", EPOCH, (1795000000000 << 64) + 3, "0123abv"),
        ),
        ("r1.k3v9x2qah5m2c.0-0-0000000", Cursor("r1", EPOCH, 0, NO_FINGERPRINT)),
        ("k1.k3v9x2qah5m2c.0-0000000", Cursor("k1", EPOCH, 1, NO_FINGERPRINT)),
        ("k1.k3v9x2qah5m2c.-1-0000000", Cursor("k1", EPOCH, 0, NO_FINGERPRINT)),
        ("s1.k3v9x2qah5m2c.9223372036854775807", Cursor("s1", EPOCH, 2**63 - 1)),
    ],
)
def test_the_published_forms(text, cursor):
    """The four forms as the protocol shows them."""
    assert parse_cursor(text) == cursor
    assert cursor.text == text


def test_each_store_has_one_row() -> None:
    """The table of kinds has a row for each store of the settings, and each store writes the cursors of its row."""
    named = get_args(Settings.model_fields["store"].annotation)
    assert sorted(kind.store for kind in KINDS.values()) == sorted(named)
    stores: dict[str, type[Store]] = {
        "memory": MemoryStore,
        "sqlite": SqliteStore,
        "redis": RedisStore,
        "kafka": KafkaStore,
    }
    assert {letters: kind.store for letters, kind in KINDS.items()} == {
        store.kind: name for name, store in stores.items()
    }


@given(cursors)
def test_a_plain_kind_is_written_without_its_row(cursor):
    """Frames write the ids of a plain kind as a fixed head and the position, and ask nobody."""
    head_and_position = f"{cursor.kind}.{cursor.epoch}.{cursor.position}"
    assert (cursor.text == head_and_position) == KINDS[cursor.kind].plain


NO_CURSORS = ["", "0", "4711", "earliest", "s1", "s1.", "\0", "\ud800", "é" * 40]
BAD_HEADS = ["s2.{}.1", "x1.{}.1", "S1.{}.1", "s1.{}c.1", "s1.{}.", "s1.{}", "s1..1", "s1.K3V9X2QAH5M2C.1"]
BAD_NUMBERS = [
    "s1.{}.-1",
    "s1.{}.+1",
    "s1.{}.1_0",
    "s1.{}. 1",
    "s1.{}.1 ",
    "s1.{}.1\n",
    "s1.{}.\u0661",
    "s1.{}.\u00b2",
]
BAD_PLACES = [
    "s1.{}.1.2",
    "s1.{}.1-0123abv",
    "m1.{}.1-2",
    "r1.{}.1-0123abv",
    "r1.{}.1-2",
    "r1.{}.1-2-3-0123abv",
]
BAD_FINGERPRINTS = [
    "k1.{}.1",
    "k1.{}.1-",
    "k1.{}.1-0123abw",
    "k1.{}.1-0123ab",
    "k1.{}.1-2-0123abv",
    "k1.{}.1-0123ABV",
    "k1.{}.1-0123abvv",
]


@pytest.mark.parametrize("text", NO_CURSORS + BAD_HEADS + BAD_NUMBERS + BAD_PLACES + BAD_FINGERPRINTS)
def test_garbage_is_no_cursor(text):
    """What is not exactly a cursor of ours is None: an `unreadable` gap, never an error."""
    assert parse_cursor(text.format(EPOCH)) is None


def test_numbers_are_bounded():
    """Above what a backend counts with, above 20 digits, and at 5,000 digits (where int() raises): no cursor."""
    for digits in ("9223372036854775808", "9" * 20, "9" * 21, "0" * 20 + "1", "1" * 5000):
        assert parse_cursor(f"m1.{EPOCH}.{digits}") is None
        assert parse_cursor(f"s1.{EPOCH}.{digits}") is None
        assert parse_cursor(f"k1.{EPOCH}.{digits}-0123abv") is None
    top = 2**64 - 1
    assert parse_cursor(f"r1.{EPOCH}.{top}-{top}-0123abv") == Cursor("r1", EPOCH, 2**128 - 1, "0123abv")
    assert parse_cursor(f"r1.{EPOCH}.{top + 1}-0-0123abv") is None
    assert parse_cursor(f"r1.{EPOCH}.0-{top + 1}-0123abv") is None


@given(
    st.one_of(
        st.text(max_size=150),
        st.text("msrk1.-0123456789abcv", max_size=60),
        st.from_regex(r"[msrk]1\.[0-9a-z]{13}\.[0-9a-v-]{0,50}"),
    )
)
def test_any_text_is_a_cursor_or_none(text):
    """Parsing never raises, and what it reads it writes as something it reads the same."""
    cursor = parse_cursor(text)
    if cursor is not None:
        assert parse_cursor(cursor.text) == cursor


@given(halves, halves, halves, halves)
def test_redis_positions_order_as_redis_does(ms, n, other_ms, other_n):
    """A position compares as (ms, n) does, so one integer is enough."""
    one = parse_cursor(f"r1.{EPOCH}.{ms}-{n}-0123abv")
    other = parse_cursor(f"r1.{EPOCH}.{other_ms}-{other_n}-0123abv")
    assert one is not None
    assert other is not None
    assert (one.position < other.position) == ((ms, n) < (other_ms, other_n))


def test_at_keeps_the_log():
    """`at` moves within the same log; a fingerprint belongs to its place and is not taken along."""
    assert Cursor("k1", EPOCH, 1, "0123abv").at(2) == Cursor("k1", EPOCH, 2)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_base32_keeps_order_and_all_bits(one, other):
    """Equal length, all bits kept, and text compares as numbers do."""
    assert int(epoch_text(one), 32) == one
    assert (epoch_text(one) < epoch_text(other)) == (one < other)
    assert len(epoch_text(one)) == 13
    assert len(fingerprint_text(one)) == 7
    assert int(fingerprint_text(one), 32) == one % 2**32
    assert base32(31, 2) == "0v"


def test_of_several_cursors_the_last_of_the_log_counts() -> None:
    """Else the last that can be read, else none; white space around them means nothing."""
    log = Cursor("s1", "a" * 13, 0)
    first, newest, foreign = log.at(1).text, log.at(9).text, Cursor("s1", "b" * 13, 5).text
    assert choose_cursor(newest, log) == log.at(9)
    assert choose_cursor(f"{first}, {newest},{foreign}", log) == log.at(9)
    assert choose_cursor(f"nonsense,{foreign}", log) == Cursor("s1", "b" * 13, 5)
    assert choose_cursor("nonsense,,", log) is None

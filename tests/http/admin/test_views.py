"""Rules of `http.admin.views`: a head holds nothing that was published; the whole holds it byte for byte."""

from __future__ import annotations

import base64

import msgspec
from tests.hub.letter_box import letter_of
from tests.hub.test_replays import record

from fast_sse.http.admin.views import bytes_of, head_json, message_json, whole_json
from fast_sse.model.letter import Source

LETTER = letter_of(record(), "s1.a.7")
HEAD = msgspec.structs.replace(LETTER, record=None)


def test_a_head_is_the_same_with_and_without_the_message() -> None:
    """Whatever the store gives for a list."""
    assert head_json(LETTER) == head_json(HEAD)
    assert not head_json(LETTER).keys() & {"headers", "data", "user", "raw"}


def test_numbers_keep_their_digits() -> None:
    """In the data, and in what operators see."""
    text = msgspec.json.encode(whole_json(LETTER))
    assert b'"data":{"price":299.990}' in text
    assert b'"user":{"id":12345678901234567890123}' in text
    assert b'"event_name":"Updated"' in text


def test_a_message_without_more_has_null() -> None:
    """Fields are always there."""
    bare = msgspec.structs.replace(LETTER, record=record(meta=b"", event=""))
    whole = msgspec.json.decode(msgspec.json.encode(whole_json(bare)))
    assert (whole["event_name"], whole["user"], whole["event"]) == (None, None, None)


def test_poison_has_bytes_in_place_of_a_message() -> None:
    """As much as was kept, how much there was, its hash, and where it came from."""
    poison = msgspec.structs.replace(
        HEAD,
        raw=b"\0\xff",
        size_bytes=9,
        sha256="ab",
        source=Source("kafka_topic", "t", "1-2-3"),
        channel=None,
    )
    whole = whole_json(poison)
    assert (whole["raw_bytes"], whole["sha256"], base64.b64decode(whole["raw"])) == (9, "ab", b"\0\xff")
    assert whole["source"] == {"kind": "kafka_topic", "queue": "t", "place": "1-2-3"}
    assert not whole.keys() & {"data", "headers", "user"}
    assert bytes_of(poison) == b"\0\xff"
    assert bytes_of(LETTER) == b'{"price":299.990}'


def test_text_is_cut_between_characters() -> None:
    """A page must not show half of one; how long the whole is stays known."""
    shown = message_json(msgspec.structs.replace(record(), data='"éé"'.encode()), "s1.a.7", 4)
    assert (shown["data_text"], shown["data_bytes"], shown["truncated"]) == ('"é', 6, True)
    shown = message_json(msgspec.structs.replace(record(), data=b"1234"), "s1.a.7", 4)
    assert (shown["data_text"], shown["truncated"]) == ("1234", False)

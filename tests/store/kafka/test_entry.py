"""Entries of the topic, and whatever else may be found there."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import fingerprint_text
from fast_sse.model.message import Draft, Key, erasure
from fast_sse.store.kafka.entry import decode, encode, fingerprint_of, key_of

_segments = st.text(st.sampled_from("aé*-_~:"), min_size=1, max_size=8)
_drafts = st.builds(
    Draft,
    channel=st.builds(Channel, _segments, _segments),
    data=st.sampled_from([b"1", b'{"a":"\xe2\x80\xa8"}', b"x" * 5000]),
    headers=st.sampled_from([b"{}", b'{"send_time":"x"}']),
    event=st.sampled_from(["", "price", "é"]),
    meta=st.binary(max_size=20),
    ttl_ms=st.integers(0, 10**12),
    keys=st.lists(st.builds(Key, st.binary(min_size=32, max_size=32), st.integers(0, 10**9)), max_size=3).map(
        tuple
    ),
    body_sha256=st.binary(max_size=32),
)
_tokens = st.integers(0, 2**64 - 1)


@given(_drafts, _tokens)
def test_an_entry_is_read_as_it_was_written(draft: Draft, token: int) -> None:
    """What one node writes, every node reads, field by field."""
    assert decode(encode(draft, token)) == (token, draft)


@given(_tokens)
def test_the_fingerprint_is_half_of_the_token(token: int) -> None:
    """32 of the 64 random bits go into ids."""
    assert fingerprint_of(token) == fingerprint_text(token // 2**32)


def test_a_control_record_is_an_entry() -> None:
    """An erasure travels as every other message does, under an event that nobody can publish."""
    draft = erasure(Channel("a", "t"))
    assert decode(encode(draft, 1)) == (1, draft)


def test_the_key_is_the_channel() -> None:
    """People who look at the topic see which channel an entry is of."""
    assert key_of(Channel("cär", "t")) == "cär/t".encode()


@given(st.one_of(st.none(), st.binary(max_size=200)))
def test_foreign_bytes_are_poison(value: bytes | None) -> None:
    """Whatever bytes others put into the topic, reading them is None and never an exception."""
    assert decode(value) is None


def _fields(**changed: object) -> bytes:
    fields: dict[str, object] = {
        "version": 1,
        "token": 7,
        "event_id": "a",
        "event_type": "t",
        "data": b"1",
        "headers": b"{}",
        "event": "",
        "meta": b"",
        "ttl_ms": 0,
        "keys": [],
        "sha": b"",
    }
    return msgspec.msgpack.encode(list((fields | changed).values()))


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"token": -1},
        {"event_id": ""},
        {"event_id": "a/b"},
        {"event_type": "a\nb"},
        {"data": b"1\ndata: forged"},
        {"data": b"1\rid: forged"},
        {"headers": b"[]"},
        {"headers": b"{\n}"},
        {"event": "error"},
        {"event": "a\nb"},
        {"ttl_ms": -1},
        {"keys": [["text", 1]]},
        {"sha": "text"},
    ],
    ids=str,
)
def test_a_value_that_could_break_a_stream_is_poison(changed: dict[str, object]) -> None:
    """Another version, a channel that cannot be, a line break that would forge a frame (CWE-93): none is an entry."""
    assert decode(_fields()) is not None
    assert decode(_fields(**changed)) is None

"""Rules of `hub.replays`: what is published again, and how it is marked."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.hub.letter_box import CART, FORBIDDEN, WEEK_S, check, letter_of

from fast_sse.hub.replays import ReplayDrafts
from fast_sse.ingest.poison import reread
from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError, ForbiddenError
from fast_sse.model.letter import Letter, lineage_of
from fast_sse.model.limits import Limits
from fast_sse.model.message import Record

DRAFTS = ReplayDrafts(check, lambda letter: reread(letter, Limits()), WEEK_S, lambda: 0.0)


def record(**more: object) -> Record:
    """A message of the log."""
    fields: dict[str, object] = {
        "position": 7,
        "channel": CART,
        "data": b'{"price":299.990}',
        "headers": b'{"X-Trace":"1","send_time":"2026-01-01 00:00:00.000"}',
        "event": "cart",
        "meta": b'{"event_name":"Updated","user":{"id":12345678901234567890123},"dead_letter":true}',
        "time_ms": 1000,
        "expires_ms": 2000,
    }
    return Record(**{**fields, **more})  # type: ignore[arg-type]


def test_a_message_is_published_as_it_was() -> None:
    """Data byte for byte, event, headers with the old send_time, and what operators see; but no time to live."""
    was = record()
    draft = DRAFTS.draft(letter_of(was, "s1.a.7"))
    assert (draft.channel, draft.data, draft.event, draft.ttl_ms) == (CART, was.data, "cart", 0)
    assert json.loads(draft.headers) == {**json.loads(was.headers), "fast-sse-replay-of": "s1.a.7"}
    meta = json.loads(draft.meta)
    assert meta.pop("replay") == {"of": "s1.a.7", "original": "s1.a.7", "first_ms": 1000, "attempts": 2}
    assert meta == json.loads(was.meta)


def test_the_replay_of_a_replay_names_the_last_letter_and_the_first_message() -> None:
    """One header, of the letter that was replayed; the lineage goes on."""
    draft = DRAFTS.draft(letter_of(record(), "s1.a.7"))
    again = record(headers=draft.headers, meta=draft.meta, time_ms=9000)
    draft = DRAFTS.draft(letter_of(again, "s1.a.8"))
    assert draft.headers.count(b"fast-sse-replay-of") == 1
    assert json.loads(draft.headers)["fast-sse-replay-of"] == "s1.a.8"
    lineage = lineage_of(record(meta=draft.meta))
    assert (lineage.attempts, lineage.original, lineage.first_ms) == (3, "s1.a.7", 1000)


def test_the_key_is_that_of_the_letter_and_the_channel_and_outlives_the_letter() -> None:
    """One key a letter and channel, for a day more than a letter is kept; what is compared with it never changes."""
    one, other = letter_of(record(), "s1.a.7"), letter_of(record(), "s1.a.8")
    (key,) = DRAFTS.draft(one).keys
    assert key.window_ms == (7 + 1) * 86_400_000
    assert DRAFTS.draft(one).keys == (key,)
    assert DRAFTS.draft(one).body_sha256 == DRAFTS.draft(one, Channel("a", "t")).body_sha256
    assert key not in (*DRAFTS.draft(other).keys, *DRAFTS.draft(one, Channel("a", "t")).keys)


def test_allow_lists_hold_for_the_channel_that_it_goes_to() -> None:
    """Not for the one that it came from."""
    letter = letter_of(record(channel=FORBIDDEN), "s1.a.7")
    with pytest.raises(ForbiddenError):
        DRAFTS.draft(letter)
    assert DRAFTS.draft(letter, CART).channel == CART


def poison(raw: bytes, channel: Channel | None = None) -> Letter:
    """A letter of bytes that were no message when they came."""
    whole = letter_of(record(), "p-" + "a" * 26, "poison")
    return msgspec.structs.replace(whole, record=None, raw=raw, channel=channel, size_bytes=len(raw))


def test_poison_is_read_again() -> None:
    """It is a message now, of this moment, with the same marks as every replay."""
    draft = DRAFTS.draft(poison(b'{"event_id":"a","event_type":"t","data":1,"ttl_s":5,"headers":{"b":"c"}}'))
    headers = json.loads(draft.headers)
    assert (draft.channel, draft.data, headers["b"]) == (Channel("a", "t"), b"1", "c")
    assert headers["fast-sse-replay-of"] == "p-" + "a" * 26
    assert len(headers["send_time"]) == len("2026-01-01 00:00:00.000")
    assert draft.ttl_ms == 0
    assert json.loads(draft.meta)["replay"]["attempts"] == 2


def test_poison_that_still_is_no_message_is_refused() -> None:
    """400, with the reason."""
    with pytest.raises(BadRequestError):
        DRAFTS.draft(poison(b"\x00<img onerror=alert(1)>", CART))

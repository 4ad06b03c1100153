"""Rules of `ingest.poison`: what a letter of poison says, and what is read out of it again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.conftest import FailingStore, package
from tests.ingest.test_package import LIMITS, ORIGINAL, allow_all

from fast_sse.ingest.package import Packages, QueueEntry, without_schema
from fast_sse.ingest.poison import Quarantine, imported, named, reread
from fast_sse.model.channel import Channel
from fast_sse.model.errors import (
    BadRequestError,
    ClientFaultError,
    TooLargeError,
)
from fast_sse.model.letter import RAW_BYTES_MAX, Letter, Source
from fast_sse.model.limits import Limits

CAR = Channel("car0", "sold")


async def kept(store: FailingStore, raw: bytes, error: str = "data is missing", **beside: Any) -> Letter:
    """The letter of an entry."""
    quarantine = Quarantine(store.letters, "redis_stream", "q", "n1")
    await quarantine.keep(QueueEntry("1-0", raw, **beside), BadRequestError(error))
    (letter,) = await store.poison()
    return letter


async def test_a_letter_says_what_and_whence_and_why(store: FailingStore) -> None:
    """The bytes as they were, the queue and the place, the reason in words, and the node."""
    letter = await kept(store, b"\xff\0", "no\udcff")
    assert (letter.raw, letter.reason, letter.node) == (b"\xff\0", "poison", "n1")
    assert letter.source == Source("redis_stream", "q", "1-0")
    assert letter.description == "no?"


@pytest.mark.parametrize(
    ("raw", "beside", "channel"),
    [
        (package(...), {}, CAR),
        (b"\xef\xbb\xbf" + package(...), {}, CAR),
        (b"\0\0\0\0\7" + package(...), {}, CAR),
        (package(..., event_id=...), {"event_id": b"car1"}, Channel("car1", "sold")),
        (package(1), {"event_id": b"car1"}, Channel("car1", "sold")),
        (b"{", {"event_id": b"a", "event_type": b"t"}, Channel("a", "t")),
        (b"{", {"event_id": b"a"}, None),
        (package(..., event_type=...), {"event_id": b"a"}, None),
        (package(..., event_id=7), {}, None),
        (package(..., event_id="a/b"), {}, None),
        (package(1, event_id=...), {"event_id": b"\xff"}, None),
        (b"[" * 100_000, {"event_id": b"a"}, None),
        (package("x" * RAW_BYTES_MAX), {}, None),
        (package("x" * RAW_BYTES_MAX), {"event_id": b"a", "event_type": b"t"}, Channel("a", "t")),
    ],
)
async def test_a_letter_names_its_channel_where_it_can_be_read(
    store: FailingStore, raw: bytes, beside: dict[str, Any], channel: Channel | None
) -> None:
    """What stands beside the package before what stands in it; of what is kept in part, only what stands beside it."""
    assert (await kept(store, raw, **beside)).channel == channel


async def test_what_stands_beside_is_not_lost(store: FailingStore) -> None:
    """Where no channel can be made of it, the sentence for people has it, whatever bytes it is."""
    letter = await kept(store, b"{", event_id=b"car\xff\n", event_type=b"t")
    assert letter.description == (
        r"data is missing; beside it stands event_id 'car\\xff\n'; beside it stands event_type 't'"
    )


SEGMENTS = st.none() | st.sampled_from(["car0", "car1"])
PACKAGES = st.builds(
    package,
    st.sampled_from([1, ...]),
    event_id=st.sampled_from(["car0", "car1", "a/b", 7, ...]),
    event_type=st.sampled_from(["sold", "", ...]),
    idempotency_key=st.sampled_from(["", "k", ...]),
)


@given(raw=st.binary(max_size=40) | PACKAGES, event_id=SEGMENTS, event_type=SEGMENTS)
def test_what_is_poison_by_the_same_rules_stays_poison(
    raw: bytes, event_id: str | None, event_type: str | None
) -> None:
    """Whatever it is, and whatever its queue says beside it: the letter knows enough to say the same."""
    packages = Packages("hub:q", LIMITS, lambda: 0.0, allow_all, without_schema)
    first, second = [None if text is None else text.encode() for text in (event_id, event_type)]
    letter = poison(raw, named(raw, first, second))
    try:
        draft = packages.draft(QueueEntry("1-0", raw, first, second))
    except ClientFaultError:
        with pytest.raises(ClientFaultError):
            reread(letter, LIMITS)
    else:
        assert reread(letter, LIMITS)[0] == draft.channel


def poison(raw: bytes, channel: Channel | None = None, size_bytes: int | None = None) -> Letter:
    """What was kept of an entry that could not become a message."""
    return Letter(
        id="p-" + "a" * 26,
        position=7,
        channel=channel,
        reason="poison",
        description="",
        published_ms=0,
        dead_ms=0,
        first_ms=0,
        attempts=1,
        original="p-" + "a" * 26,
        maybe_delivered=False,
        node="n1",
        size_bytes=len(raw) if size_bytes is None else size_bytes,
        raw=raw,
    )


def test_poison_is_read_again_by_the_limits_of_today() -> None:
    """What was too large once may be a message now; its channel is its own, or what the queue said beside it."""
    raw = json.dumps(ORIGINAL).encode()
    with pytest.raises(TooLargeError):
        reread(poison(raw), Limits(body_bytes_max=10))
    target, body = reread(poison(b"\0\0\0\0\7" + raw), LIMITS)
    assert (target, json.loads(bytes(body.data))) == (
        Channel("carid000001", "cart_changed"),
        ORIGINAL["data"],
    )
    assert reread(poison(b'{"data":1}', Channel("a", "t")), LIMITS)[0] == Channel("a", "t")


@pytest.mark.parametrize(
    "letter",
    [
        poison(b'{"data":1}'),
        poison(b"\xff"),
        poison(b'{"data":1', Channel("a", "t")),
    ],
)
def test_what_still_is_no_message_says_why(letter: Letter) -> None:
    """It is the caller's error, never a defect."""
    with pytest.raises(ClientFaultError):
        reread(letter, LIMITS)


def test_poison_of_which_only_the_beginning_was_kept_is_no_message() -> None:
    """Not even when the beginning happens to be one: it would be another message."""
    with pytest.raises(BadRequestError, match="beginning"):
        reread(poison(b'{"data":1}', Channel("a", "t"), size_bytes=11), LIMITS)


SOURCE = Source("redis_stream", "old:dead_letter", "1-0")


def test_an_imported_message_died_elsewhere() -> None:
    """What is a message by the package's form was undelivered there: its reason is that, and its channel its own."""
    raw = json.dumps(ORIGINAL).encode()
    letter = imported(SOURCE, raw, LIMITS, "n1")
    assert (letter.reason, letter.channel) == ("no_subscriber", Channel("carid000001", "cart_changed"))
    assert (letter.raw, letter.source, letter.node) == (raw, SOURCE, "n1")


@pytest.mark.parametrize(
    ("raw", "channel"),
    [
        (b"\xff", None),
        (package(...), CAR),
        (package(1, event_type=...), None),
        (package(1, idempotency_key=""), CAR),
    ],
)
def test_what_is_imported_and_no_message_is_poison(raw: bytes, channel: Channel | None) -> None:
    """With what is wrong with it, and its channel where that can be read."""
    letter = imported(SOURCE, raw, LIMITS, "n1")
    assert (letter.reason, letter.channel, letter.raw) == ("poison", channel, raw)
    assert letter.description

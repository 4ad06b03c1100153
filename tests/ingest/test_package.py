"""Rules of `ingest.package`: the original's JSON package, and everything that only looks like one."""

from __future__ import annotations

import base64
import gzip
import json
import random
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.conftest import package

from fast_sse.ingest.package import Packages, QueueEntry, without_schema
from fast_sse.model.channel import Channel
from fast_sse.model.errors import (
    BadChannelError,
    BadRequestError,
    ClientFaultError,
    ForbiddenError,
    TooLargeError,
)
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft

LIMITS = Limits()
ORIGINAL = {
    "event_id": "carid000001",
    "event_type": "cart_changed",
    "event_name": "CartItemUpdated",
    "user": {"from_user": "system-inventory", "to_user": "user-session-abc123"},
    "data": {"car_id": "carid000001", "items": [{"sku": "SKU-45678", "price": 299.990}]},
    "headers": {"X-Trace-ID": "trace-abc-def"},
    "send_direct": False,
}


COMPRESSED = {"message_compressed": "true"}


def zipped(data: bytes) -> str:
    """As a producer compresses it."""
    return base64.b64encode(gzip.compress(data)).decode()


def allow_all(_channel: Channel) -> None:
    """No allow-list."""


def drafted(raw: bytes, **more: Any) -> Draft:
    """The draft of an entry."""
    return Packages("hub:q", LIMITS, lambda: 0.0, allow_all).draft(QueueEntry("1-0", raw, **more))


def test_the_original_package_becomes_a_message() -> None:
    """Channel, data, headers and what operators see are those of the package; what it says of delivery is ignored."""
    draft = drafted(json.dumps(ORIGINAL).encode(), event_id=b"carid000001")
    assert draft.channel == Channel("carid000001", "cart_changed")
    assert json.loads(draft.data) == ORIGINAL["data"]
    headers = json.loads(draft.headers)
    assert headers.pop("send_time")
    assert headers == ORIGINAL["headers"]
    assert json.loads(draft.meta) == {"event_name": "CartItemUpdated", "user": ORIGINAL["user"]}


def test_data_keeps_its_bytes() -> None:
    """Numbers reach the subscriber with the digits they were written with."""
    raw = b'{"event_id":"a","event_type":"b","data":[1.10, 1e400, 123456789012345678901234567890]}'
    assert drafted(raw).data == b"[1.10, 1e400, 123456789012345678901234567890]"


def test_a_byte_order_mark_is_passed_over() -> None:
    """Before a package it is none of it."""
    assert drafted(b"\xef\xbb\xbf" + package(1)).data == b"1"


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_schema_is_no_part_of_a_message(schema: int, bom: bool) -> None:
    """Whatever its number, a record with a schema registry's five bytes is the same entry as one without them."""
    packages = Packages("hub:q", LIMITS, lambda: 0.0, allow_all, without_schema)
    inner = b"\xef\xbb\xbf" * bom + package(1, idempotency_key="k")
    wrapped = packages.draft(QueueEntry("1-0", b"\0" + schema.to_bytes(4, "big") + inner))
    assert wrapped == packages.draft(QueueEntry("1-0", inner))
    assert wrapped.data == b"1"
    with pytest.raises(BadRequestError):
        drafted(b"\0" + schema.to_bytes(4, "big") + inner)


def test_the_queue_may_name_the_channel() -> None:
    """What stands beside the package takes the place of what it does not say."""
    draft = drafted(b'{"data": 0}', event_id="é".encode(), event_type=b"t")
    assert draft.channel == Channel("é", "t")


def test_data_that_its_producer_compressed_is_passed_on() -> None:
    """It is checked, and reaches the subscriber as it is."""
    text = zipped(random.Random(1).randbytes(200_000))
    assert json.loads(drafted(package(text, headers=COMPRESSED)).data) == text


def test_only_what_may_inflate_is_dear() -> None:
    """A package of some size that says it is compressed; all others are read at once."""
    packages = Packages("hub:q", LIMITS, lambda: 0.0, allow_all)
    text = zipped(random.Random(1).randbytes(2000))
    assert packages.dear(QueueEntry("1-0", package(text, headers=COMPRESSED)))
    assert not packages.dear(QueueEntry("1-0", package(text)))
    assert not packages.dear(QueueEntry("1-0", package(zipped(b"1"), headers=COMPRESSED)))


BAD = {
    "empty": (b"", BadRequestError),
    "not JSON": (b"hello", BadRequestError),
    "cut off": (package(1)[:-3], BadRequestError),
    "more than one": (package(1) + package(2), BadRequestError),
    "an array": (b"[1]", BadRequestError),
    "null": (b"null", BadRequestError),
    "data is missing": (package(...), BadRequestError),
    "no event_id": (package(1, event_id=...), BadRequestError),
    "no event_type": (package(1, event_type=...), BadRequestError),
    "event_id is a number": (package(1, event_id=7), BadRequestError),
    "event_id is empty": (package(1, event_id=""), BadChannelError),
    "event_id is too long": (package(1, event_id="x" * 257), BadChannelError),
    "a slash in the channel": (package(1, event_type="a/b"), BadChannelError),
    "a control character in the channel": (package(1, event_type="a\nb"), BadChannelError),
    "a dot segment": (package(1, event_id=".."), BadChannelError),
    "binary": (bytes(range(256)), BadRequestError),
    "UTF-16": (package(1).decode().encode("utf-16"), BadRequestError),
    "invalid UTF-8 inside a string": (package("A").replace(b"A", b"\xff"), BadRequestError),
    "a lone surrogate": (package("A").replace(b"A", rb"\ud800"), BadRequestError),
    "NaN": (package(float("nan")), BadRequestError),
    "infinity": (package(float("inf")), BadRequestError),
    "headers of numbers": (package(1, headers={"a": 1}), BadRequestError),
    "too many headers": (package(1, headers={str(n): "" for n in range(65)}), BadRequestError),
    "a reserved event": (package(1, event="fast-sse.gap"), BadRequestError),
    "an event with a line break": (package(1, event="a\nb"), BadRequestError),
    "a time to live below zero": (package(1, ttl_s=-1), BadRequestError),
    "a key that is too long": (package(1, idempotency_key="k" * 257), BadRequestError),
    "too deep": (package("D").replace(b'"D"', b"[" * 65 + b"]" * 65), BadRequestError),
    "far too deep": (package("D").replace(b'"D"', b"[" * 100_000 + b"]" * 100_000), BadRequestError),
    "user too deep": (package(1, user="D").replace(b'"D"', b"[" * 65 + b"]" * 65), BadRequestError),
    "too large": (package("x" * LIMITS.body_bytes_max), TooLargeError),
    "compressed data that is none": (package("plain", headers=COMPRESSED), BadRequestError),
    "a bomb": (package(zipped(bytes(1 << 20)), headers=COMPRESSED), TooLargeError),
}


@pytest.mark.parametrize(("raw", "kind"), BAD.values(), ids=BAD)
def test_what_cannot_become_a_message_says_why(raw: bytes, kind: type[ClientFaultError]) -> None:
    """Each is refused as it would be over HTTP, in one sentence that a log may hold."""
    with pytest.raises(kind) as refused:
        drafted(raw)
    assert refused.value.message
    assert len(refused.value.message) < 200


@pytest.mark.parametrize(
    ("beside", "kind"),
    [
        ({"event_id": b"car1"}, BadRequestError),
        ({"event_type": b"seen"}, BadRequestError),
        ({"event_id": b"\xff"}, BadChannelError),
        ({"event_id": b""}, BadRequestError),
    ],
)
def test_package_and_queue_agree(beside: dict[str, bytes], kind: type[ClientFaultError]) -> None:
    """A channel that the queue gives differently from the package is no channel."""
    with pytest.raises(kind):
        drafted(package(1), **beside)


def test_an_entry_that_could_not_be_read_says_so() -> None:
    """The flaw that its reader found is the reason."""
    with pytest.raises(BadRequestError, match="two fields"):
        drafted(package(1), flaw="two fields")


def test_allow_lists_hold_for_queues() -> None:
    """A channel that this hub does not allow is refused, whoever may write to the queue."""

    def refuse(channel: Channel) -> None:
        assert channel == Channel("car0", "sold")
        raise ForbiddenError("not here")

    with pytest.raises(ForbiddenError):
        Packages("hub:q", LIMITS, lambda: 0.0, refuse).draft(QueueEntry("1-0", package(1)))


def test_an_entry_that_comes_again_has_the_same_key() -> None:
    """Queue, place and bytes make the key, whenever it is read and by whom; the body's digest goes with it."""
    first = Packages("hub:q", LIMITS, lambda: 1.0, allow_all).draft(QueueEntry("1-0", package(1)))
    again = Packages("hub:q", LIMITS, lambda: 9.0, allow_all).draft(QueueEntry("1-0", package(1)))
    assert first.keys == again.keys
    assert len(first.keys) == 1
    assert first.body_sha256 == sha256(package(1)).digest()


def test_another_entry_has_another_key() -> None:
    """Another queue, another place, or the same place given out again for other bytes."""
    packages = Packages("hub:q", LIMITS, lambda: 0.0, allow_all)
    keys = {
        packages.draft(QueueEntry("1-0", package(1))).keys,
        packages.draft(QueueEntry("1-0", package(2))).keys,
        packages.draft(QueueEntry("1-1", package(1))).keys,
        Packages("hub:r", LIMITS, lambda: 0.0, allow_all).draft(QueueEntry("1-0", package(1))).keys,
    }
    assert len(keys) == 4


def test_a_producer_may_bring_its_own_key() -> None:
    """Two entries with the same `idempotency_key` share a key beside their own."""
    packages = Packages("hub:q", LIMITS, lambda: 0.0, allow_all)
    first = packages.draft(QueueEntry("1-0", package(1, idempotency_key="k")))
    second = packages.draft(QueueEntry("2-0", package(1, idempotency_key="k")))
    assert len(set(first.keys) & set(second.keys)) == 1
    assert len(first.keys) == len(second.keys) == 2


@st.composite
def damaged_packages(draw: st.DrawFn) -> bytes:
    """A package in which a few bytes were replaced, left out or put in."""
    raw = json.dumps(ORIGINAL, indent=draw(st.sampled_from([None, 1]))).encode()
    start = draw(st.integers(0, len(raw)))
    end = start + draw(st.integers(0, 3))
    return raw[:start] + draw(st.binary(max_size=3) | st.sampled_from([b" ", b"0", b"{}", b'"'])) + raw[end:]


@given(
    damaged_packages() | st.binary(max_size=200) | st.text(max_size=200).map(str.encode),
    st.none() | st.binary(max_size=20),
)
def test_whatever_comes_is_a_message_or_poison(raw: bytes, event_id: bytes | None) -> None:
    """Bytes of a stranger are named as wrong, or become the data that they hold, on one line."""
    try:
        draft = drafted(raw, event_id=event_id)
    except ClientFaultError:
        return
    assert json.loads(draft.data) == json.loads(raw.decode("utf-8-sig"))["data"]
    assert not {b"\n", b"\r"} & {draft.data[at : at + 1] for at in range(len(draft.data))}


@given(st.dictionaries(st.sampled_from(list(ORIGINAL)), st.none() | st.text(max_size=5) | st.integers()))
def test_a_package_with_strange_fields_is_a_message_or_poison(fields: dict[str, Any]) -> None:
    """Fields of any type, in any combination: a draft for the channel they name, or an error of the producer's."""
    raw = json.dumps({**ORIGINAL, **fields}).encode()
    try:
        draft = drafted(raw)
    except ClientFaultError:
        return
    assert draft.channel == (
        fields.get("event_id", "carid000001"),
        fields.get("event_type", "cart_changed"),
    )

"""Rules of `model.payload`."""

from __future__ import annotations

import base64
import gzip
import json
import random
import zlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError, TooLargeError
from fast_sse.model.limits import KIB, MIB, Limits
from fast_sse.model.message import Record, bare_envelope, encode_headers, parse_publish
from fast_sse.model.payload import (
    UNPACKED_BYTES_MAX,
    check_all_compressed,
    check_compressed,
    is_compressed,
    packed,
    unpacked,
)

LIMITS = Limits()
HEADERS = {"message_compressed": "true"}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(texts, inside, max_size=5),
    max_leaves=40,
)


def envelope(data: object, **headers: str) -> bytes:
    """As the hub makes it."""
    made = Record(1, Channel("a", "t"), msgspec.json.encode(data), encode_headers(headers, "x"), "", b"", 0)
    return bare_envelope(made)


def body(data: object, headers: dict[str, str] | None = HEADERS) -> Any:
    """A publish body as it comes out of the parser."""
    return parse_publish(json.dumps({"data": data, "headers": headers}).encode(), LIMITS)


def member(data: bytes, **options: Any) -> str:
    """Base64 of gzip, as publishers make it."""
    return base64.b64encode(gzip.compress(data, **options)).decode()


# -- what the hub packs ----------------------------------------------------------------------------


@given(values, st.integers(1, 40))
def test_unpacking_gives_what_was_packed(data: object, times: int) -> None:
    """Whatever the envelope, and whether it became smaller or not."""
    plain = envelope([data] * times)
    assert unpacked(packed(plain)) == plain


@given(values, st.integers(1, 40))
def test_packing_never_makes_it_longer(data: object, times: int) -> None:
    """An envelope that would not become smaller stays as it is."""
    plain = envelope([data] * times)
    made = packed(plain)
    assert made == plain or len(made) < len(plain)


def test_what_cannot_be_compressed_is_left_alone() -> None:
    """Random bytes in base64 shrink by less than base64 adds to them."""
    plain = envelope(
        random.Random(1).randbytes(3000).hex()[:700]
        + base64.b64encode(random.Random(2).randbytes(3000)).decode()
    )
    assert packed(plain) is plain


def test_the_form_is_the_one_that_clients_of_the_original_read() -> None:
    """JSON with `encoding` and `data`; base64 of the standard alphabet, padded; one gzip member; the same envelope in it."""
    plain = envelope({"items": ["SKU-45678"] * 400}, trace="a")
    made = packed(plain)
    read = json.loads(made)
    assert list(read) == ["encoding", "data"]
    assert read["encoding"] == "base64+gzip"
    assert gzip.decompress(base64.b64decode(read["data"], validate=True)) == plain
    assert b"\n" not in made


def test_the_same_envelope_is_the_same_bytes() -> None:
    """No time and no name stand in the gzip header, so a record is the same bytes whenever and wherever it is packed."""
    plain = envelope("x" * 5000)
    assert packed(plain) == packed(bytes(plain))
    flags_and_time = base64.b64decode(json.loads(packed(plain))["data"])[3:8]
    assert flags_and_time == bytes(5)


@pytest.mark.parametrize("size", [10, KIB - 1, KIB, 2 * KIB, 32 * KIB, 33 * KIB, 300 * KIB, MIB])
def test_every_size_of_window_can_be_read(size: int) -> None:
    """The window is no larger than the envelope, and any reader of gzip takes it."""
    words = random.Random(size).choices(["red", "blue", "green"], k=size // 4)
    plain = envelope(" ".join(words))
    assert unpacked(packed(plain)) == plain


def test_a_publisher_cannot_write_an_envelope_that_looks_packed() -> None:
    """What it writes stands inside the envelope, whose first key is `data`."""
    fake = json.loads(packed(envelope("x" * 5000)))
    plain = envelope(fake, encoding="base64+gzip")
    assert unpacked(plain) == plain


@pytest.mark.parametrize(
    "data",
    [
        "!!!",
        "H4sI",
        member(b"{}")[:-4],
        member(b"{}") + "AAAA",
        "",
        base64.b64encode(b"plain").decode(),
        "\u00e9",
    ],
    ids=["no base64", "cut head", "cut", "more behind it", "empty", "no gzip", "not ASCII"],
)
def test_a_client_is_told_what_cannot_be_unpacked(data: str) -> None:
    """Damage is an error, never half an envelope."""
    with pytest.raises(BadRequestError, match="data is not"):
        unpacked(b'{"encoding":"base64+gzip","data":"%b"}' % data.encode())


def test_a_client_unpacks_no_more_than_it_wants() -> None:
    """A bomb stops at the bound that the client names; the default is above what a hub lets through."""
    bomb = b'{"encoding":"base64+gzip","data":"%b"}' % member(bytes(8 * MIB), compresslevel=9).encode()
    with pytest.raises(TooLargeError):
        unpacked(bomb, MIB)
    assert len(unpacked(bomb)) == 8 * MIB
    assert 2 * LIMITS.inflated_bytes_max < UNPACKED_BYTES_MAX


# -- what a publisher compressed -------------------------------------------------------------------


def test_data_that_its_publisher_compressed_is_let_through() -> None:
    """A string of base64 that is one gzip member."""
    assert check_compressed(body(member(b'{"n":1}')), LIMITS) is None


@pytest.mark.parametrize(
    "headers", [None, {}, {"message_compressed": "false"}, {"Message_Compressed": "true"}]
)
def test_only_who_says_so_is_checked(headers: dict[str, str] | None) -> None:
    """Without the header, spelled and set exactly so, data is whatever it is."""
    assert check_compressed(body("no base64 at all", headers), LIMITS) is None


BAD = {
    "an object": {"n": 1},
    "a number": 1,
    "null": None,
    "no base64": "no base64 at all",
    "url alphabet": base64.urlsafe_b64encode(gzip.compress(bytes([250, 251, 252] * 40), mtime=0))
    .decode()
    .replace("A", "_"),
    "no padding": member(b"{}1").rstrip("=") + "A",
    "line ends": member(b"{}")[:8] + "\n" + member(b"{}")[8:],
    "not ASCII": "\u00e9" * 8,
    "empty": "",
    "plain": base64.b64encode(b"not gzip").decode(),
    "zlib": base64.b64encode(zlib.compress(b"{}")).decode(),
    "truncated": base64.b64encode(gzip.compress(b'{"n":1}')[:-1]).decode(),
    "no trailer": base64.b64encode(gzip.compress(b'{"n":1}')[:-8]).decode(),
    "false checksum": base64.b64encode(gzip.compress(b'{"n":1}')[:-8] + bytes(8)).decode(),
    "trailing byte": base64.b64encode(gzip.compress(b'{"n":1}') + b"x").decode(),
    "two members": base64.b64encode(gzip.compress(b"{") + gzip.compress(b"}")).decode(),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_what_is_not_what_it_says_is_refused(data: object) -> None:
    """Not a string, not base64, or not exactly one whole gzip member: 400, and the error names `data`."""
    with pytest.raises(BadRequestError, match=r"^data "):
        check_all_compressed(body(data), LIMITS)


def test_a_bomb_is_too_large() -> None:
    """Above the bytes or above the ratio, whichever comes first (CWE-409)."""
    bomb = body(member(bytes(MIB), compresslevel=9))
    with pytest.raises(TooLargeError, match=r"^data "):
        check_all_compressed(bomb, LIMITS)
    with pytest.raises(TooLargeError):
        check_all_compressed(bomb, Limits(inflate_ratio_max=10_000, inflated_bytes_max=MIB - 1))
    check_all_compressed(bomb, Limits(inflate_ratio_max=10_000))


def test_what_is_long_is_left_for_a_thread() -> None:
    """Only its beginning is inflated at once; the rest is one call, which finds what is wrong in it."""
    data = random.Random(1).randbytes(100 * KIB)
    rest = check_compressed(body(member(data)), LIMITS)
    assert rest is not None
    assert rest.finish() == data
    cut = base64.b64encode(gzip.compress(data)[:-1]).decode()
    rest = check_compressed(body(cut), LIMITS)
    assert rest is not None
    with pytest.raises(BadRequestError):
        rest.finish()


names = (
    st.sampled_from(["message_compressed", "a", "b", 'x","message_compressed', "message_compressed\\"])
    | texts
)
contents = (
    st.sampled_from(["true", "false", '","message_compressed":"true"', '{"message_compressed":"true"', "tru"])
    | texts
)


@given(st.dictionaries(names, contents, max_size=5))
def test_the_mark_is_found_in_a_record_exactly_where_the_publisher_set_it(headers: dict[str, str]) -> None:
    """No name and no value, whatever it holds, looks like the header; and no other header hides it."""
    encoded = encode_headers(headers, "2026-11-23 12:00:00.000")
    assert is_compressed(encoded) is (headers.get("message_compressed") == "true")

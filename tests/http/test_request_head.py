"""Checks of a head; `test_reader.py` and its corpus show them at work."""

from __future__ import annotations

import pytest

from fast_sse.http.message import Intake
from fast_sse.http.request_head import (
    CHUNKED,
    FRAMING,
    Kept,
    announced_bytes,
    check_host,
    checked_target,
    framing_head,
    repeated,
    waits_for_continue,
)
from fast_sse.model.errors import BadRequestError


def test_kept_are_the_headers_of_the_framing_and_those_that_the_api_reads() -> None:
    """By their usual spelling and in lower case; there is one Host, and one of each that the API says."""
    kept = Kept(Intake(frozenset({"x-signature"}), frozenset({"x-signature"}), {"/long": 9}))
    assert kept.names == FRAMING | {"x-signature"}
    assert kept.spelt[b"X-Signature"] == kept.spelt[b"x-signature"] == "x-signature"
    assert set(kept.spelt.values()) == kept.names
    assert kept.single == {"host", "x-signature"}
    assert kept.bodies == {b"/long": 9}
    assert repeated("idempotency-key").message == "malformed request: more than one Idempotency-Key"


@pytest.mark.parametrize(
    ("target", "expected"),
    [(b"/a?b=//", b"/a?b=//"), (b"http://h:1/a?b", b"/a?b"), (b"HTTPS://h?b", b"/?b"), (b"http://h", b"/")],
)
def test_a_target_becomes_path_and_query(target: bytes, expected: bytes) -> None:
    """The absolute form, which anybody may send, is the same request (RFC 9112 §3.2.2)."""
    assert checked_target(b"GET", target) == expected


@pytest.mark.parametrize("target", [b"*", b"a", b"//a", b"/a//b", b"/a#b", b"http://u@h/", b"ftp://h/"])
def test_any_other_target_is_refused(target: bytes) -> None:
    """A path that two parts of a chain could read in two ways is none."""
    with pytest.raises(BadRequestError):
        checked_target(b"GET", target)


@pytest.mark.parametrize("host", ["a b", "a/b", "u@h", "[::1", None])
def test_one_valid_host_is_needed(host: str | None) -> None:
    """Only HTTP/1.0 may do without a Host (RFC 9112 §3.2)."""
    with pytest.raises(BadRequestError):
        check_host(host, http11=True)
    check_host("[::1]:30000", http11=True)
    check_host(None, http11=False)


def test_the_length_of_a_body_is_known_or_chunked() -> None:
    """No other transfer coding, and none in HTTP/1.0 (RFC 9112 §6.1)."""
    assert announced_bytes({}, http11=True) == 0
    assert announced_bytes({"content-length": "07"}, http11=False) == 7
    assert announced_bytes({"transfer-encoding": "Chunked"}, http11=True) == CHUNKED
    for coding, http11 in (("gzip, chunked", True), ("chunked", False)):
        with pytest.raises(BadRequestError):
            announced_bytes({"transfer-encoding": coding}, http11=http11)


def test_only_one_expectation_is_understood() -> None:
    """`100-continue` in any case, in HTTP/1.1 (RFC 9110 §10.1.1)."""
    assert waits_for_continue({"expect": "100-Continue"}, http11=True)
    assert not waits_for_continue({"expect": "100-continue"}, http11=False)
    with pytest.raises(BadRequestError):
        waits_for_continue({"expect": "200-ok"}, http11=True)


@pytest.mark.parametrize("headers", [{"content-length": "3"}, {"transfer-encoding": "chunked"}])
def test_a_made_up_head_frames_the_same_body(headers: dict[str, str]) -> None:
    """What is read behind an upgrade that is ignored has the length that its own head said."""
    ((name, value),) = headers.items()
    assert f"\r\n{name}: {value}\r\n".encode() in framing_head(headers).lower()

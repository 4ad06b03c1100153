"""The access log: what a line holds, and above all what it does not."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.signature import sign_v1, sign_v2
from fast_sse.observe.access import AccessLog, Asked, redacted
from fast_sse.observe.logging import make_log

SECRET = b"0123456789abcdef0123456789abcdef"
V1 = sign_v1(SECRET, Channel("a", "b"))
V2 = sign_v2(SECRET, "web-1", "sub", [Channel("a", "b")], body=None, iat=0, exp=60, nonce="n" * 16)
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW1gFWFOEjXk"


class Written:
    """An access log at a fixed time, and its lines."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.log = AccessLog(make_log("info", self.stream), "public")
        self.log.now = lambda: 12.5

    @property
    def line(self) -> dict[str, Any]:
        """The only line, without its time."""
        (line,) = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        assert line.pop("timestamp")
        return line


def test_a_request_is_one_line() -> None:
    """Who asked for what, what the answer was, how large it is and how long it took."""
    written = Written()
    written.log.request(Asked("POST", "/v1/a", "", "192.0.2.7"), 401, 97, 12.25, "0f0f")
    assert written.line == {
        "level": "info",
        "event": "request",
        "listener": "public",
        "method": "POST",
        "path": "/v1/a",
        "status": 401,
        "bytes": 97,
        "duration_ms": 250.0,
        "peer": "192.0.2.7",
        "request_id": "0f0f",
    }


def test_a_stream_is_one_line() -> None:
    """How long it was open, and how it ended; whom a proxy named stands beside the proxy."""
    written = Written()
    written.log.stream(Asked("GET", "/v1/a", "last=3", "10.0.0.1", "192.0.2.7"), "client", 2.5)
    assert written.line == {
        "level": "info",
        "event": "stream",
        "listener": "public",
        "method": "GET",
        "path": "/v1/a",
        "query": "last=3",
        "ended": "client",
        "duration_s": 10.0,
        "peer": "10.0.0.1",
        "client": "192.0.2.7",
    }


@pytest.mark.parametrize("secret", [V1, V2, TOKEN])
@pytest.mark.parametrize(
    "query",
    ["signature={}", "%73ignature={}", "s%69gn%61ture={}&last=1", "token={}", "access_token={}", "x=1&x={}", "{}", "={}", "{}={}", "a=b={}"],
)  # fmt: skip
def test_no_secret_in_a_query_is_written(query: str, secret: str) -> None:
    """Under whatever name it comes, however that is encoded, and without one (CWE-532)."""
    written = Written()
    written.log.stream(Asked("GET", "/", query.replace("{}", secret), ""), "client", 0.0)
    assert secret[-20:] not in written.stream.getvalue()
    assert secret[:20] not in written.stream.getvalue()


def test_parameters_without_secrets_are_shown() -> None:
    """What a stream was asked for can be read, encoded as it came."""
    query = "channel=a/b&channel=c%2Fd&last=5&since=-5m&last_event_id=s1.x.4&signature=abc&prime=0&flag"
    assert redacted(query) == (
        "channel=a/b&channel=c%2Fd&last=5&since=-5m&last_event_id=s1.x.4&signature=[redacted]&prime=0&[redacted]"
    )


def test_a_signature_in_a_path_is_not_written() -> None:
    """A link that was put together wrongly still holds what it holds."""
    written = Written()
    written.log.request(Asked("GET", f"/v1/subscribe/signature={V1}", "", ""), 404, 1, 0.0)
    assert V1 not in written.stream.getvalue()

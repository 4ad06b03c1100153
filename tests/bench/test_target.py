"""What the generator sends: payloads that carry a time, requests that a hub's own rules accept."""

from __future__ import annotations

import json
import time

import msgspec
import pytest

from fast_sse.bench.target import STAMP_DIGITS, STAMP_MARK, LoadRoute, LoadTarget, payload, stamp_at
from fast_sse.model.channel import Channel
from fast_sse.model.signature import Keyring, verify

KEY = b"a-key-of-thirty-two-bytes-or-more"
KEYRING = Keyring(keys={"k": KEY})
ROUTES = [
    LoadRoute(f"/s{n}", f"/p{n}", {"Accept": "a"}, {"x": "y"}, channel=(f"id{n}", "type")) for n in range(2)
]
TARGET = LoadTarget(
    name="hub", host="127.0.0.1", port=1, routes=ROUTES, body_prefix='{"data":', body_suffix="}"
)
SIGNING = msgspec.structs.replace(TARGET, kid="k", key=KEY, signs_publishes=True, batch_path="/b")


def parts(request: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines), body


def test_a_payload_has_the_size_asked_for_and_gives_its_stamp_back() -> None:
    """A payload is valid JSON of exact size; the stamp is found in it, and nothing where it is cut off."""
    data = bytearray(payload(1234567890123456789, 200))
    assert len(data) == 200
    assert json.loads(data)["t"] == "01234567890123456789"
    assert stamp_at(data, 0, len(data))[0] == 1234567890123456789
    assert stamp_at(data, 0, len(STAMP_MARK) + STAMP_DIGITS)[0] == -1
    with pytest.raises(ValueError, match="at least"):
        payload(1, 10)


def test_a_target_survives_the_way_to_the_generator() -> None:
    """What the starter of a server wrote, the generator's process reads, a key in bytes too."""
    assert msgspec.json.decode(msgspec.json.encode(SIGNING), type=LoadTarget) == SIGNING


def test_requests_of_a_route() -> None:
    """Each channel has its own path; a cursor travels as Last-Event-ID; a body has its length."""
    assert TARGET.subscribe_request(1) == b"GET /s1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAccept: a\r\n\r\n"
    assert b"\r\nLast-Event-ID: m1.x.7\r\n" in TARGET.subscribe_request(0, "m1.x.7")
    request = TARGET.publish_request(b"1", 1)
    assert request.startswith(b"POST /p1 HTTP/1.1\r\n")
    assert request.endswith(b'\r\nContent-Length: 10\r\n\r\n{"data":1}')


def test_v2_signs_every_publish_and_no_nonce_twice() -> None:
    """The hub's own check accepts each request for its channel; two of the same body are two messages."""
    nonces = set()
    for _ in range(2):
        headers, body = parts(SIGNING.publish_request(b"1", 1))
        signature = headers["x-signature"]
        grant = verify(
            signature, "pub", [Channel("id1", "type")], body=body, now=time.time(), keyring=KEYRING
        )
        nonces.add(grant.nonce)
    assert len(nonces) == 2


def test_a_batch_is_a_line_a_message_and_signed_over_all() -> None:
    """NDJSON of the route's channel, under one v2 signature."""
    headers, body = parts(SIGNING.batch_request([b"1", b"2"], 1))
    lines = [json.loads(line) for line in body.splitlines()]
    assert lines == [{"event_id": "id1", "event_type": "type", "data": n} for n in (1, 2)]
    verify(headers["x-signature"], "batch", (), body=body, now=time.time(), keyring=KEYRING)


def test_the_load_route_is_asked_for_a_size() -> None:
    """The hub makes the body itself; nothing is signed."""
    headers, body = parts(TARGET.load_request("carid000001", 50))
    assert json.loads(body) == {"event_id": "carid000001", "body_size": 50}
    assert "x-signature" not in headers

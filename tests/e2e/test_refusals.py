"""Who is refused, and how: signatures, paths and bodies that must not pass (protocol; reliability S1 to S20)."""

from __future__ import annotations

import json
import time

import pytest
from tests.e2e.conftest import Listen
from tests.support.http1 import Reply, exchange, request, request_bytes
from tests.support.publisher import Pair, publish_once, publish_target, signed, subscribe_target
from tests.support.refusals import assert_refused
from tests.support.server import Hub
from tests.support.sign import KEY, SECRET, fresh_nonce, v1, v2

pytestmark = pytest.mark.wire

JSON = {"Content-Type": "application/json"}
BODY = b'{"data":1}'


async def publish(hub: Hub, channel: Pair, signature: str | None, body: bytes = BODY) -> Reply:
    """A publish with any signature at all."""
    headers = JSON if signature is None else {**JSON, "x-signature": signature}
    return await request(hub.public, "POST", publish_target(channel), headers, body)


async def subscribe(hub: Hub, channel: Pair, signature: str | None) -> Reply:
    """A subscription that must be refused: a stream would never end."""
    headers = {} if signature is None else {"x-signature": signature}
    return await request(hub.public, "GET", subscribe_target(channel), headers)


def wrong_signatures(channel: Pair) -> dict[str, str | None]:
    """Signatures that are worth nothing, for both actions."""
    right, now = v1(*channel), time.time()
    event_id, event_type = channel
    return {
        "missing": None,
        "empty": "",
        "wrong": v1(*channel, secret="x" * 40),
        "of another channel": v1(event_id, event_type + "x"),
        "swapped": v1(event_type, event_id),
        "truncated": right[:-1],
        "too long": right + "0",
        "upper case": right.upper(),
        "with spaces": " ".join(right),
        "non-ASCII": "é" * 64,
        "bytes above 0x80": "\xff\x80" * 32,
        "v2 prefix alone": "v2.",
        "v2 of an unknown kid": v2("sub", *channel, kid="nobody"),
        "v2 under another key": v2("sub", *channel, key="x" * 40),
        "v2 expired": v2("sub", *channel, now=now - 1000, lives_s=60),
        "v2 of the future": v2("sub", *channel, now=now + 1000, lives_s=60),
        "v2 that lives too long": v2("sub", *channel, lives_s=4000),
        "v2 of another channel": v2("sub", event_id, event_type + "x"),
        "v2 truncated": v2("sub", *channel)[:-1],
        "v2 with another expiry": v2("sub", *channel, now=now).replace(
            str(int(now) + 60), str(int(now) + 90)
        ),
    }


@pytest.mark.parametrize("name", list(wrong_signatures(("a", "b"))))
async def test_wrong_signature_is_401(hub: Hub, channel: Pair, name: str) -> None:
    """Missing, wrong, malformed, expired: one answer for all, for both actions, and nothing leaks."""
    signature = wrong_signatures(channel)[name]
    assert_refused(await subscribe(hub, channel, signature), 401, "unauthorized")
    publishing = v2_of(name, channel) if name.startswith("v2") and signature != "v2." else signature
    assert_refused(await publish(hub, channel, publishing), 401, "unauthorized")


def v2_of(name: str, channel: Pair) -> str:
    """The same defect in a signature of scope `pub`."""
    now = time.time()
    event_id, event_type = channel
    place = (event_id, event_type + "x") if "another channel" in name else channel
    made = v2(
        "pub",
        *place,
        body=BODY,
        now=now - 1000 if "expired" in name else now + 1000 if "future" in name else now,
        lives_s=400 if "too long" in name else 60,
        kid="nobody" if "unknown kid" in name else "t1",
        key="x" * 40 if "another key" in name else KEY,
    )
    if "truncated" in name:
        return made[:-1]
    return made.replace(str(int(now) + 60), str(int(now) + 90)) if "another expiry" in name else made


async def test_publish_signature_does_not_subscribe(hub: Hub, channel: Pair) -> None:
    """A right signature of scope `pub` on a subscription is 403: known, but for something else."""
    assert_refused(await subscribe(hub, channel, v2("pub", *channel)), 403, "forbidden")


async def test_subscribe_signature_does_not_publish(hub: Hub, channel: Pair) -> None:
    """The very signature that opens a stream is 403 on a publish, and is no publish."""
    signature = v2("sub", *channel)
    assert_refused(await publish(hub, channel, signature), 403, "forbidden")


async def test_v2_binds_the_body(listen: Listen, hub: Hub, channel: Pair) -> None:
    """A publish signature covers the body as sent: any other byte is 401."""
    client = await listen(channel).ready()
    signature = v2("pub", *channel, body=BODY)
    assert_refused(await publish(hub, channel, signature, BODY + b" "), 401, "unauthorized")
    assert_refused(await publish(hub, channel, v2("pub", *channel)), 401, "unauthorized")
    assert (await publish(hub, channel, signature)).status == 200
    await client.count(1)
    assert client.payloads == [1]


async def test_replayed_signature_is_the_same_message(listen: Listen, hub: Hub, channel: Pair) -> None:
    """A publish that is recorded and sent again is no second message."""
    client = await listen(channel).ready()
    signature = v2("pub", *channel, body=BODY, nonce=fresh_nonce())
    first, again = [await publish(hub, channel, signature) for _ in range(2)]
    assert (await publish_once(hub.public, channel, "end")).status == 200
    await client.until_payload("end")
    assert client.payloads == [1, "end"]
    assert again.json()["data"] == {**first.json()["data"], "duplicate": True}


async def test_v1_refuses_what_it_cannot_tell_apart(hub: Hub) -> None:
    """`a:b` + `c` and `a` + `b:c` are one text to v1, so it signs neither; v2 tells them apart."""
    one, two = ("a:b", "c"), ("a", "b:c")
    assert v1(*one) == v1(*two)
    for channel in (one, two):
        assert_refused(await publish(hub, channel, v1(*channel)), 401, "unauthorized")
        assert_refused(await subscribe(hub, channel, v1(*channel)), 401, "unauthorized")
    assert_refused(await publish(hub, one, v2("pub", *two, body=BODY)), 401, "unauthorized")
    assert (await publish(hub, one, v2("pub", *one, body=BODY))).status == 200


BAD_SEGMENTS = {
    "dot dot": "%2e%2e",
    "dot": "%2E",
    "plain dots": "..",
    "encoded slash": "a%2Fb",
    "twice encoded slash": "a%252Fb",
    "encoded percent": "%25",
    "backslash": "a%5Cb",
    "NUL": "a%00b",
    "CR LF": "a%0D%0Ab",
    "DEL": "%7F",
    "C1": "%C2%85",
    "bad UTF-8": "%FF",
    "overlong UTF-8": "%C0%AF",
    "surrogate": "%ED%A0%80",
    "bad escape": "%zz",
    "cut escape": "a%2",
    "too long": "x" * 257,
    "too long decoded": "%C3%A9" * 129,
}


@pytest.mark.parametrize("name", list(BAD_SEGMENTS))
async def test_bad_channel_is_400(hub: Hub, channel: Pair, name: str) -> None:
    """What is no channel is refused before anything else is looked at, in both segments and both actions."""
    bad = BAD_SEGMENTS[name]
    for event_id, event_type in ((bad, "t"), ("i", bad)):
        path = f"events/{event_id}/types/{event_type}"
        headers = {**JSON, **signed(channel)}
        reply = await request(hub.public, "POST", f"/v1/sse/{path}", headers, BODY)
        assert_refused(reply, 400, "bad_channel")
        assert_refused(
            await request(hub.public, "GET", f"/v1/subscribe/{path}", signed(channel)), 400, "bad_channel"
        )


@pytest.mark.parametrize("path", ["events//types/t", "events/i//types/t", "//events/i/types/t", "/x"])
async def test_empty_segments_are_400(hub: Hub, path: str) -> None:
    """An empty segment is never skipped over: `//` is no other spelling of `/`."""
    for target in (f"/v1/sse/{path}", f"//v1/sse/{path}", f"/v1/subscribe/{path}"):
        assert_refused(await request(hub.public, "GET", target), 400, "bad_request")


@pytest.mark.parametrize(
    "target",
    [
        "/v1/sse/x",
        "/v1",
        "/v1/sse/events/i/types/",
        "/v1/sse/events/i/types/t/",
        "/v1/sse/events/i/types/t/more",
        "/V1/sse/events/i/types/t",
    ],
)
async def test_other_paths_are_404(hub: Hub, target: str) -> None:
    """What is no route is not repaired into one."""
    assert_refused(await request(hub.public, "GET", target), 404, "not_found")


BAD_BODIES = {
    "empty": b"",
    "no JSON": b"data",
    "cut": b'{"data":',
    "two values": b'{"data":1}{"data":2}',
    "an array": b"[1]",
    "a string": b'"data"',
    "null": b"null",
    "no data": b'{"event_name":"x"}',
    "NaN": b'{"data":NaN}',
    "Infinity": b'{"data":-Infinity}',
    "lone surrogate": b'{"data":"\\ud800"}',
    "bad UTF-8": b'{"data":"\xff"}',
    "raw control character": b'{"data":"\x01"}',
    "two BOMs": b'\xef\xbb\xbf\xef\xbb\xbf{"data":1}',
    "too deep": b'{"data":' + b"[" * 65 + b"]" * 65 + b"}",
    "very deep": b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "headers no object": b'{"data":1,"headers":[1]}',
    "headers no text": b'{"data":1,"headers":{"a":1}}',
    "too many headers": json.dumps({"data": 1, "headers": {f"h{n}": "" for n in range(65)}}).encode(),
    "event with a line break": b'{"data":1,"event":"a\\nb"}',
    "event with CR": b'{"data":1,"event":"a\\rb"}',
    "event with NUL": b'{"data":1,"event":"a\\u0000b"}',
    "reserved event": b'{"data":1,"event":"fast-sse.gap"}',
    "event error": b'{"data":1,"event":"error"}',
    "event open": b'{"data":1,"event":"open"}',
    "ttl 0": b'{"data":1,"ttl_s":0}',
    "ttl below 0": b'{"data":1,"ttl_s":-1}',
    "ttl text": b'{"data":1,"ttl_s":"1"}',
    "another event_id": b'{"data":1,"event_id":"other"}',
    "empty key": b'{"data":1,"idempotency_key":""}',
    "long key": b'{"data":1,"idempotency_key":"%b"}' % (b"k" * 257),
}


@pytest.mark.parametrize("name", list(BAD_BODIES))
async def test_bad_body_is_400(listen: Listen, hub: Hub, channel: Pair, name: str) -> None:
    """A body that breaks a rule is refused whole and never delivered; the next publish is."""
    client = await listen(channel).ready()
    assert_refused(await publish(hub, channel, v1(*channel), BAD_BODIES[name]), 400, "bad_request")
    assert (await publish_once(hub.public, channel, "well")).status == 200
    await client.count(1)
    assert client.payloads == ["well"]


async def test_a_byte_order_mark_is_passed_over(listen: Listen, hub: Hub, channel: Pair) -> None:
    """Editors and shells put one before a body or a file: it is no part of what is published."""
    client = await listen(channel).ready()
    mark = b"\xef\xbb\xbf"
    assert (await publish(hub, channel, v1(*channel), mark + b'{"data":1}')).status == 200
    line = json.dumps({"event_id": channel[0], "event_type": channel[1], "data": 2}).encode()
    headers = {"Content-Type": "application/x-ndjson", "x-signature": v2("batch", body=mark + line)}
    reply = await request(hub.public, "POST", "/v1/sse/batch", headers, mark + line)
    assert "message_id" in reply.json()["data"]["results"][0]
    await client.count(2)
    assert client.payloads == [1, 2]


async def test_body_limits(hub: Hub, channel: Pair) -> None:
    """A body over 1 MiB is 413, one just below is stored; what is not JSON by its type is 415."""
    right = v1(*channel)
    fits = b'{"data":"%b"}' % (b"x" * ((1 << 20) - 11))
    assert len(fits) == 1 << 20
    assert (await publish(hub, channel, right, fits)).status == 200
    assert_refused(await publish(hub, channel, right, fits + b" "), 413, "too_large")
    for media in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
        headers = {"Content-Type": media, "x-signature": right}
        reply = await request(hub.public, "POST", publish_target(channel), headers, BODY)
        assert_refused(reply, 415, "unsupported_media")


@pytest.mark.front
async def test_too_large_head_is_431(hub: Hub, channel: Pair) -> None:
    """Request line and headers have one bound together."""
    headers = {**signed(channel), "X-Padding": "x" * 40_000}
    assert_refused(
        await request(hub.public, "GET", subscribe_target(channel), headers), 431, "headers_too_large"
    )


SMUGGLING = {
    "CL and TE": b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two CL": b"Content-Length: 10\r\nContent-Length: 11\r\n\r\n" + BODY,
    "CL with sign": b"Content-Length: +10\r\n\r\n" + BODY,
    "CL list": b"Content-Length: 10, 10\r\n\r\n" + BODY,
    "negative CL": b"Content-Length: -1\r\n\r\n",
    "unknown TE": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "TE twice": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "bad chunk size": b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "space before colon": b"Content-Length : 10\r\n\r\n" + BODY,
    "folded header": b"X-A: b\r\n c\r\nContent-Length: 10\r\n\r\n" + BODY,
    "bare CR in header": b"X-A: b\rX-B: c\r\nContent-Length: 10\r\n\r\n" + BODY,
    "NUL in header": b"X-A: \0\r\nContent-Length: 10\r\n\r\n" + BODY,
}


@pytest.mark.front
@pytest.mark.parametrize("name", list(SMUGGLING))
async def test_smuggling_is_refused(hub: Hub, channel: Pair, name: str) -> None:
    """Framing that two parsers could read in two ways is 400 and the end of the connection."""
    head = request_bytes("GET", publish_target(channel), {**JSON, **signed(channel)})
    raw = head.replace(b"GET ", b"POST ", 1).removesuffix(b"\r\n") + SMUGGLING[name]
    reply = await exchange(hub.public, raw)
    assert reply.status == 400, reply
    assert reply.headers["connection"] == "close"


async def test_keys_that_differ_are_400(hub: Hub, channel: Pair) -> None:
    """A key in the header and another in the body: nobody can know which one was meant."""
    headers = {**JSON, **signed(channel), "Idempotency-Key": "one"}
    reply = await request(
        hub.public, "POST", publish_target(channel), headers, b'{"data":1,"idempotency_key":"two"}'
    )
    assert_refused(reply, 400, "bad_request")


@pytest.mark.parametrize("query", ["last=0", "last=1001", "last=x", "last=-1", "last=%C2%B2"])
async def test_bad_last_is_400(hub: Hub, channel: Pair, query: str) -> None:
    """`last` is 1 to 1000, in ASCII digits."""
    target = f"{subscribe_target(channel)}?{query}"
    assert_refused(await request(hub.public, "GET", target, signed(channel)), 400, "bad_request")


def test_secrets_stay_out_of_the_log(shared_hub: Hub) -> None:
    """After all of this, neither a secret nor a signature stands in the hub's log."""
    text = shared_hub.tail_of_log(10**9)
    assert text
    assert not [word for word in (SECRET, KEY, v1("a", "b"), "v2.t1.") if word in text]

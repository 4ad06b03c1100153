"""Rules of `http.api.publishing` beyond the plain publish: heads, gzip, keys, the publish rate."""

import base64
import gzip
import json
from random import Random
from typing import Any

import pytest
from tests.http.rig import NOW, PUBLISH, SECRET, Rig, publish, rigged
from tests.support.clock import ManualClock

from fast_sse.http.api.clients import Clients
from fast_sse.http.message import Admission, Response
from fast_sse.model.channel import Channel
from fast_sse.model.errors import TooLargeError
from fast_sse.model.limits import Limits
from fast_sse.model.signature import Scope, sign_v1, sign_v2


async def test_a_gzip_body_is_the_same_message(rig: Rig) -> None:
    """`Content-Encoding: gzip` is inflated; the conflict check sees the inflated body, a v2 signature the sent one."""
    body = b'{"data":{"n":1}}'
    assert (await rig.ask(publish(body, idempotency_key="k"))).status == 200
    packed = publish(gzip.compress(body), content_encoding="gzip", idempotency_key="k")
    assert json.loads((await rig.ask(packed)).body)["data"]["duplicate"] is True
    sent = gzip.compress(b'{"data":2}')
    now = int(NOW)
    channel = Channel("cart1", "changed")
    signature = sign_v2(SECRET, "web-1", "pub", (channel,), body=sent, iat=now, exp=now + 9, nonce="m" * 16)
    assert (await rig.ask(publish(sent, content_encoding="gzip", x_signature=signature))).status == 200


async def test_the_publish_rate_is_429_and_certainly_not_stored() -> None:
    """Above the rate: 429 with Retry-After; who cannot sign is told 401 and charged nothing."""
    async with rigged(Limits(), clients=Clients(publish_rate=1)) as rig:
        assert await rig.code(publish(x_signature="0" * 64)) == (401, "unauthorized")
        assert (await rig.ask(publish())).status == 200
        answer = await rig.ask(publish())
        assert (answer.status, json.loads(answer.body)["code"]) == (429, "rate_limited")
        assert dict(answer.headers)["Retry-After"] == "1"
        assert len(await rig.log()) == 1


async def test_the_original_package_is_a_publish(rig: Rig) -> None:
    """The body of the original's curl line is stored as it is."""
    body = {
        "event_name": "CartItemUpdatedssss",
        "user": {"from_user": "system-inventory", "to_user": "user-session-abc123"},
        "data": {"car_id": "carid00000177777"},
        "headers": {"X-Trace-ID": "trace-abc-def"},
    }
    signature = sign_v1(SECRET, Channel("cart1", "changed"))
    assert (await rig.ask(publish(body, path=PUBLISH, x_signature=signature))).status == 200
    (record,) = await rig.log()
    assert json.loads(record.data) == body["data"]
    assert json.loads(record.meta) == {"event_name": body["event_name"], "user": body["user"]}


async def test_a_signature_is_looked_at_before_the_body_is_inflated(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the signature covers are the bytes as sent: nothing is inflated for who cannot sign (CWE-409)."""

    def inflate(*_: object) -> None:
        raise AssertionError("inflated for nobody")

    monkeypatch.setattr("fast_sse.http.api.publishing.Inflating", inflate)
    request = publish(gzip.compress(bytes(1 << 20)), content_encoding="gzip", x_signature="0" * 64)
    assert await rig.code(request) == (401, "unauthorized")


@pytest.mark.parametrize("bytes_", [100, 300_000], ids=["at once", "in a thread"])
async def test_a_gzip_body_of_any_length_is_stored_or_refused(rig: Rig, bytes_: int) -> None:
    """Whether it is inflated at once or in a thread, a good body is stored and a broken one is 400."""
    body = json.dumps({"data": Random(bytes_).randbytes(bytes_).hex()}).encode()
    packed = gzip.compress(body)
    assert (await rig.ask(publish(packed, content_encoding="gzip"))).status == 200
    assert await rig.code(publish(packed[:-1], content_encoding="gzip")) == (400, "bad_request")
    assert await rig.code(publish(gzip.compress(body[:-1]), content_encoding="gzip")) == (400, "bad_request")
    assert len(await rig.log()) == 1


async def test_a_signature_is_good_for_one_message_until_its_last_moment() -> None:
    """A v2 publish sent again while its signature is still taken, a skew past its end, is a duplicate; then it is 401."""
    clock = ManualClock(NOW)
    async with rigged(Limits(), now=clock) as rig:
        body = b'{"data":1}'
        channel, times = Channel("cart1", "changed"), {"iat": int(NOW), "exp": int(NOW) + 60}
        signature = sign_v2(SECRET, "web-1", "pub", (channel,), body=body, nonce="n" * 16, **times)
        request = publish(body, x_signature=signature)
        first = json.loads((await rig.ask(request)).body)["data"]
        for later_s in (61, 119, 119.999):
            clock.now = NOW + later_s
            again = json.loads((await rig.ask(request)).body)["data"]
            assert again == {**first, "duplicate": True}
        clock.now = NOW + 120
        assert await rig.code(request) == (401, "unauthorized")
        assert len(await rig.log()) == 1


async def test_a_key_in_latin_1_is_refused(rig: Rig) -> None:
    """Two keys that are no UTF-8 are two 400, never one message and a `duplicate` (G3)."""
    for word in ("bestellung-ä", "bestellung-ö"):  # a Request holds the bytes of a header as Latin-1
        assert await rig.code(publish(idempotency_key=word)) == (400, "bad_request")
    assert await rig.log() == []


def v2(scope: Scope, kid: str = "web-1", age_s: int = 0) -> str:
    """A signature of some body."""
    iat = int(NOW) - age_s
    target = (Channel("cart1", "changed"),) if scope != "batch" else ()
    body = b"x" if scope != "sub" else None
    return sign_v2(SECRET, kid, scope, target, body=body, iat=iat, exp=iat + 60, nonce="n" * 16)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Admission(1 << 20, vouched=True)),
        ({"x-signature": v2("pub")}, Admission(1 << 20, vouched=False)),
        ({"x-signature": v2("batch")}, Admission(1 << 20, vouched=False)),
        ({"x-signature": v2("sub")}, 403),
        ({"x-signature": "0" * 64}, 401),
        ({"x-signature": ""}, 401),
        ({"x-signature": v2("pub", "web-2")}, 401),
        ({"x-signature": v2("pub", age_s=121)}, 401),
        ({"x-signature": v2("pub", age_s=-61)}, 401),
        ({"content-type": "text/plain"}, 415),
        ({"content-encoding": "br"}, 415),
    ],
)
async def test_a_head_is_judged_before_its_body(
    rig: Rig, changes: dict[str, str], expected: Admission | int
) -> None:
    """A v1 signature is right before the body is there; of v2 only the body can show it, if it can be right at all."""
    request = publish(b"")
    request.headers.update(changes)
    found = rig.endpoints.admit(request)
    assert (found.status if isinstance(found, Response) else found) == expected
    refused = sum(one.value for one in rig.endpoints.samples() if one.name == "refused_total")
    assert refused == isinstance(found, Response)


def compressed(data: bytes, *, cut: int = 0) -> dict[str, Any]:
    """The body of a publish whose data its publisher compressed; `cut` bytes are missing at its end."""
    member = gzip.compress(data)
    text = base64.b64encode(member[: len(member) - cut]).decode()
    return {"data": text, "headers": {"message_compressed": "true"}}


@pytest.mark.parametrize("bytes_", [100, 300_000], ids=["at once", "in a thread"])
async def test_data_that_its_publisher_compressed_is_stored_or_refused(rig: Rig, bytes_: int) -> None:
    """Whole it is stored byte for byte; cut it is 400, and so it is inside a body that is gzip itself."""
    data = Random(bytes_).randbytes(bytes_)
    good, bad = compressed(data), compressed(data, cut=1)
    assert (await rig.ask(publish(good, idempotency_key="k"))).status == 200
    again = json.loads((await rig.ask(publish(good, idempotency_key="k"))).body)
    assert again["data"]["duplicate"] is True
    assert await rig.code(publish(bad)) == (400, "bad_request")
    twice = publish(gzip.compress(json.dumps(bad).encode()), content_encoding="gzip")
    assert await rig.code(twice) == (400, "bad_request")
    (record,) = await rig.log()
    assert json.loads(record.data) == good["data"]


async def test_a_bomb_in_compressed_data_is_413(rig: Rig) -> None:
    """The caps of a gzip body are those of compressed data (CWE-409), for the callers of this process, too."""
    bomb = compressed(bytes(8 << 20))
    answer = await rig.ask(publish(bomb))
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "too_large")
    assert json.loads(answer.body)["message"].startswith("data ")
    with pytest.raises(TooLargeError):
        await rig.endpoints.put(Channel("cart1", "changed"), json.dumps(bomb).encode(), "x")
    assert await rig.log() == []


async def test_a_message_of_this_process_may_be_compressed(rig: Rig) -> None:
    """Its data is checked like that of a request, also where that takes a thread."""
    for size in (100, 300_000):
        body = compressed(Random(size).randbytes(size))
        await rig.endpoints.put(Channel("cart1", "changed"), json.dumps(body).encode(), "x")
    assert len(await rig.log()) == 2


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("own", "sent", "kept"),
    [
        (None, TRACE, {"traceparent": TRACE}),
        ({"X-A": "b"}, TRACE, {"X-A": "b", "traceparent": TRACE}),
        ({"Traceparent": "mine"}, TRACE, {"Traceparent": "mine"}),
        (None, "00-nonsense", {}),
    ],
)
async def test_a_message_carries_the_trace_of_its_request(
    rig: Rig, own: dict[str, str] | None, sent: str, kept: dict[str, str]
) -> None:
    """So a subscriber can go on with it; a trace that is none is ignored, and never a reason to refuse a message."""
    body = {"data": 1} if own is None else {"data": 1, "headers": own}
    assert (await rig.code(publish(body, traceparent=sent)))[0] == 200
    (record,) = await rig.log()
    headers = json.loads(record.headers)
    assert headers.pop("send_time")
    assert headers == kept

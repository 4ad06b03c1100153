"""Rules of `http.api.subscribing`: several channels on one stream."""

import asyncio
import json
from urllib.parse import quote, urlencode

import pytest
from tests.http.rig import NOW, SECRET, V1, Rig, opened, publish, rigged, subscribe

from fast_sse.http.api.subscribing import parse_query
from fast_sse.http.message import Request, Stream
from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError
from fast_sse.model.limits import Limits
from fast_sse.model.signature import sign_v1, sign_v2

CART, PRICE = Channel("cart1", "changed"), Channel("price1", "eur")


def sign(*channels: Channel) -> str:
    """A v2 subscribe signature of several channels."""
    now = int(NOW)
    return sign_v2(SECRET, "web-1", "sub", channels, body=None, iat=now, exp=now + 60, nonce="n" * 16)


def several(*values: str, signature: str, **headers: str) -> Request:
    """A subscribe to the channels of the query."""
    query = urlencode([("channel", value) for value in values])
    return Request("GET", "/v1/subscribe", query, {"x-signature": signature, **headers})


async def test_one_stream_carries_several_channels(rig: Rig) -> None:
    """Records of each named channel arrive once and name their channel in the envelope's headers."""
    transport = opened(
        rig, several("price1/eur", "cart1/changed", "cart1/changed", signature=sign(CART, PRICE))
    )
    await rig.ask(publish({"data": 1}))
    other = "/v1/sse/events/price1/types/usd"
    await rig.ask(publish({"data": 2}, path=other, x_signature=sign_v1(SECRET, Channel("price1", "usd"))))
    await rig.ask(
        publish({"data": 3}, path="/v1/sse/events/*/types/*", x_signature=sign_v1(SECRET, Channel("*", "*")))
    )
    await transport.heard(b'{"data":3,')
    events = [json.loads(line[6:]) for line in transport.written.splitlines() if b'"headers":' in line]
    assert [event["data"] for event in events] == [1, 3]
    assert (events[0]["headers"]["event_id"], events[0]["headers"]["event_type"]) == CART


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (400, "bad_channel")),
        (["cart1"], (400, "bad_channel")),
        (["cart1/changed/more"], (400, "bad_channel")),
        (["/changed"], (400, "bad_channel")),
        (["cart1/%2e"], (400, "bad_channel")),
        ([f"cart{n}/changed" for n in range(65)], (400, "bad_channel")),
        (["cart1/changed", "other/changed"], (401, "unauthorized")),
    ],
)
async def test_several_that_are_refused(rig: Rig, values: list[str], expected: object) -> None:
    """Each value is ID/TYPE with one slash, decoded once; at most 64; the signature covers exactly these."""
    assert await rig.code(several(*values, signature=sign(CART, PRICE))) == expected


async def test_v1_covers_one_channel_only(rig: Rig) -> None:
    """Two channels need v2; a single one by this route is signed like one by its path."""
    assert await rig.code(several("cart1/changed", "price1/eur", signature=V1)) == (401, "unauthorized")
    assert isinstance(rig.endpoints.handle(several("cart1/changed", signature=V1)), Stream)
    assert isinstance(rig.endpoints.handle(several("cart1/changed", signature=sign(CART))), Stream)


async def test_a_v2_signature_may_stand_in_the_query(rig: Rig) -> None:
    """EventSource cannot send headers."""
    query = f"channel={quote('cart1/changed', safe='')}&channel=price1/eur&signature={sign(CART, PRICE)}"
    assert isinstance(rig.endpoints.handle(Request("GET", "/v1/subscribe", query, {})), Stream)


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId"])
async def test_a_cursor_of_any_bytes_is_a_gap_and_never_a_refusal(rig: Rig, name: str) -> None:
    """EventSource gives up for good on a 4xx, so a cursor that is not even UTF-8 is named in the stream."""
    transport = opened(rig, subscribe(f"{name}=%ff%C3%28"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert b'"reason":"unreadable"' in transport.written


async def test_a_channel_that_is_not_utf8_is_a_bad_channel(rig: Rig) -> None:
    """By this route as by its path."""
    request = Request("GET", "/v1/subscribe", "channel=cart1/%ff", {"x-signature": V1})
    assert await rig.code(request) == (400, "bad_channel")


async def test_media_types_have_no_case() -> None:
    """An EventSource by any spelling is told to come back; only who asks for something else gets a 503."""
    async with rigged(Limits(streams_per_address_max=1)) as rig:
        opened(rig, subscribe())
        assert isinstance(rig.endpoints.handle(subscribe(accept="Text/Event-Stream")), Stream)
        assert await rig.code(subscribe(accept="text/plain")) == (503, "overloaded")


def test_a_query_is_decoded_once_and_strictly() -> None:
    """`+` is a space, escapes are UTF-8 and decoded once, and there is an end to the fields."""
    assert parse_query("a=b+c&a=%25&b") == [("a", "b c"), ("a", "%"), ("b", "")]
    for bad in ("a=%ff", "&".join(["a=1"] * 101)):
        with pytest.raises(BadRequestError):
            parse_query(bad)

"""Rules of `http.api.delivery`: who may see how far a message has come, and who may say that it has it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.http.rig import JSON, NOW, SECRET, Rig, opened, publish, rigged, subscribe

from fast_sse.http.api.access import Access
from fast_sse.http.api.cors import Cors
from fast_sse.http.api.delivery import LOOKUPS_MAX
from fast_sse.http.message import Admission, Deferred, Request, Response
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import parse_cursor
from fast_sse.model.errors import BadRequestError, NotFoundError, RateLimitedError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.model.signature import Keyring, Scope, sign_v1, sign_v2

CART, OTHER = Channel("cart1", "changed"), Channel("other", "t")
KNOWN, GONE = "m1.0000000000000.7", "m1.0000000000000.9"
PUBLISH_SECRET = b"p" * 32


class FakeDelivery:
    """One message, of the cart's channel.

    Attributes:
        looked_up: ids that were asked for.
        names: who acked.
    """

    def __init__(self) -> None:
        self.looked_up: list[str] = []
        self.names: set[str] = set()
        self.away = self.held = False
        self.slow: asyncio.Event | None = None

    async def find(self, message_id: str) -> Any:
        """As the hub's."""
        self.looked_up.append(message_id)
        if self.slow is not None:
            await self.slow.wait()
        if parse_cursor(message_id) is None:
            raise BadRequestError("this is not the id of a message")
        if self.away:
            raise UnavailableError("the store is away")
        if message_id != KNOWN:
            raise NotFoundError("there is no such message")
        return SimpleNamespace(channel=CART)

    def indicator(self, _found: Any) -> Any:
        """As the hub's."""
        return SimpleNamespace(
            message_id=KNOWN,
            channel=CART,
            state="acked",
            stored_ms=1000,
            written=3,
            acked=2,
            clients=["a", "b"],
            first_written_ms=1001,
            complete=True,
            silent=[],
        )

    def ack(self, _found: Any, client: str) -> tuple[int, bool]:
        """As the hub's."""
        if self.held:
            raise NotFoundError("the message is not held any more")
        if len(self.names) == 2:
            raise RateLimitedError("too many clients")
        duplicate = client in self.names
        self.names.add(client)
        return len(self.names), duplicate


@pytest.fixture
def fake() -> FakeDelivery:
    """What the hub would know."""
    return FakeDelivery()


@pytest.fixture
async def asked(fake: FakeDelivery) -> AsyncIterator[Rig]:
    """Endpoints before it."""
    async with rigged(Limits()) as rig:
        rig.endpoints._delivery._delivery = fake  # type: ignore[assignment]
        yield rig


def v2(scope: Scope, *channels: Channel, exp_s: int = 60, body: bytes | None = None) -> str:
    """A v2 signature of this minute."""
    now = int(NOW)
    return sign_v2(
        SECRET, "web-1", scope, channels, body=body, iat=now + exp_s - 60, exp=now + exp_s, nonce="n" * 16
    )


V1 = sign_v1(SECRET, CART)
OTHER_V1 = sign_v1(SECRET, OTHER)


def show(signed: str | None, *named: str, message_id: str = KNOWN, **more: str) -> Request:
    """Ask how far a message has come."""
    headers = {} if signed is None else {"x-signature": signed}
    query = urlencode([*(("channel", value) for value in named), *more.items()])
    return Request("GET", f"/v1/messages/{message_id}/delivery", query, headers)


def ack(
    signed: str | None, *named: str, message_id: str = KNOWN, client: Any = "phone-7", **more: str
) -> Request:
    """Say that a client has a message."""
    asking = show(signed, *named, message_id=message_id, **more)
    body = client if isinstance(client, bytes) else json.dumps({"client": client}).encode()
    return Request("POST", f"/v1/messages/{message_id}/ack", asking.query, {**JSON, **asking.headers}, body)


async def test_the_indicator_says_all_it_knows(asked: Rig) -> None:
    """Names and order as they are documented."""
    answer = await asked.ask(show(V1))
    assert answer.status == 200
    assert answer.body == (
        b'{"code":"ok","data":{"message_id":"%b","event_id":"cart1","event_type":"changed","state":"acked",'
        b'"stored_ms":1000,"written":3,"acked":2,"clients":["a","b"],"first_written_ms":1001,"complete":true,'
        b'"silent":[]}}' % KNOWN.encode()
    )


@pytest.mark.parametrize("make", [show, ack])
@pytest.mark.parametrize(
    "signature",
    [None, "", "x", "0" * 64, OTHER_V1, v2("sub", OTHER), v2("sub", CART, exp_s=-120)],
)
async def test_a_signature_that_is_not_right_tells_nothing(
    asked: Rig, make: Any, signature: str | None
) -> None:
    """Missing, wrong, of another channel, or ended: one answer, whether there is such a message or not."""
    for named in ((), ("cart1/changed",)):
        answers = [await asked.ask(make(signature, *named, message_id=known)) for known in (KNOWN, GONE)]
        told = [{**json.loads(answer.body), "request_id": ""} for answer in answers]
        assert [answer.status for answer in answers] == [401, 401]
        assert told[0] == told[1]


@pytest.mark.parametrize("make", [show, ack])
async def test_without_a_signature_nothing_is_looked_up(asked: Rig, fake: FakeDelivery, make: Any) -> None:
    """Nor with one that is wrong for the channels that are named."""
    await asked.ask(make(None))
    await asked.ask(make("", signature=""))
    await asked.ask(make(OTHER_V1, "cart1/changed"))
    assert fake.looked_up == []


@pytest.mark.parametrize("make", [show, ack])
async def test_a_message_that_is_gone_is_404_for_a_right_signature_only(asked: Rig, make: Any) -> None:
    """Whose channel the request names: nothing else says what it is right for."""
    assert await asked.code(make(V1, "cart1/changed", message_id=GONE)) == (404, "not_found")
    assert await asked.code(make(V1, message_id=GONE)) == (401, "unauthorized")


@pytest.mark.parametrize("make", [show, ack])
async def test_what_is_no_id_is_400_and_a_store_that_is_away_503(
    asked: Rig, fake: FakeDelivery, make: Any
) -> None:
    """As everywhere."""
    assert await asked.code(make(V1, message_id="4711")) == (400, "bad_request")
    fake.away = True
    assert await asked.code(make(V1)) == (503, "not_stored")


async def test_strangers_ask_the_store_a_bounded_number_of_questions(asked: Rig, fake: FakeDelivery) -> None:
    """Without the channels a message is looked up before a signature is proved right; what is too much is 503."""
    fake.slow = asyncio.Event()
    waiting = [asked.endpoints.handle(show("0" * 64)) for _ in range(LOOKUPS_MAX)]
    await asyncio.sleep(0)  # each begins
    assert len(fake.looked_up) == LOOKUPS_MAX
    assert await asked.code(show(V1)) == (503, "overloaded")
    fake.slow.set()
    for answer in waiting:
        assert isinstance(answer, Deferred)
        await answer.future
    fake.slow = None
    assert await asked.code(show(V1)) == (200, "ok")


@pytest.mark.parametrize("make", [show, ack])
@pytest.mark.parametrize(
    ("signature", "named"),
    [
        (V1, ()),
        (V1, ("cart1/changed",)),
        (v2("sub", CART), ()),
        (v2("sub", CART, OTHER), ("other/t", "cart1/changed")),
        (sign_v1(SECRET, Channel("*", "*")), ("*/*",)),
        (v2("sub", Channel("cart1", "*")), ("cart1/*",)),
    ],
)
async def test_a_stream_may_ask_about_every_message_that_it_carries(
    asked: Rig, make: Any, signature: str, named: tuple[str, ...]
) -> None:
    """With its own signature, over exactly the channels that the stream names."""
    assert await asked.code(make(signature, *named)) == (200, "ok")


@pytest.mark.parametrize("make", [show, ack])
async def test_a_signature_of_other_channels_is_none_of_this_message(asked: Rig, make: Any) -> None:
    """Right for what it names, and the message is not of that."""
    assert await asked.code(make(OTHER_V1, "other/t")) == (401, "unauthorized")
    assert await asked.code(make(v2("sub", CART, OTHER), "other/t")) == (401, "unauthorized")
    assert await asked.code(make(V1, "cart1")) == (400, "bad_channel")


async def test_a_publisher_may_look_and_not_ack(asked: Rig) -> None:
    """v2 with scope `pub` covers no body here; what a scope forbids is 403, for the signature is right."""
    assert await asked.code(show(v2("pub", CART))) == (200, "ok")
    assert await asked.code(ack(v2("pub", CART))) == (403, "forbidden")
    assert await asked.code(show(v2("batch"))) == (403, "forbidden")


async def test_the_signature_of_an_ack_covers_no_body(asked: Rig) -> None:
    """It is the one of the stream, whatever is acked with it."""
    body = b'{"client":"a"}'
    assert await asked.code(ack(v2("sub", CART), client=body)) == (200, "ok")
    assert await asked.code(ack(v2("sub", CART, body=body), client=body)) == (401, "unauthorized")


async def test_with_a_publish_secret_either_may_look_and_subscribers_ack(asked: Rig) -> None:
    """Publishing takes only it, subscribing and acks only the other one."""
    keyring = Keyring(secret=SECRET, publish_secret=PUBLISH_SECRET)
    asked.endpoints.access = Access(keyring=keyring, v1_query=True)
    publisher = sign_v1(PUBLISH_SECRET, CART)
    assert await asked.code(show(publisher)) == (200, "ok")
    assert await asked.code(show(V1)) == (200, "ok")
    assert await asked.code(ack(publisher)) == (401, "unauthorized")
    assert await asked.code(ack(V1)) == (200, "ok")
    assert await asked.code(show(None, signature=publisher)) == (200, "ok")


@pytest.mark.parametrize("make", [show, ack])
async def test_a_signature_in_the_query_is_as_for_a_stream(asked: Rig, make: Any) -> None:
    """v2 may stand there; v1 never expires, and may not."""
    assert await asked.code(make(None, signature=v2("sub", CART))) == (200, "ok")
    assert await asked.code(make(None, signature=V1)) == (401, "unauthorized")


@pytest.mark.parametrize("make", [show, ack])
async def test_allow_lists_hold(asked: Rig, make: Any) -> None:
    """A right signature for a channel that is not allowed here is 403."""
    asked.endpoints.access = Access(keyring=Keyring(secret=SECRET), allowed_event_ids=frozenset({"other"}))
    assert await asked.code(make(V1)) == (403, "forbidden")


async def test_an_ack_counts_clients(asked: Rig, fake: FakeDelivery) -> None:
    """The same client twice counts once; what the hub refuses is answered so."""
    for client, expected in (
        ("phone-7", {"acked": 1, "duplicate": False}),
        ("phone-7", {"acked": 1, "duplicate": True}),
        ("é" * 64, {"acked": 2, "duplicate": False}),
    ):
        answer = await asked.ask(ack(V1, client=client))
        assert (answer.status, json.loads(answer.body)) == (200, {"code": "ok", "data": expected})
    assert await asked.code(ack(V1, client="third")) == (429, "rate_limited")
    fake.held = True
    assert await asked.code(ack(V1)) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "bad_request")),
        (b"[]", (400, "bad_request")),
        (b"{}", (400, "bad_request")),
        (b'{"client":7}', (400, "bad_request")),
        (b'{"client":""}', (400, "bad_request")),
        (b'{"client":"\xff"}', (400, "bad_request")),
        (b'{"client":"\\ud800"}', (400, "bad_request")),
        (b'{"client":"a\\u0000"}', (400, "bad_request")),
        (b'{"client":"a\\u001b[2J"}', (400, "bad_request")),
        (b'{"client":"a\\u007f"}', (400, "bad_request")),
        (b'{"client":"a\\u0085"}', (400, "bad_request")),
        (b'{"client":"%b"}' % (b"a" * 129), (400, "bad_request")),
        (b'{"client":"%b"}' % ("é" * 65).encode(), (400, "bad_request")),
        (b"[" * 1024, (400, "bad_request")),
        (b" " * 1025, (413, "too_large")),
        (b'{"client":"%b"}' % (b"a" * 128), (200, "ok")),
        (b'{"client":"a","more":1}', (200, "ok")),
    ],
)
async def test_the_body_of_an_ack_is_one_short_name(
    asked: Rig, fake: FakeDelivery, body: bytes, expected: tuple[int, str]
) -> None:
    """1 to 128 bytes without control characters, in 1 KiB of JSON; nothing else is counted."""
    assert await asked.code(ack(V1, client=body)) == expected
    assert len(fake.names) == (expected[0] == 200)


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"content-encoding": "gzip"}, {"content-encoding": "br"}]
)
async def test_an_ack_is_plain_json(asked: Rig, headers: dict[str, str]) -> None:
    """Nothing is inflated for it, and no simple request of a page is one."""
    request = ack(V1)
    request.headers = {**request.headers, **headers}
    assert await asked.code(request) == (415, "unsupported_media")


async def test_an_ack_is_judged_by_its_head(asked: Rig) -> None:
    """1 KiB is waited for; the signature is right already where the channels are named."""
    head = ack(V1, "cart1/changed", client=b"")
    assert asked.endpoints.admit(head) == Admission(1024, vouched=True)
    assert asked.endpoints.admit(ack(V1, client=b"")) == Admission(1024)
    for refused, status in ((ack(None), 401), (ack(OTHER_V1, "cart1/changed"), 401), (show(V1), 405)):
        request = Request("POST", refused.path, refused.query, refused.headers)
        answer = asked.endpoints.admit(request)
        assert isinstance(answer, Response)
        assert answer.status == (status if status == 401 else 405)


@pytest.mark.parametrize("make", [show, ack])
async def test_pages_of_allowed_origins_may_ask(make: Any) -> None:
    """CORS as for subscribing: the preflight needs no signature, and a refusal is marked, too."""
    async with rigged(Limits(), cors=Cors(frozenset({"https://shop.example"}))) as rig:
        rig.endpoints._delivery._delivery = FakeDelivery()  # type: ignore[assignment]
        for signature, status in ((V1, 200), (OTHER_V1, 401)):
            request = make(signature)
            request.headers["origin"] = "https://shop.example"
            answer = await rig.ask(request)
            assert answer.status == status
            assert dict(answer.headers)["Access-Control-Allow-Origin"] == "https://shop.example"
        request = make(V1)
        preflight = Request("OPTIONS", request.path, "", {"origin": "https://shop.example"})
        allowed = dict((await rig.ask(preflight)).headers)
        assert allowed["Access-Control-Allow-Methods"] == request.method
        assert "x-signature" in allowed["Access-Control-Allow-Headers"]


async def test_a_message_goes_its_way(rig: Rig) -> None:
    """With the hub's own: stored, written to a stream, acked by its client; poison is nobody's message."""
    message_id = json.loads((await rig.ask(publish())).body)["data"]["message_id"]

    async def told() -> dict[str, Any]:
        body = json.loads((await rig.ask(show(V1, "cart1/changed", message_id=message_id))).body)
        return {name: body["data"][name] for name in ("state", "written", "acked", "clients")}

    assert await told() == {"state": "stored", "written": 0, "acked": 0, "clients": []}
    transport = opened(rig, subscribe("last=1"))
    await transport.heard(b'{"data":1,')
    assert await told() == {"state": "written", "written": 1, "acked": 0, "clients": []}
    assert await rig.code(ack(V1, message_id=message_id)) == (200, "ok")
    assert await told() == {"state": "acked", "written": 1, "acked": 1, "clients": ["phone-7"]}
    assert await rig.code(show(V1, message_id="p-" + "a" * 26)) == (400, "bad_request")
    assert await rig.code(ack(OTHER_V1, message_id=message_id)) == (401, "unauthorized")

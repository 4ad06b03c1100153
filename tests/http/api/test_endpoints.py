"""Rules of `http.api.endpoints`: status, code and effect of every public route, without a server."""

import asyncio
import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.http.rig import JSON, NOW, PUBLISH, SECRET, SUBSCRIBE, V1, Rig, opened, publish, rigged, subscribe

from fast_sse.http.api.access import Access
from fast_sse.http.api.cors import Cors
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.api.forms import Forms
from fast_sse.http.api.page import DemoPages
from fast_sse.http.message import Admission, Request, Response, Stream
from fast_sse.hub.form import Prime
from fast_sse.model.channel import Channel
from fast_sse.model.limits import Limits
from fast_sse.model.signature import Keyring, Scope, sign_v2


async def test_refusals_are_counted_by_code(rig: Rig) -> None:
    """By the code of the answer and, of a right, by why: words of ours, and never a path or a channel that a client chose."""
    for path in ("/nothing", "/nothing/else"):
        await rig.ask(publish(path=path))
    await rig.ask(publish(x_signature="0" * 64))
    await rig.ask(publish())
    found = {sample.labels: sample.value for sample in rig.endpoints.samples()}
    assert found == {
        (("code", "not_found"),): 2,
        (("code", "unauthorized"),): 1,
        (("reason", "wrong"),): 1,
    }


async def test_a_publish_is_answered_with_the_id_that_subscribers_see(rig: Rig) -> None:
    """200 with message_id, durability and duplicate, once the log holds the message."""
    answer = await rig.ask(publish())
    (record,) = await rig.log()
    bounds = await rig.store.bounds()
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "code": "ok",
        "message": "success",
        "data": {
            "message_id": bounds.newest.at(record.position).text,
            "durability": "process",
            "duplicate": False,
        },
    }


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (publish(path="/v1/sse/events/cart1"), (404, "not_found")),
        (publish(path=PUBLISH + "/"), (404, "not_found")),
        (publish(path="/metrics"), (404, "not_found")),
        (publish(path="/v1/sse/events/%2e%2e/types/x"), (400, "bad_channel")),
        (publish(path="/v1/sse/events/a%252Fb/types/x"), (400, "bad_channel")),
        (publish(path="/v1/sse/events/a%00/types/x"), (400, "bad_channel")),
        (publish(path="/v1/sse/events/%ff/types/x"), (400, "bad_channel")),
        (publish(path="/v1/sse/events/a%zz/types/x"), (400, "bad_channel")),
        (publish(content_type="text/plain"), (415, "unsupported_media")),
        (publish(content_encoding="br"), (415, "unsupported_media")),
        (publish(x_signature="0" * 64), (401, "unauthorized")),
        (publish(x_signature=V1.upper()), (401, "unauthorized")),
        (publish(x_signature=V1[:-1]), (401, "unauthorized")),
        (publish(x_signature="\xff" * 64), (401, "unauthorized")),
        (publish(x_signature=f"{V1}, {V1}"), (401, "unauthorized")),
        (publish(b"{"), (400, "bad_request")),
        (publish(b'{"data":NaN}'), (400, "bad_request")),
        (publish({"data": 1, "event_id": "other"}), (400, "bad_request")),
        (publish({"data": 1, "idempotency_key": "a"}, idempotency_key="b"), (400, "bad_request")),
        (publish(idempotency_key=""), (400, "bad_request")),
        (publish(idempotency_key="k" * 257), (400, "bad_request")),
    ],
    ids=lambda value: value.path if isinstance(value, Request) else str(value),
)
async def test_what_is_refused_is_certainly_not_stored(rig: Rig, request_: Request, expected: object) -> None:
    """Every 4xx of a publish has its code and leaves the log as it was (G2)."""
    assert await rig.code(request_) == expected
    assert await rig.log() == []


async def test_the_wrong_method_names_the_right_one(rig: Rig) -> None:
    """405 carries Allow (RFC 9110, 15.5.6)."""
    for method, path, allow in (
        ("GET", PUBLISH, "POST"),
        ("POST", SUBSCRIBE, "GET"),
        ("HEAD", SUBSCRIBE, "GET"),
    ):
        answer = await rig.ask(Request(method, path, "", {"x-signature": V1}))
        assert (answer.status, dict(answer.headers)["Allow"]) == (405, allow)


async def test_the_same_key_is_the_same_message(rig: Rig) -> None:
    """Header or field, a key known with the same body answers with the earlier id; another body is 409 (G3)."""
    body = {"data": 1, "idempotency_key": "k"}
    first = json.loads((await rig.ask(publish(body))).body)["data"]
    again = json.loads((await rig.ask(publish(body, idempotency_key="k"))).body)["data"]
    assert again == {**first, "duplicate": True}
    assert await rig.code(publish({"data": 2}, idempotency_key="k")) == (409, "key_conflict")
    assert len(await rig.log()) == 1


async def test_a_replayed_v2_publish_is_the_same_message(rig: Rig) -> None:
    """The nonce of a v2 publish is consumed: a repeat is a duplicate, not a second message."""
    body = b'{"data":1}'
    channel = Channel("cart1", "changed")
    times = {"iat": int(NOW), "exp": int(NOW) + 60}
    signature = sign_v2(SECRET, "web-1", "pub", (channel,), body=body, nonce="n" * 16, **times)
    first = json.loads((await rig.ask(publish(body, x_signature=signature))).body)["data"]
    again = json.loads((await rig.ask(publish(body, x_signature=signature, idempotency_key="new"))).body)[
        "data"
    ]
    assert (again["message_id"], again["duplicate"]) == (first["message_id"], True)
    assert len(await rig.log()) == 1
    assert await rig.code(publish(b'{"data":2}', x_signature=signature)) == (401, "unauthorized")
    wrong_scope = sign_v2(SECRET, "web-1", "sub", (channel,), body=None, nonce="m" * 16, **times)
    assert await rig.code(publish(body, x_signature=wrong_scope)) == (403, "forbidden")


async def test_a_nonce_of_another_channel_answers_for_nobody(rig: Rig) -> None:
    """A client that uses a nonce twice publishes twice: what is acknowledged is in the log of its own channel (G1, G3)."""
    body = b'{"data":1}'
    times = {"iat": int(NOW), "exp": int(NOW) + 60}
    for event_id in ("cart1", "cart2"):
        channel = Channel(event_id, "changed")
        signature = sign_v2(SECRET, "web-1", "pub", (channel,), body=body, nonce="n" * 16, **times)
        path = f"/v1/sse/events/{event_id}/types/changed"
        answer = await rig.ask(publish(body, path=path, x_signature=signature))
        assert json.loads(answer.body)["data"]["duplicate"] is False
    assert [record.channel.event_id for record in await rig.log()] == ["cart1", "cart2"]


async def test_a_field_that_the_path_gives_may_agree(rig: Rig) -> None:
    """event_id and event_type of the original's package are accepted when they agree with the path."""
    body = {"data": 1, "event_id": "cart1", "event_type": "changed", "send_direct": True}
    assert (await rig.ask(publish(body))).status == 200


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("POST", "/nothing", 404),
        ("PUT", PUBLISH, 405),
        ("POST", SUBSCRIBE, 405),
        ("POST", "/v1/sse/events/%ff/types/x", 400),
        ("POST", "/v1/sse/events", Admission(1 << 20)),
        ("GET", SUBSCRIBE, Admission(1 << 20)),
        ("OPTIONS", PUBLISH, Admission(1 << 20)),
    ],
)
async def test_what_no_body_could_mend_is_refused_from_its_head(
    rig: Rig, method: str, path: str, expected: Admission | int
) -> None:
    """A route, a method or a channel that does not exist is told before a body is waited for."""
    found = rig.endpoints.admit(Request(method, path, "", {**JSON, "x-signature": V1}))
    assert (found.status if isinstance(found, Response) else found) == expected


@pytest.mark.parametrize("limits", [Limits(), Limits(body_bytes_max=300, batch_bytes_max=200)])
async def test_a_server_is_told_the_bound_of_every_body(limits: Limits) -> None:
    """That of a message holds everywhere, but for the paths that the API names with a bound of their own."""
    pages = DemoPages({"/": Response(200)})
    async with rigged(limits, pages=pages, health_path="/health") as rig:
        assert rig.endpoints.intake.bodies == {"/v1/sse/batch": limits.batch_bytes_max}


async def test_a_page_may_read_a_refusal_from_the_head() -> None:
    """An early refusal carries the marks of CORS, as the late one does."""
    async with rigged(Limits(), cors=Cors(frozenset({"https://shop.example"}))) as rig:
        request = publish(b"", x_signature="", origin="https://shop.example")
        answer = rig.endpoints.admit(request)
        assert isinstance(answer, Response)
        assert ("Access-Control-Allow-Origin", "https://shop.example") in answer.headers


async def test_the_load_route_keeps_to_the_allow_lists(rig: Rig) -> None:
    """Unsigned as it is, it publishes nothing that a right signature could not."""
    body = json.dumps({"event_id": "cart1", "body_size": 1}).encode()
    request = Request("POST", "/v1/sse/events", "", JSON, body)
    for lists in ({"allowed_event_ids": {"cart2"}}, {"allowed_event_types": {"changed"}}):
        given = {name: frozenset(words) for name, words in lists.items()}
        rig.endpoints.access = replace(rig.endpoints.access, **given)
        assert await rig.code(request) == (403, "forbidden")
        rig.endpoints.access = replace(rig.endpoints.access, **dict.fromkeys(given))
    assert await rig.log() == []
    assert (await rig.ask(request)).status == 200


async def test_the_load_route_publishes_to_every_type(rig: Rig) -> None:
    """`body_size` KiB of generated JSON to (event_id, *), unsigned; absent when it is off."""
    request = Request("POST", "/v1/sse/events", "", dict(JSON), b'{"event_id":"cart1","body_size":50}')
    assert (await rig.ask(request)).status == 200
    (record,) = await rig.log()
    assert record.channel == ("cart1", "*")
    assert 50 * 1024 <= len(record.data) < 51 * 1024
    assert json.loads(record.data)["event_id"] == "cart1"
    too_large = Request("POST", "/v1/sse/events", "", dict(JSON), b'{"event_id":"cart1","body_size":99999}')
    assert await rig.code(too_large) == (400, "bad_request")
    off = Endpoints(rig.hub, Limits(), rig.endpoints.access, now=lambda: NOW)
    answer = off.handle(request)
    assert isinstance(answer, Response)
    assert answer.status == 404


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (subscribe(x_signature=""), (401, "unauthorized")),
        (subscribe("last=0"), (400, "bad_request")),
        (subscribe("last=1001"), (400, "bad_request")),
        (subscribe("last=²"), (400, "bad_request")),
        (subscribe("&".join(f"a{n}=" for n in range(101))), (400, "bad_request")),
        (Request("GET", SUBSCRIBE, f"signature={V1}", {}), (401, "unauthorized")),
        (Request("GET", SUBSCRIBE, "", {}), (401, "unauthorized")),
    ],
)
async def test_a_subscription_that_is_refused(rig: Rig, request_: Request, expected: object) -> None:
    """Refusals of a subscribe; a v1 signature in the query is one."""
    assert await rig.code(request_) == expected


async def test_where_a_stream_begins(rig: Rig) -> None:
    """Header beats query, a cursor beats since and last, since beats last; the first block primes the cursor."""
    first = json.loads((await rig.ask(publish())).body)["data"]["message_id"]
    second = json.loads((await rig.ask(publish())).body)["data"]["message_id"]

    def primed(request: Request) -> str:
        return opened(rig, request).written.decode().partition("id: ")[2].partition("\n")[0]

    assert primed(subscribe()) == second
    assert primed(subscribe("last_event_id=&lastEventId=&since=&last=")) == second
    assert primed(subscribe(f"lastEventId={first}")) == first
    assert primed(subscribe(f"last_event_id={second}", last_event_id=first)) == first
    assert primed(subscribe(f"last_event_id={first}&last=1&since=1h")) == first
    assert primed(subscribe(f"last_event_id={first}", last_event_id="")) == first
    assert primed(subscribe("prime=0")) == ""
    (record, _) = await rig.log()
    at_its_time = opened(rig, subscribe(f"since={record.time_ms}&last=1"))
    await at_its_time.heard(f"id: {second}\n".encode())
    assert at_its_time.written.count(b'"headers":') == 2


@pytest.mark.parametrize("place", ["header", "query", "twice"])
async def test_of_several_cursors_the_last_of_this_log_counts(rig: Rig, place: str) -> None:
    """Some clients send their first cursor beside their newest; one of another log is a gap only when it is alone."""
    ids = [json.loads((await rig.ask(publish())).body)["data"]["message_id"] for _ in range(3)]
    foreign = f"s1.{'z' * 13}.9"

    async def first_block(*cursors: str) -> bytes:
        query = {
            "query": "last_event_id=" + ",".join(cursors),
            "twice": "&".join(f"last_event_id={one}" for one in cursors),
        }
        header = {"last_event_id": ", ".join(cursors)} if place == "header" else {}
        transport = opened(rig, subscribe(query.get(place, ""), **header))
        await transport.heard(b"\n\n")
        return transport.written.partition(b"\n\n")[0]

    for cursors in (
        (ids[0], ids[1]),
        (ids[1], foreign),
        ("nonsense", ids[1]),
        ("earliest", ids[1]),
        (ids[1], "earliest"),
    ):
        assert f'"cursor":"{ids[1]}","resumed":true'.encode() in await first_block(*cursors)
    assert foreign.encode() in await first_block("nonsense", foreign)
    assert b"unreadable" in await first_block("nonsense", "more of it")
    assert b'.0","resumed":false' in await first_block("earliest", "nonsense")


async def test_in_a_query_lasteventid_counts_after_last_event_id(rig: Rig) -> None:
    """A polyfill adds the one when it comes back; the other stood in the address from the beginning, wherever each is."""
    old, new = [json.loads((await rig.ask(publish())).body)["data"]["message_id"] for _ in range(2)]
    for query in (f"lastEventId={new}&last_event_id={old}", f"last_event_id={old}&lastEventId={new}"):
        assert f'"cursor":"{new}"'.encode() in opened(rig, subscribe(query)).written


async def test_a_signature_with_a_minute_left_opens_a_stream() -> None:
    """Only one that is over by this machine's clock is told so at once."""
    async with rigged(Limits()) as rig:
        signature = sign_v2(
            SECRET,
            "web-1",
            "sub",
            (Channel("cart1", "changed"),),
            body=None,
            iat=int(NOW) - 60,
            exp=int(NOW) + 1,
            nonce="n" * 16,
        )
        told = opened(rig, subscribe(x_signature=signature, accept="text/event-stream"))
        assert b"fast-sse.start" in told.written
        assert not told.closed


async def test_an_empty_cursor_in_the_header_is_one_that_was_lost(rig: Rig) -> None:
    """A consumer that was killed while it wrote its cursor begins with a gap; one that names a start begins there."""
    await rig.ask(publish())
    lost = opened(rig, subscribe(last_event_id=""))
    await lost.heard(b"event: fast-sse.gap")
    assert b'"reason":"unreadable","from":""' in lost.written
    for query, header in (
        ("last=1", ""),
        ("since=1h", ""),
        ("since=1h", ", "),
        ("last_event_id=earliest", " ,"),
    ):
        begun = opened(rig, subscribe(query, last_event_id=header))
        await begun.heard(b'"headers":')
        assert b"fast-sse.gap" not in begun.written


@pytest.mark.parametrize(
    "query",
    [
        *("prime=1", "prime=", "prime=off", "prime=EVENT", "heartbeat=", "heartbeat=on", "heartbeat=0"),
        *("since=1764417600", "since=yesterday", "since=-5m", "last=0&since=1h"),
    ],
)
async def test_a_form_or_a_start_that_is_not_known_is_refused(rig: Rig, query: str) -> None:
    """400 before the stream begins, also beside a cursor that would beat it."""
    assert await rig.code(subscribe(query)) == (400, "bad_request")
    assert await rig.code(subscribe(query, last_event_id="earliest")) == (400, "bad_request")


@pytest.mark.parametrize("form", ["event", "id", "off"])
async def test_the_setting_names_the_form_that_a_request_may_change(form: Prime) -> None:
    """`prime` of the settings counts where the query has none."""
    async with rigged(Limits(), forms=Forms(prime=form)) as rig:
        first = {"event": b"event: fast-sse.start", "id": b"id: ", "off": b""}
        for query, told in (("", form), ("prime=event", "event"), ("prime=id", "id"), ("prime=0", "off")):
            lines = opened(rig, subscribe(query)).written.split(b"\n", 3)  # size of the chunk, retry
            assert lines[2].startswith(first[told])


async def test_only_a_subscription_that_ran_out_is_told_in_a_stream() -> None:
    """Right in all but its time, and asked for by an event stream: 200 and its own cursor back; all else is 401."""
    async with rigged(Limits()) as rig:
        first = json.loads((await rig.ask(publish())).body)["data"]["message_id"]
        cart, old = (Channel("cart1", "changed"),), int(NOW) - 4000

        def ran_out(scope: Scope = "sub", secret: bytes = SECRET, iat: int = old, **more: Any) -> str:
            exp = iat + (300 if scope == "pub" else 3600)
            return sign_v2(
                secret,
                more.pop("kid", "web-1"),
                scope,
                more.pop("channels", cart),
                body=None,
                iat=iat,
                exp=exp,
                nonce="n" * 16,
            )

        events = {"accept": "text/event-stream", "last_event_id": first}
        told = opened(rig, subscribe(x_signature=ran_out(), **events))
        assert told.closed
        assert b"event: fast-sse.expired\n" in told.written
        assert f"id: {first}\n".encode() in told.written
        assert b"fast-sse.start" not in told.written
        refused = [
            subscribe(x_signature=ran_out(), last_event_id=first),
            subscribe(x_signature=ran_out(), accept="application/json"),
            subscribe(x_signature=ran_out("pub"), **events),
            subscribe(x_signature=ran_out(secret=b"x" * 32), **events),
            subscribe(x_signature=ran_out(kid="gone"), **events),
            subscribe(x_signature=ran_out(channels=(Channel("cart1", "other"),)), **events),
            subscribe(x_signature=ran_out(iat=int(NOW) + 100), **events),
        ]
        for request in refused:
            assert await rig.code(request) == (401, "unauthorized")
        expired = publish(
            x_signature=sign_v2(
                SECRET,
                "web-1",
                "pub",
                cart,
                body=b'{"data": 1}',
                iat=int(NOW) - 900,
                exp=int(NOW) - 700,
                nonce="n" * 16,
            ),
            accept="text/event-stream",
        )
        assert await rig.code(expired) == (401, "unauthorized")
        rig.endpoints.reload(
            Access(keyring=Keyring(keys={"web-1": SECRET}), allowed_event_ids=frozenset({"x"}))
        )
        assert await rig.code(subscribe(x_signature=ran_out(), **events)) == (401, "unauthorized")


async def test_a_signature_at_its_end_is_told_so_within_the_skew() -> None:
    """It is still taken for the sake of two clocks; the stream would end at once, and come back every two seconds."""
    async with rigged(Limits()) as rig:
        signature = sign_v2(
            SECRET,
            "web-1",
            "sub",
            (Channel("cart1", "changed"),),
            body=None,
            iat=int(NOW) - 60,
            exp=int(NOW) - 5,
            nonce="n" * 16,
        )
        told = opened(rig, subscribe(x_signature=signature, accept="text/event-stream"))
        assert told.closed
        assert told.written.count(b"retry: ") == 1
        for_a_service = opened(rig, subscribe(x_signature=signature))
        assert b"fast-sse.start" in for_a_service.written
        assert b"fast-sse.start" not in told.written


async def test_http10_streams_are_not_chunked(rig: Rig) -> None:
    """HTTP/1.0 knows no chunks: the stream ends with the connection."""
    request = subscribe()
    assert b"\r\n" in opened(rig, request).written
    assert opened(rig, replace(request, http11=False)).written.startswith(b"retry: ")


async def test_overload_is_200_for_event_streams_and_503_for_others(rig: Rig) -> None:
    """Browsers give up for good on anything but 200: they are told to come back; others get 503 and Retry-After."""
    await rig.hub.drain(0)
    transport = opened(rig, subscribe(accept="text/event-stream"))
    assert transport.closed
    assert b"retry: " in transport.written
    assert b"id:" not in transport.written
    answer = await rig.ask(subscribe(accept="*/*"))
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "15")


async def test_a_closed_store_is_503_not_stored(rig: Rig) -> None:
    """A store that is gone means certainly not stored."""
    await rig.store.close()
    assert await rig.code(publish()) == (503, "not_stored")


async def test_a_cursor_of_the_client_is_never_a_4xx(rig: Rig) -> None:
    """Whatever Last-Event-ID holds, the stream opens: native EventSource gives up for good on anything but 200."""
    for text in ("garbage", "s1.0000000000000.1", "x" * 5000, "\x00", "é"):
        transport = opened(rig, subscribe(last_event_id=text))
        await asyncio.sleep(0)
        assert transport.written
        assert not transport.closed


async def test_every_route_answers_a_preflight_without_a_signature() -> None:
    """OPTIONS is 204 on every route, with allowances for a known origin; what follows may be read by its page."""
    shop = {"origin": "https://shop.example"}
    async with rigged(Limits(), cors=Cors(frozenset(shop.values()))) as rig:
        for path, method in (
            (PUBLISH, "POST"),
            (SUBSCRIBE, "GET"),
            ("/v1/sse/batch", "POST"),
            ("/v1/subscribe", "GET"),
        ):
            answer = await rig.ask(Request("OPTIONS", path, "", shop))
            assert (answer.status, dict(answer.headers)["Access-Control-Allow-Methods"]) == (204, method)
        for request in (publish(**shop), publish(b"{", **shop)):
            allowed = dict((await rig.ask(request)).headers)
            assert allowed["Access-Control-Allow-Origin"] == shop["origin"]
        stream = rig.endpoints.handle(subscribe(**shop))
        assert isinstance(stream, Stream)
        assert ("Vary", "Origin") in stream.headers


async def test_pages_are_public_and_only_where_they_are_given() -> None:
    """The demo's pages need no signature; without them `/` is 404 like everything unknown."""
    page = Response(200, b"<!doctype html>", "text/html; charset=utf-8")
    here = {"host": "localhost"}
    async with rigged(Limits(), pages=DemoPages({"/": page})) as rig:
        assert await rig.ask(Request("GET", "/", "", here)) == page
        assert await rig.code(Request("POST", "/", "", here)) == (405, "method_not_allowed")
        assert await rig.code(Request("GET", "/", "", {"host": "evil.example"})) == (403, "forbidden")
    async with rigged(Limits()) as rig:
        assert await rig.code(Request("GET", "/", "", {})) == (404, "not_found")

"""What a request shows for its right to read, and what each of the routes that are read makes of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from tests.http.rig import JSON, NOW, SECRET, V1, Rig, opened, publish, rigged
from tests.support.issuer import AUDIENCE, CLAIM, ISSUER, by_rsa, claims, jwk_of, rsa_key, set_of, token

from fast_sse.http.api.access import Access
from fast_sse.http.api.credential import Credential, credential_of
from fast_sse.http.message import Request
from fast_sse.http.tokens.keys import PUBLIC, keys_of_set
from fast_sse.http.tokens.source import FixedKeys
from fast_sse.http.tokens.verifier import Issuer, Verifier
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.limits import Limits
from fast_sse.model.right import Right
from fast_sse.model.signature import Grant, Keyring, sign_v2

CART, ALL = Channel("cart1", "changed"), Channel("*", "*")
EVENTS = {"accept": "text/event-stream"}
STREAM, HISTORY = "/v1/subscribe/events/cart1/types/changed", "/v1/messages"
ISSUED = Issuer(name=ISSUER, audience=AUDIENCE, claim=CLAIM, leeway_s=60)


class More(FixedKeys):
    """Keys of which more are to come."""

    def more(self) -> bool:
        return True


def made(*channels: str, by: str = "a", **changes: Any) -> str:
    """A token for these channels."""
    return token(claims(*channels, now=NOW, **changes), by_rsa(rsa_key(by)), kid=by)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Endpoints that take tokens."""
    async with rigged(Limits()) as rig:
        keys = FixedKeys(keys_of_set(set_of(jwk_of(rsa_key("a"), "a")), PUBLIC))
        rig.endpoints.access = msgspec.structs.replace(rig.endpoints.access, tokens=Verifier(ISSUED, keys))
        yield rig


def ask(
    path: str = STREAM,
    shown: str = "",
    *,
    right: Right | None = None,
    channels: tuple[str, ...] = (),
    query: dict[str, str] | None = None,
    headers: Mapping[str, str] = {},
) -> Request:
    """A GET, or the POST of an ack, with a token in its header."""
    bearer = {"authorization": f"Bearer {shown}"} if shown else {}
    fields = [*(("channel", one) for one in channels), *(query or {}).items()]
    acks = path.endswith("/ack")
    given = {**bearer, **headers, **(JSON if acks else {})}
    body = b'{"client":"c"}' if acks else b""
    return Request("POST" if acks else "GET", path, urlencode(fields), given, body, right=right)


async def about(rig: Rig) -> str:
    """The path of one message of the cart, without its last word."""
    answer = await rig.ask(publish({"data": 1}))
    return f"{HISTORY}/{json.loads(answer.body)['data']['message_id']}"


@pytest.mark.parametrize(
    ("headers", "fields", "expected"),
    [
        ({}, {}, Credential("", True)),
        ({"x-signature": "s"}, {"signature": "q", "token": "t"}, Credential("s")),
        ({"x-signature": ""}, {"signature": "q"}, Credential("")),
        ({"authorization": "Bearer h"}, {"signature": "q", "token": "t"}, Credential("q", True)),
        ({"authorization": "Bearer h"}, {"signature": "", "token": "t"}, Credential("", True, "h")),
        ({"authorization": "bEARER  h "}, {}, Credential("", True, "h")),
        ({"authorization": "Basic h"}, {"token": "t"}, Credential("", True, "t")),
        ({"authorization": "Bearerh"}, {}, Credential("", True)),
        ({}, {"token": ""}, Credential("", True)),
    ],
)
def test_a_signature_counts_before_a_token_and_a_header_before_the_query(
    headers: dict[str, str], fields: dict[str, str], expected: Credential
) -> None:
    """Of several the first of that order is checked, and no other."""
    shown = credential_of(Request("GET", STREAM, "", headers), fields)
    assert shown == expected
    assert shown.is_absent == (not (expected.signature or expected.token))


async def test_a_token_opens_what_a_subscribe_signature_opens(rig: Rig) -> None:
    """Streams of one and several channels, history, how far a message has come, and acks; in the header or the query."""
    place = await about(rig)
    for given in ({"shown": made("cart1/*")}, {"query": {"token": made("cart1/changed")}}):
        one = opened(rig, ask(**given))
        assert b"fast-sse.start" in one.written
        for path, channels in (
            (HISTORY, ("cart1/changed",)),
            (f"{place}/delivery", ()),
            (f"{place}/delivery", ("cart1/changed",)),
            (f"{place}/ack", ()),
        ):
            assert (await rig.code(ask(path, channels=channels, **given)))[0] == 200, path
    several = ask("/v1/subscribe", made("cart1/*", "b/t"), channels=("cart1/changed", "b/t"))
    assert b"fast-sse.start" in opened(rig, several).written


async def test_a_claim_bounds_what_is_read(rig: Rig) -> None:
    """Wider than the claim, beside it, or one of several: 401 on every route, as for a signature of another channel."""
    place, other = await about(rig), made("cart2/*", "*/other")
    wrong = [
        ask(shown=other),
        ask("/v1/subscribe", made("cart1/changed"), channels=("cart1/*",)),
        ask("/v1/subscribe", made("cart1/*", "*/changed"), channels=("*/*",)),
        ask("/v1/subscribe", made("cart1/*"), channels=("cart1/changed", "cart2/changed")),
        ask(HISTORY, other, channels=("cart1/changed",)),
        ask(f"{place}/delivery", other),
        ask(f"{place}/ack", other),
        ask(f"{place}/delivery", made("cart1/*"), channels=("cart2/changed",)),
        ask(f"{HISTORY}/m1.0000000000000.99/delivery", made("*/*")),
    ]
    for request in wrong:
        assert await rig.code(request) == (401, "unauthorized"), request


async def test_a_token_never_publishes(rig: Rig) -> None:
    """Not even one of every channel: publishing takes a signature."""
    request = publish({"data": 1}, authorization=f"Bearer {made('*/*')}")
    del request.headers["x-signature"]
    assert await rig.code(request) == (401, "unauthorized")
    assert await rig.log() == []


async def test_a_stream_has_the_end_of_its_token(rig: Rig) -> None:
    """The stream is opened with it, so that it ends then; what granted it is known for a reload."""
    opened(rig, ask(shown=made("cart1/*", exp=int(NOW) + 17)))
    (subscriber,) = rig.hub._ground.wheel
    grant = subscriber.right
    assert isinstance(grant, Grant)
    assert (grant.scheme, grant.principal, grant.expires_at) == ("jwt", "jwt", NOW + 17)
    assert rig.endpoints.access.stands(grant, subscriber.filter)
    assert subscriber._timer is not None
    assert subscriber._timer.when() - rig.hub._loop.time() == pytest.approx(17, abs=1)


async def test_a_token_that_ran_out_meanwhile_is_told_inside_a_stream(rig: Rig) -> None:
    """As a v2 signature is: 200 with `fast-sse.expired`, within the leeway and past it; anything else gets 401."""
    for ago_s in (0, 30, 61, 86_400):
        old = made("cart1/*", exp=int(NOW) - ago_s)
        told = opened(rig, ask(shown=old, headers=EVENTS))
        assert b"event: fast-sse.expired\n" in told.written
        assert b"retry: " in told.written
        assert told.closed
    within = made("cart1/*", exp=int(NOW) - 59)
    assert (await rig.code(ask(HISTORY, within, channels=("cart1/changed",))))[0] == 200
    gone = made("cart1/*", exp=int(NOW) - 61)
    for request in (ask(shown=gone), ask(HISTORY, gone, channels=("cart1/changed",))):
        assert await rig.code(request) == (401, "unauthorized")
    beside = ask("/v1/subscribe/events/cart2/types/changed", gone, headers=EVENTS)
    assert await rig.code(beside) == (401, "unauthorized")
    forged = token(claims("cart1/*", now=NOW, exp=int(NOW) - 61), by_rsa(rsa_key("b")), kid="a")
    assert await rig.code(ask(shown=forged, headers=EVENTS)) == (401, "unauthorized")


async def test_the_allow_lists_bound_tokens_and_the_application(rig: Rig) -> None:
    """403 for a right of what they do not name, and 401 for one that has ended: nobody comes back to that."""
    rig.endpoints.access = msgspec.structs.replace(
        rig.endpoints.access, allowed_event_ids=frozenset({"cart2"})
    )
    old = made("*/*", exp=int(NOW) - 61)
    assert await rig.code(ask(shown=made("*/*"))) == (403, "forbidden")
    assert await rig.code(ask(right=Right((ALL,)))) == (403, "forbidden")
    assert await rig.code(ask(shown=old, headers=EVENTS)) == (401, "unauthorized")
    assert await rig.code(ask(right=Right((ALL,), NOW - 1), headers=EVENTS)) == (401, "unauthorized")
    opened(rig, ask("/v1/subscribe/events/cart2/types/t", made("*/*")))


async def test_a_key_that_is_awaited_ends_no_client(rig: Rig) -> None:
    """While keys are fetched an event stream is told to come back, and anything else gets 503; also for an unknown message."""
    rig.endpoints.access = msgspec.structs.replace(rig.endpoints.access, tokens=Verifier(ISSUED, More(())))
    told = opened(rig, ask(shown=made("cart1/*"), headers=EVENTS))
    assert told.closed
    assert b"retry: " in told.written
    assert b"data" not in told.written
    for request in (
        ask(shown=made("cart1/*")),
        ask(HISTORY, made("cart1/*"), channels=("cart1/changed",)),
        ask(f"{HISTORY}/m1.0000000000000.99/delivery", made("cart1/*")),
    ):
        answer = await rig.ask(request)
        assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "2")


async def test_without_tokens_set_up_a_token_is_nothing(rig: Rig) -> None:
    """401, as if nothing were shown."""
    rig.endpoints.access = msgspec.structs.replace(rig.endpoints.access, tokens=None)
    assert await rig.code(ask(shown=made("*/*"))) == (401, "unauthorized")
    assert await rig.code(ask(HISTORY, query={"token": made("*/*")}, channels=("a/b",))) == (
        401,
        "unauthorized",
    )


async def test_a_401_asks_for_what_the_hub_takes(rig: Rig) -> None:
    """Signatures always, and tokens where they are set up (RFC 9110 §15.5.2, RFC 6750 §3); the same for whatever is wrong."""
    wrong = (ask(), ask(shown="a.b.c"), ask(shown=made("cart2/*")), ask(query={"signature": "v2.x"}))
    for tokens, challenge in ((rig.endpoints.access.tokens, "Fast-SSE, Bearer"), (None, "Fast-SSE")):
        rig.endpoints.access = msgspec.structs.replace(rig.endpoints.access, tokens=tokens)
        answers = [await rig.ask(request) for request in wrong]
        assert {answer.status for answer in answers} == {401}
        assert {dict(answer.headers)["WWW-Authenticate"] for answer in answers} == {challenge}


async def test_a_token_is_never_repeated_in_an_answer(rig: Rig) -> None:
    """Nor is a piece of it, whatever is wrong with it."""
    for shown in (made("cart2/*"), "x" * 9000, "a.b.c", made("cart1/*", aud="other")):
        answer = await rig.ask(ask(shown=shown, query={"token": shown[:2000]}))
        assert answer.status == 401
        assert shown[:24].encode() not in answer.body


async def test_the_word_of_the_application_is_a_right(rig: Rig) -> None:
    """On every route that is read, for what it names and no more; its end is that of the stream, to the second."""
    place, right = await about(rig), Right((Channel("cart1", "*"),))
    assert b"fast-sse.start" in opened(rig, ask(right=right)).written
    for path in (f"{place}/delivery", f"{place}/ack"):
        assert (await rig.code(ask(path, right=right)))[0] == 200
    assert (await rig.code(ask(HISTORY, right=right, channels=("cart1/changed",))))[0] == 200
    assert await rig.code(ask("/v1/subscribe", right=right, channels=("*/changed",))) == (401, "unauthorized")
    assert await rig.code(ask(right=Right(()))) == (401, "unauthorized")
    told = opened(rig, ask(right=Right((ALL,), NOW), headers=EVENTS))
    assert b"event: fast-sse.expired\n" in told.written
    opened(rig, ask(right=Right((ALL,), NOW + 5)))
    granted = [one.right for one in rig.hub._ground.wheel if isinstance(one.right, Grant)]
    assert [(one.scheme, one.expires_at) for one in granted] == [("app", None), ("app", NOW + 5)]


async def test_the_application_is_asked_where_nothing_is_shown_that_the_hub_judges(rig: Rig) -> None:
    """Not for a publish, not beside a signature or a token, right or wrong, and not for what is no route."""
    asks = rig.endpoints.asks_around
    for path in (STREAM, "/v1/subscribe", HISTORY, f"{HISTORY}/x/delivery", f"{HISTORY}/x/ack"):
        assert asks(ask(path))
        assert asks(ask(path, headers={"authorization": "Basic x"}))
        assert not asks(ask(path, "wrong"))
        assert not asks(ask(path, query={"signature": "wrong"}))
        assert not asks(ask(path, headers={"x-signature": "wrong"}))
    for request in (
        ask("/nothing"),
        ask("/v1/sse/batch"),
        publish({"data": 1}),
        ask(STREAM, query={"a": "\xff"}),
    ):
        request.headers.pop("x-signature", None)
        assert asks(request) == (request.path == STREAM)
    rig.endpoints.access = msgspec.structs.replace(rig.endpoints.access, tokens=None)
    assert asks(ask(STREAM, "for the application")), (
        "where the hub takes no tokens a bearer is the application's"
    )


async def test_a_signature_beats_the_word_of_the_application(rig: Rig) -> None:
    """Who shows a wrong signature is refused, whatever else would let it in."""
    request = ask(right=Right((ALL,)), headers={"x-signature": "0" * 64})
    assert await rig.code(request) == (401, "unauthorized")


def test_a_right_of_a_token_stands_while_its_key_does() -> None:
    """At a reload: while tokens are taken and its mark is known; that of the application always, within the lists."""
    wanted = Filter.of(CART)
    keys = keys_of_set(set_of(jwk_of(rsa_key("a"), "a")), PUBLIC)
    tokens = Verifier(ISSUED, FixedKeys(keys))
    rules = Access(keyring=Keyring(), tokens=tokens)
    mark = tokens.read(made("cart1/*"), NOW).mark
    right, told = Grant("sub", "jwt", "jwt", secret_mark=mark), Grant("sub", "app", "app")
    assert rules.stands(right, wanted)
    assert rules.stands(told, wanted)
    assert not Access(keyring=Keyring()).stands(right, wanted)
    assert not Access(keyring=Keyring(), tokens=Verifier(ISSUED, FixedKeys(()))).stands(right, wanted)
    assert not Access(keyring=Keyring(), tokens=tokens, allowed_event_ids=frozenset()).stands(told, wanted)


async def test_operators_learn_why_a_token_was_refused(rig: Rig) -> None:
    """Each word of docs/jwt.md, counted; the client is told one for all."""
    place = await about(rig)
    for request in (
        ask(shown="x" * 9000),
        ask(shown="a.b.c"),
        ask(shown=token(claims("cart1/*", now=NOW), by_rsa(rsa_key("a")), "HS256", kid="a")),
        ask(shown=made("cart1/*", by="b")),
        ask(shown=token(claims("cart1/*", now=NOW), by_rsa(rsa_key("b")), kid="a")),
        ask(shown=made("cart1/*", iss="other")),
        ask(shown=made("cart1/*", aud="other")),
        ask(shown=made("cart1")),
        ask(shown=made("cart2/*")),
        ask(f"{place}/delivery", made("cart2/*")),
        ask(shown=made("cart1/*", nbf=NOW + 99)),
        ask(shown=made("cart1/*", exp=NOW - 99)),
    ):
        await rig.ask(request)
    assert list(rig.endpoints._denied) == [
        *(
            "oversized",
            "malformed",
            "algorithm",
            "unknown_kid",
            "wrong",
            "issuer",
            "audience",
            "claim",
            "channel",
        ),
        *("not_yet", "expired"),
    ]


async def test_signatures_are_as_before(rig: Rig) -> None:
    """v1 in the header, v2 in the query: with tokens set up nothing about them is different."""
    signature = sign_v2(
        SECRET, "web-1", "sub", (CART,), body=None, iat=int(NOW), exp=int(NOW) + 60, nonce="n" * 16
    )
    opened(rig, ask(headers={"x-signature": V1}))
    opened(rig, ask(query={"signature": signature}))
    assert await rig.code(ask(query={"signature": V1})) == (401, "unauthorized")

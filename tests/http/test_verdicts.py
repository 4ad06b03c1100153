"""What is remembered with a kept head: only what holds for whoever sends it, and only under the same rules."""

from __future__ import annotations

import gzip

import msgspec
import pytest
from tests.http.rig import NOW, PUBLISH, SECRET, SUBSCRIBE, V1, Rig, publish, rigged, subscribe

from fast_sse.http.api.access import Access
from fast_sse.http.message import Head, Request, Response, Stream
from fast_sse.model.channel import Channel
from fast_sse.model.limits import Limits
from fast_sse.model.signature import Keyring, Scope, sign_v2

OTHER = b"o" * 32


def kept(request: Request) -> Request:
    """The same request, with a kept head."""
    target = request.path.encode()
    request.head = Head(request.method, target, request.headers, http11=True, keep_alive=True, length=0)
    return request


def again(request: Request, body: bytes = b"") -> Request:
    """The next request with the same head."""
    return msgspec.structs.replace(request, body=body)


async def test_the_next_publish_with_a_judged_head_is_its_own() -> None:
    """The verdict is about the head: each body is read, checked and stored for itself."""
    async with rigged(Limits()) as rig:
        first = kept(publish({"data": 1}))
        assert (await rig.code(first))[0] == 200
        assert first.head is not None
        assert first.head.verdict is not None
        assert (await rig.code(again(first, b'{"data":2,"event":"e"}')))[0] == 200
        assert await rig.code(again(first, b'{"data":')) == (400, "bad_request")
        assert await rig.code(again(first, b'{"data":3,"event_id":"other"}')) == (400, "bad_request")
        assert [(one.data, one.event, one.channel) for one in await rig.log()] == [
            (b"1", "", ("cart1", "changed")),
            (b"2", "e", ("cart1", "changed")),
        ]


@pytest.mark.parametrize("request_", [publish({"data": 1}), subscribe()])
async def test_a_reload_forgets_every_verdict(request_: Request) -> None:
    """A head that was right under the old rules is judged anew under the new ones: no secret outlives its keyring."""
    async with rigged(Limits()) as rig:
        first = kept(request_)
        assert answered(rig, first) == 200
        assert answered(rig, again(first, first.body)) == 200
        for keyring in (Keyring(secret=OTHER), Keyring(secret=SECRET, v1="off")):
            rig.endpoints.reload(Access(keyring=keyring))
            assert answered(rig, again(first, first.body)) in (401, 403)
        rig.endpoints.reload(Access(keyring=Keyring(secret=SECRET), allowed_event_ids=frozenset()))
        assert answered(rig, again(first, first.body)) == 403


def answered(rig: Rig, request: Request) -> int:
    """The status; a stream is a 200."""
    answer = rig.endpoints.handle(request)
    assert isinstance(answer, Stream | Response)
    return 200 if isinstance(answer, Stream) else answer.status


@pytest.mark.parametrize(("scope", "path"), [("pub", PUBLISH), ("sub", SUBSCRIBE)])
async def test_a_v2_signature_is_verified_every_time(scope: Scope, path: str) -> None:
    """It expires, and a publish's covers its body: nothing that it granted is remembered."""
    async with rigged(Limits()) as rig:
        body = b'{"data":1}' if scope == "pub" else None
        times = {"iat": int(NOW), "exp": int(NOW) + 60}
        signature = sign_v2(
            SECRET, "web-1", scope, (Channel("cart1", "changed"),), body=body, nonce="n" * 16, **times
        )
        request = publish(body or b"", x_signature=signature) if body else subscribe(x_signature=signature)
        first = kept(request)
        assert first.path == path
        assert answered(rig, first) == 200
        assert first.head is not None
        assert first.head.verdict is None
        if body:
            assert answered(rig, again(first, b'{"data":2}')) == 401


async def test_a_refused_head_has_no_verdict() -> None:
    """Only a grant is remembered: what was refused is judged every time, in the same order of checks."""
    async with rigged(Limits()) as rig:
        for request in (publish({"data": 1}, x_signature="0" * 64), subscribe(x_signature="0" * 64)):
            first = kept(request)
            assert answered(rig, first) == 401
            assert first.head is not None
            assert first.head.verdict is None


async def test_a_body_that_is_inflated_takes_the_whole_way() -> None:
    """What is remembered takes a body as it was sent, so a head that names a coding is not remembered."""
    async with rigged(Limits()) as rig:
        first = kept(publish(gzip.compress(b'{"data":1}'), content_encoding="gzip"))
        assert answered(rig, first) == 200
        assert first.head is not None
        assert first.head.verdict is None
        assert V1 in first.headers["x-signature"]

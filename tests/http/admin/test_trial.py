"""Publishing by hand."""

from __future__ import annotations

import pytest
from tests.http.admin.conftest import KEY, ask, published

from fast_sse.config import load
from fast_sse.node import Node

PATH = "/v1/publish-test"


async def test_a_trial_is_a_message_like_any_other(real: Node) -> None:
    """It is stored as over HTTP, and the answer is the store's."""
    answer = await ask(real, PATH, method="POST", body=b'{"event_id":"a","event_type":"t","data":{"n":1}}')
    data = answer.json()["data"]
    assert (data["durability"], data["duplicate"]) == ("process", False)
    (item,) = (await ask(real, "/v1/channels/a/t/messages")).json()["data"]["items"]
    assert (item["id"], item["data_text"]) == (data["message_id"], '{"n":1}')


async def test_a_repeated_trial_is_one_message(real: Node) -> None:
    """With an idempotency key, whose owner is the operator."""
    first, again = [await published(real, "a/t", 1, idempotency_key="k") for _ in range(2)]
    assert first == again


@pytest.mark.parametrize(
    ("body", "code", "named"),
    [
        (b"", "bad_request", "body"),
        (b"[]", "bad_request", "object"),
        (b'{"event_type":"t","data":1}', "bad_request", "event_id"),
        (b'{"event_id":"a","event_type":"t"}', "bad_request", "data"),
        (b'{"event_id":"a","event_type":"t","data":1,"head":{}}', "bad_request", "head"),
        (b'{"event_id":"a/b","event_type":"t","data":1}', "bad_channel", "segment"),
        (b'{"event_id":"a","event_type":"t","data":1,"event":"open"}', "bad_request", "event"),
        (b'{"event_id":"a","event_type":"t","data":1,"ttl_s":0}', "bad_request", "ttl_s"),
        (b'{"event_id":"a","event_type":"t","data":1,"headers":{"x":1}}', "bad_request", "headers"),
        (b'{"event_id":"a","event_type":"t","data":NaN}', "bad_request", "body"),
        (b'{"event_id":"a","event_type":"t","data":"\xff"}', "bad_request", "UTF-8"),
    ],
)
async def test_what_is_wrong_is_named(real: Node, body: bytes, code: str, named: str) -> None:
    """As over HTTP; a field that nobody knows is refused, since somebody is looking."""
    answer = await ask(real, PATH, method="POST", body=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert named in answer.json()["message"]


async def test_the_bound_of_a_body_holds(real: Node) -> None:
    """Whether it is only just too large, or does not end at all."""
    for size in (1 << 20, 1 << 22):
        body = b'{"event_id":"a","event_type":"t","data":"%b"}' % (b"x" * size)
        assert (await ask(real, PATH, method="POST", body=body)).status_code == 413


async def test_allow_lists_hold_for_operators_too(real: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after they were read again."""
    monkeypatch.setenv("FAST_SSE_AUTH__ALLOWED_EVENT_IDS", "b")
    real.reload(load(None, {"store": "memory", "node": "n1"}))
    answer = await ask(real, PATH, method="POST", body=b'{"event_id":"a","event_type":"t","data":1}')
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_nobody_tries_without_the_key(real: Node) -> None:
    """Nor with a cookie from a page of another origin."""
    body = b'{"event_id":"a","event_type":"t","data":1}'
    assert (await ask(real, PATH, KEY, "POST", body=body)).status_code == 401
    assert (await ask(real, PATH, method="POST", body=body, origin="http://evil.example")).status_code == 403
    assert (await ask(real, PATH)).status_code == 405

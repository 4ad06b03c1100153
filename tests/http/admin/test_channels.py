"""Erasing a channel, as operators do."""

from __future__ import annotations

import pytest
from tests.http.admin.conftest import KEY, FakeNode, ask, published
from tests.http.admin.test_subscribers import listen

from fast_sse.model.channel import Channel
from fast_sse.model.errors import NotStoredError
from fast_sse.node import Node


async def test_erasing_a_channel() -> None:
    """DELETE names the channel as the public paths do, decoded once, and answers how many messages and letters went."""
    node = FakeNode()
    answer = await ask(node, "/v1/channels/caf%C3%A9/*", method="DELETE")
    assert (answer.status_code, node.erased) == (200, [Channel("café", "*")])
    assert answer.json() == {
        "code": "ok",
        "data": {"event_id": "café", "event_type": "*", "erased": 3, "dead_letters": 2},
    }


async def test_erasing_says_what_stays() -> None:
    """Where the backend keeps the bytes until retention takes them, the answer does not pretend otherwise."""
    node = FakeNode()
    node.erased_stays = True
    answer = await ask(node, "/v1/channels/a/t", method="DELETE")
    assert answer.json()["data"]["bodies"].startswith("stay in the backend until retention")


async def test_erasing_what_cannot_be_erased() -> None:
    """A bad channel is 400, a store that is away 503, another method 405, a missing key 401: and nothing is erased."""
    node = FakeNode()
    for path, expected in (
        ("/v1/channels/a/%2e%2e", 400),
        ("/v1/channels/a%2Fb/c", 400),
        ("/v1/channels/a%2Fb", 404),
        ("/v1/channels//b", 404),
        ("/v1/channels/a", 404),
        ("/v1/channels/a/b/c", 404),
    ):
        assert (await ask(node, path, method="DELETE")).status_code == expected
    assert (await ask(node, "/v1/channels/a/b", method="GET")).headers["allow"] == "DELETE"
    assert (await ask(node, "/v1/channels/a/b", KEY, "DELETE")).status_code == 401
    assert node.erased == []
    away = await ask(FakeNode(error=NotStoredError("away")), "/v1/channels/a/b", method="DELETE")
    assert (away.status_code, away.json()["code"]) == (503, "not_stored")


async def test_channels_are_listed_with_what_is_known(real: Node) -> None:
    """The busiest first, with who listens; how exact the rates are is said once."""
    listen(real, "a/*")
    await published(real, "a/t", 1, 2)
    await published(real, "b/t", 1)
    data = (await ask(real, "/v1/channels")).json()["data"]
    first, second, third = data["items"]
    assert (first["event_id"], first["subscribers"], first["listening"]) == ("a", 0, 1)
    assert first["per_s"] > second["per_s"] > 0
    assert third == {"event_id": "a", "event_type": "*", "per_s": None, "subscribers": 1, "listening": None}
    assert (data["more"], data["per_s_error"], data["counted"], data["streams"]) == (False, 0, 2, 1)
    assert (data["counted_max"], data["window_s"]) == (2000, 60)


async def test_channels_are_searched_and_bounded(real: Node) -> None:
    """By part of their name; of more than asked for it is said that there are more."""
    await published(real, "cart-1/t", 1)
    await published(real, "cart-2/t", 1)
    await published(real, "user-1/t", 1)
    data = (await ask(real, "/v1/channels?search=CART&limit=1&top=subscribers")).json()["data"]
    assert (len(data["items"]), data["more"]) == (1, True)
    data = (await ask(real, "/v1/channels?search=r-1%2F")).json()["data"]
    assert [item["event_id"] for item in data["items"]] == ["user-1"]


@pytest.mark.parametrize("query", ["top=age", "limit=0", "limit=201", "serach=a", "search=" + "a" * 513])
async def test_what_is_asked_wrongly_is_named(real: Node, query: str) -> None:
    """With the parameter that is wrong."""
    answer = await ask(real, f"/v1/channels?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert query.partition("=")[0] in answer.json()["message"]

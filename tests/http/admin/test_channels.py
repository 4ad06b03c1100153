"""Erasing a channel, as operators do."""

from __future__ import annotations

from tests.http.admin.conftest import KEY, FakeNode, ask

from fast_sse.model.channel import Channel
from fast_sse.model.errors import NotStoredError


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

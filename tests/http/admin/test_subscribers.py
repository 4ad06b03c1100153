"""The streams of a node, and the end of one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.http.admin.conftest import ask, published
from tests.hub.transport import FakeTransport

from fast_sse.hub.form import Form
from fast_sse.hub.subscription import Subscription
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.signature import Grant
from fast_sse.node import Node


def listen(node: Node, *channels: str, right: object = None) -> FakeTransport:
    """A stream of these channels."""
    transport = FakeTransport()
    wanted = Filter.of(*(Channel(*channel.split("/")) for channel in channels))
    transport.set_protocol(node.hub.subscribe(transport, Subscription(wanted, Form(), right=right)))
    return transport


async def items(node: Node, query: str = "") -> list[dict[str, Any]]:
    """The streams of one answer."""
    found: list[dict[str, Any]] = (await ask(node, f"/v1/subscribers{query}")).json()["data"]["items"]
    return found


async def test_streams_are_shown_with_what_finds_their_client(real: Node) -> None:
    """Its channels, its address and whose key let it in; nothing that would let anybody else in."""
    secret = "this-tells-which-secret"
    listen(real, "a/t", "b/*", right=Grant("sub", "v2", "web", "web-2", 1.0, "nonce-nonce-nonce", secret))
    (cursor,) = await published(real, "a/t", 1)
    answer = await ask(real, "/v1/subscribers")
    (item,) = answer.json()["data"]["items"]
    assert item == {
        "id": item["id"],
        "state": "live",
        "channels": [{"event_id": "a", "event_type": "t"}, {"event_id": "b", "event_type": "*"}],
        "channels_count": 2,
        "address": "192.0.2.1",
        "principal": "web-2",
        "age_s": 0,
        "queued_bytes": 0,
        "stands_s": None,
        "behind": 0,
        "cursor": cursor,
    }
    assert "nonce" not in answer.text
    assert secret not in answer.text


async def test_all_are_counted_by_their_state(real: Node) -> None:
    """Whatever was asked for; of a v1 signature there is no kid to show."""
    listen(real, "a/t", right=Grant("sub", "v1", "v1"))
    listen(real, "b/t")
    await published(real, "a/t", 1)
    data = (await ask(real, "/v1/subscribers?channel=a/t&limit=1&order=oldest")).json()["data"]
    assert (data["total"], data["states"]["live"], len(data["items"]), data["more"]) == (2, 2, 1, False)
    assert data["items"][0]["principal"] == "v1"


async def test_many_channels_of_a_stream_are_counted(real: Node) -> None:
    """And the first of them shown."""
    listen(real, *(f"a{number}/t" for number in range(64)))
    (item,) = await items(real)
    assert (len(item["channels"]), item["channels_count"]) == (8, 64)


async def test_a_stream_is_ended_once(real: Node) -> None:
    """Its client is told to come back; a second time there is nothing to end."""
    transport = listen(real, "a/t")
    (item,) = await items(real)
    path = f"/v1/subscribers/{item['id']}"
    assert (await ask(real, path, method="DELETE")).json()["data"] == {"ended": 1}
    assert b"retry: " in transport.wire.rpartition(b"\n\n")[2]
    assert transport.is_closing()
    again = await ask(real, path, method="DELETE")
    assert (again.status_code, again.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "code", "named"),
    [
        ("order=fast", "bad_request", "oldest, slow, lagging"),
        ("limit=0", "bad_request", "limit"),
        ("limit=201", "bad_request", "limit"),
        ("channel=a", "bad_channel", "ID/TYPE"),
        ("channel=a/b/c", "bad_channel", "ID/TYPE"),
        ("filter=a/t", "bad_request", "filter"),
    ],
)
async def test_what_is_asked_wrongly_is_named(real: Node, query: str, code: str, named: str) -> None:
    """With the parameter that is wrong."""
    answer = await ask(real, f"/v1/subscribers?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert named in answer.json()["message"]

"""Messages of the log, as operators see them."""

from __future__ import annotations

import pytest
from tests.http.admin.conftest import FakeNode, ask, published

from fast_sse.http.admin import messages as module
from fast_sse.model.errors import NotStoredError
from fast_sse.node import Node

LIST = "/v1/channels/a/t/messages"


async def test_the_newest_messages_of_a_channel(real: Node) -> None:
    """Whole and exact: what a page would round or change is text."""
    (first,) = await published(
        real,
        "a/t",
        12345678901234567890,
        headers={"x": "<img onerror=alert(1)>"},
        event="cart",
        event_name="Name",
        user={"n": 1},
        ttl_s=60,
    )
    await published(real, "b/t", "other")
    data = (await ask(real, LIST)).json()["data"]
    (item,) = data["items"]
    assert item == {
        "id": first,
        "time_ms": item["time_ms"],
        "event_id": "a",
        "event_type": "t",
        "event": "cart",
        "expires_ms": item["time_ms"] + 60_000,
        "headers": {"x": "<img onerror=alert(1)>", "send_time": item["headers"]["send_time"]},
        "event_name": "Name",
        "user_text": '{"n": 1}',
        "data_text": "12345678901234567890",
        "data_bytes": 20,
        "truncated": False,
    }
    assert data["gap"] is None


async def test_page_after_page(real: Node) -> None:
    """`next` is the `after` of the following page, and null at the end."""
    ids = await published(real, "a/t", 1, 2, 3)
    first = (await ask(real, f"{LIST}?after=earliest&limit=2")).json()["data"]
    assert [item["id"] for item in first["items"]] == ids[:2]
    second = (await ask(real, f"{LIST}?after={first['next']}&limit=2")).json()["data"]
    assert ([item["id"] for item in second["items"]], second["next"]) == (ids[2:], None)
    assert (await ask(real, LIST + "?limit=1")).json()["data"]["items"][0]["id"] == ids[2]


async def test_messages_of_a_time(real: Node) -> None:
    """From a time on, and up to one; both are the store's."""
    ids = await published(real, "a/t", 1)
    time_ms = (await ask(real, LIST)).json()["data"]["items"][0]["time_ms"]
    for query, found in (
        (f"from_ms={time_ms}", ids),
        (f"from_ms={time_ms + 1}", []),
        (f"before_ms={time_ms}", []),
        (f"before_ms={time_ms + 1}", ids),
        (f"after=earliest&before_ms={time_ms}", []),
    ):
        answer = (await ask(real, f"{LIST}?{query}")).json()["data"]
        assert [item["id"] for item in answer["items"]] == found, query


async def test_a_long_message_is_cut_in_a_list_and_not_alone(real: Node) -> None:
    """A list of a hundred large messages would be no page; how large they are is told."""
    text = "é" * 10_000
    (cursor,) = await published(real, "a/t", text)
    (item,) = (await ask(real, LIST)).json()["data"]["items"]
    assert (item["truncated"], len(item["data_text"])) == (True, 4096)
    assert item["data_bytes"] == 20_002
    alone = (await ask(real, f"/v1/messages/{cursor}")).json()["data"]
    assert alone["message"]["data_text"] == f'"{text}"'
    assert alone["message"]["truncated"] is False


async def test_half_an_envelope_is_none(real: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a message that is too long to be shown the beginning is, and no envelope that no subscriber ever got."""
    monkeypatch.setattr(module, "SHOWN_BYTES", 4)
    (cursor,) = await published(real, "a/t", "12345")
    data = (await ask(real, f"/v1/messages/{cursor}")).json()["data"]
    assert (data["message"]["data_text"], data["envelope_text"]) == ('"123', None)


async def test_a_channel_is_named_as_on_the_public_listener(real: Node) -> None:
    """Decoded once, wildcards as patterns; what is no channel is named."""
    await published(real, "caf\u00e9/t", 1)
    for path in (
        "/v1/channels/caf%C3%A9/t/messages",
        "/v1/channels/*/t/messages",
        "/v1/channels/*/*/messages",
    ):
        assert len((await ask(real, path)).json()["data"]["items"]) == 1
    assert (await ask(real, "/v1/channels/caf%25C3%25A9/t/messages")).json()["code"] == "bad_channel"
    assert (await ask(real, "/v1/channels/a%2Fb/t/messages")).json()["code"] == "bad_channel"


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("after=nonsense", "after"),
        ("after=", "after"),
        ("from_ms=x", "from_ms"),
        ("before_ms=-1", "before_ms"),
        ("after=earliest&from_ms=1", "after and from_ms"),
        ("befor_ms=1", "befor_ms"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_what_is_asked_wrongly_is_named(real: Node, query: str, named: str) -> None:
    """With the parameter that is wrong."""
    answer = await ask(real, f"{LIST}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert named in answer.json()["message"]


async def test_a_place_of_another_log_is_a_gap(real: Node) -> None:
    """What follows it cannot be known: the page begins with what there is, and says so."""
    await published(real, "a/t", 1)
    data = (await ask(real, f"{LIST}?after=m1.0000000000000.1")).json()["data"]
    assert (data["gap"]["reason"], len(data["items"])) == ("epoch", 1)


async def test_a_message_by_its_id(real: Node) -> None:
    """As subscribers see it, and where it is now."""
    (cursor,) = await published(real, "a/t", {"n": 1})
    data = (await ask(real, f"/v1/messages/{cursor}")).json()["data"]
    send_time = data["message"]["headers"]["send_time"]
    assert data["envelope_text"] == f'{{"data":{{"n": 1}},"headers":{{"send_time":"{send_time}"}}}}'
    assert (data["message"]["id"], data["letter"], data["delivery"]["state"]) == (cursor, None, "stored")
    assert data["delivery"]["message_id"] == cursor


@pytest.mark.parametrize(("text", "status"), [("nonsense", 400), ("m1.0000000000000.1", 404), ("{0}9", 404)])
async def test_a_message_that_is_not_there(real: Node, text: str, status: int) -> None:
    """What is no id is said to be none; what is unknown is not found."""
    (cursor,) = await published(real, "a/t", 1)
    assert (await ask(real, f"/v1/messages/{text.format(cursor)}")).status_code == status


async def test_a_store_that_is_not_open() -> None:
    """The dashboard is up before the store is: such a request may be repeated."""

    class Closed(FakeNode):
        @property
        def hub(self) -> object:
            raise NotStoredError("the store is not open yet")

    for path in (
        LIST,
        "/v1/messages/m1.a.1",
        "/v1/channels",
        "/v1/subscribers",
        "/v1/nodes",
        "/v1/channels/a/t/tail",
    ):
        answer = await ask(Closed(), path)
        assert (answer.status_code, answer.json()["code"]) == (503, "not_stored")
        assert answer.headers["retry-after"] == "1"

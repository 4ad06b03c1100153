"""Fields of a publish that are not known: ignored as ever, and named in the answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.http.api.test_batching import batch
from tests.http.rig import publish, rigged

from fast_sse.http.api.ignored import NAME_CHARACTERS_MAX, NAMES_MAX, ignored_tail
from fast_sse.model.limits import Limits


async def answered(body: Any) -> dict[str, Any]:
    """The `data` of the answer to a publish."""
    async with rigged(Limits()) as rig:
        answer = await rig.ask(publish(body))
    assert answer.status == 200
    data: dict[str, Any] = json.loads(answer.body)["data"]
    return data


@pytest.mark.parametrize(
    ("body", "ignored", "hint"),
    [
        ({"data": 1, "ttl": 5}, ["ttl"], "did you mean ttl_s in place of ttl?"),
        (
            {"data": 1, "Headers": {}, "foo": 1},
            ["Headers", "foo"],
            "did you mean headers in place of Headers?",
        ),
        ({"data": 1, "xyz": 1}, ["xyz"], None),
        ({"data": 1, "send_direct": True, "evnt": "a"}, ["evnt"], "did you mean event in place of evnt?"),
    ],
)
async def test_what_is_ignored_is_named(body: Any, ignored: list[str], hint: str | None) -> None:
    """The message is stored, and the answer says which fields had no effect and what may have been meant."""
    data = await answered(body)
    assert data["ignored"] == ignored
    assert data.get("hint") == hint
    assert data["message_id"]


@pytest.mark.parametrize(
    "body", [{"data": {"ttl": 5}}, {"data": 1, "send_direct": True}, {"data": 1, "ttl_s": 5}]
)
async def test_nothing_is_said_where_nothing_is_ignored(body: Any) -> None:
    """A field of the data is the publisher's own, and one of the original means nothing to be told."""
    assert set(await answered(body)) == {"message_id", "durability", "duplicate"}


async def test_a_field_that_is_wrong_is_refused_as_before() -> None:
    """An unknown field beside it takes nothing from the answer."""
    async with rigged(Limits()) as rig:
        answer = await rig.ask(publish({"data": 1, "ttl": 5, "ttl_s": "long"}))
    assert answer.status == 400
    assert b"ttl_s" in answer.body


async def test_each_line_of_a_batch_says_its_own() -> None:
    """A line without unknown fields says nothing, and a refused one only why."""
    lines: list[dict[str, Any]] = [{"data": 1}, {"data": 2, "ttl": 1}, {"ttl": 1}, {"data": 3, "user_": {}}]
    body = b"\n".join(json.dumps({"event_id": "a", "event_type": "t", **line}).encode() for line in lines)
    async with rigged(Limits()) as rig:
        answer = await rig.ask(batch(body))
    results = json.loads(answer.body)["data"]["results"]
    assert [one.get("ignored") for one in results] == [None, ["ttl"], None, ["user_"]]
    assert results[2]["code"] == "bad_request"


def test_names_are_bounded() -> None:
    """What a stranger wrote is not repeated at any length."""
    body = json.dumps({"data": 1, **{f"{number}{'x' * 1000}": 1 for number in range(100)}}).encode()
    said = json.loads(b"{" + ignored_tail(body)[1:] + b"}")
    assert len(said["ignored"]) == NAMES_MAX
    assert {len(name) for name in said["ignored"]} == {NAME_CHARACTERS_MAX}

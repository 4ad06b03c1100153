"""Fields of `GET /v1/messages`: each that cannot be read is named. What the pages hold: tests/e2e/test_history.py."""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import urlencode

import pytest
from tests.http.rig import V1, rigged

from fast_sse.http.api.history import READS_MAX
from fast_sse.http.message import Request
from fast_sse.model.errors import BadChannelError
from fast_sse.model.limits import Limits


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"limit": "0"}, "limit must be 1 to 200"),
        ({"limit": "201"}, "limit must be 1 to 200"),
        ({"limit": "many"}, "limit must be 1 to 200"),
        ({"last": "-1"}, "last must be 1 to 200"),
        ({"limt": "5"}, "there is no field 'limt' here"),
        ({"after": "earliest", "last": "3"}, "after and last both say where to begin"),
        ({"since": "yesterday"}, "since"),
    ],
)
async def test_a_field_that_cannot_be_read_is_named(fields: dict[str, str], said: str) -> None:
    """400, and the answer says which."""
    async with rigged(Limits()) as rig:
        query = urlencode({"channel": "cart1/changed", **fields})
        answer = await rig.ask(Request("GET", "/v1/messages", query, {"x-signature": V1}))
    assert answer.status == 400
    assert said in answer.body.decode()


async def test_a_field_that_comes_twice_is_refused() -> None:
    """Which of the two was meant cannot be known; only channels may come often."""
    async with rigged(Limits()) as rig:
        query = "channel=cart1/changed&channel=cart1/changed&limit=1&limit=2"
        answer = await rig.ask(Request("GET", "/v1/messages", query, {"x-signature": V1}))
    assert answer.status == 400
    assert "limit comes twice" in answer.body.decode()


async def test_without_a_channel_nothing_is_looked_up() -> None:
    """400, before any signature."""
    async with rigged(Limits()) as rig:
        answer = await rig.ask(Request("GET", "/v1/messages", "", {}))
    assert (answer.status, BadChannelError.code in answer.body.decode()) == (400, True)


async def test_pages_that_wait_are_bounded() -> None:
    """A crowd of readers holds no more than so many requests: the next is told to come back. Nothing is kept of those who were."""
    async with rigged(Limits()) as rig:
        request = Request("GET", "/v1/messages", "channel=cart1/changed", {"x-signature": V1})
        answers = await asyncio.gather(*(rig.ask(request) for _ in range(READS_MAX + 3)))
        assert Counter(answer.status for answer in answers) == {200: READS_MAX, 503: 3}
        assert ("Retry-After", "1") in answers[-1].headers
        assert (await rig.ask(request)).status == 200

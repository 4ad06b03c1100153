"""The operators' page of numbers."""

from __future__ import annotations

import pytest
from tests.http.admin.conftest import KEY, FakeNode, ask


async def test_metrics_are_the_node_s() -> None:
    """The body and the media type are the node's, and nobody keeps a copy."""
    answer = await ask(FakeNode(), "/metrics")
    assert (answer.status_code, answer.text) == (200, "fast_sse_streams_open 3\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("opened", "shown", "status"),
    [(False, "", 401), (False, f"Bearer {KEY.decode()}", 200), (True, "", 200), (True, "Bearer wrong", 200)],
)
async def test_metrics_ask_for_the_key_unless_they_are_open(opened: bool, shown: str, status: int) -> None:
    """How many streams are open is the operators' business, until they say otherwise; nothing else opens with it."""
    answer = await ask(FakeNode(), "/metrics", KEY, authorization=shown, metrics_open=opened)
    assert answer.status_code == status
    path = "/v1/channels/a/b"
    assert (await ask(FakeNode(), path, KEY, "DELETE", metrics_open=opened)).status_code == 401

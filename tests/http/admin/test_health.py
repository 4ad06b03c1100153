"""The probes: alive, ready for publishers, ready for subscribers."""

from __future__ import annotations

import pytest
from tests.http.admin.conftest import KEY, FakeNode, ask

from fast_sse.model.errors import NotStoredError


@pytest.mark.parametrize("state", ["starting", "ready", "draining"])
async def test_health_is_the_loop_alone(state: str) -> None:
    """/healthz is 200 in every state, whatever the store says: a restart would not bring the store back."""
    node = FakeNode(state, NotStoredError("down"))
    answer = await ask(node, "/healthz")
    assert (answer.status_code, answer.json()["code"], node.probes) == (200, "ok", 0)


@pytest.mark.parametrize("path", ["/readyz/publish", "/readyz/subscribe"])
async def test_ready_means_ready(path: str) -> None:
    """A ready node says so, with its store and what a 2xx of it means."""
    answer = await ask(FakeNode(), path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "code": "ok",
        "data": {"node": "n1", "state": "ready", "store": "sqlite", "durability": "fsync", "following": True},
    }


@pytest.mark.parametrize("state", ["starting", "draining"])
@pytest.mark.parametrize("path", ["/readyz/publish", "/readyz/subscribe"])
async def test_neither_before_nor_after(path: str, state: str) -> None:
    """A node that has not started yet, or is going away, is sent nobody."""
    answer = await ask(FakeNode(state), path)
    assert answer.status_code == 503
    body = answer.json()
    assert (body["code"], body["data"]["state"], body["message"]) == (
        "not_ready",
        state,
        f"the hub is {state}",
    )
    assert body["request_id"]


async def test_a_lost_store_stops_publishers_only() -> None:
    """While the store does not take writes, publishers go elsewhere and subscribers stay."""
    node = FakeNode(error=NotStoredError("the store does not answer"))
    publish, subscribe = await ask(node, "/readyz/publish"), await ask(node, "/readyz/subscribe")
    assert (publish.status_code, publish.json()["message"]) == (503, "the store does not answer")
    assert subscribe.status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz/publish", "/readyz/subscribe"])
async def test_probes_are_open(path: str) -> None:
    """Whoever restarts or balances has no key."""
    assert (await ask(FakeNode(), path, KEY)).status_code == 200


async def test_readiness_says_damaged() -> None:
    """A log of which a part cannot be read takes publishes all the same: 200, and a word for whoever looks."""
    node = FakeNode()
    for path in ("/readyz/publish", "/readyz/subscribe"):
        node.damaged = False
        assert "damaged" not in (await ask(node, path)).json()["data"]
        node.damaged = True
        answer = await ask(node, path)
        assert (answer.status_code, answer.json()["data"]["damaged"]) == (200, True)

"""The main walk over two nodes of one Redis: each thing is looked at from the node that did not do it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.browser.conftest import OpenPage, need
from tests.browser.dashboard.operators import Operated, Operator
from tests.support.redis_server import RedisServer, need_redis

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
    # Two nodes, a Redis and perhaps the browser are started first. Each step has a bound of its own.
    pytest.mark.timeout(120),
]

CHANNEL = ("walk", "two_nodes")


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that no other test uses."""
    need_redis()
    with RedisServer(tmp_path / "redis", persistence="everysec") as server:
        yield server


@pytest.fixture
def nodes(redis_server: RedisServer, tmp_path: Path) -> Iterator[list[Operated]]:
    """Two of them, over it."""
    need("chromium")
    nodes = []
    for name in ("n0", "n1"):
        (tmp_path / name).mkdir()
        settings = {"FAST_SSE_NODE": name, "FAST_SSE_REDIS__URL": redis_server.url}
        nodes.append(Operated(tmp_path / name, store="redis", settings=settings))
    with nodes[0], nodes[1]:
        yield nodes


async def test_the_walk_over_two_nodes(
    open_page: OpenPage, nodes: list[Operated], redis_server: RedisServer
) -> None:
    """Published at one, seen and delivered at the other; dead at one, replayed by the other; a lost store is said by both."""
    first = await Operator.at(await open_page(), nodes[0], "nodes")
    second = await Operator.at(await open_page(), nodes[1], "channels/walk/two_nodes")
    rows = first.text("tbody tr")
    await expect(rows).to_have_count(2)
    await expect(rows.locator(".badge").last).to_have_text(re.compile("heard|idle"))
    await first.says("n0 (this one)")
    # A message of the first, without anybody to take it, dies and is replayed by the second.
    await first.go("publish?event_id=walk&event_type=two_nodes")
    await first.click("Publish")
    await expect(first.text(".tail li")).to_contain_text("stored (redis-everysec)")
    await expect(second.text(".tail li .data")).to_have_text('{"sku": "SKU-45678", "quantity": 2}')
    message = await first.text(".tail li a").last.inner_text()

    async def dead() -> bool:
        return (await nodes[1].operate("GET", f"/v1/dead-letters/{message}")).status == 200

    await second.until(dead)
    subscriber = nodes[0].subscriber(CHANNEL).start()
    try:
        await subscriber.ready()
        await second.go("dead-letters")
        await second.text("tbody a").first.click()
        await second.click("Replay…")
        await second.click("Replay")
        await second.told("Replayed")
        await subscriber.count(1)
        await first.go("streams")
        await expect(first.text("tbody tr")).to_have_count(1)
        await second.go("streams")
        await second.says("No stream is open on this node.")
    finally:
        await subscriber.stop()
    await second.go("channels/walk/two_nodes?view=kept")
    await expect(second.text(".tail li")).to_have_count(2)

    # The store is lost and comes back: both say so by themselves, and of others say nothing meanwhile.
    await first.go("overview")
    await second.go("overview")
    redis_server.kill()
    for operator in (first, second):
        await expect(operator.text("#state")).to_contain_text("The store does not answer")
    await first.go("nodes")
    await first.says("Nothing is known of other nodes now")
    await expect(rows.locator(".badge")).to_have_text(["heard", "not known"])
    await first.go("overview")
    redis_server.start()
    for operator in (first, second):
        await expect(operator.text("#state")).to_contain_text("is ready")

    # One node is killed: the other says that it is silent.
    nodes[1].kill_now()
    await nodes[0].publish(CHANNEL, "something to tell of")
    await first.go("nodes")
    await expect(rows.locator(".badge")).to_have_text(["heard", "silent"])
    await expect(second.page.locator("#fresh")).to_contain_text("reconnecting")

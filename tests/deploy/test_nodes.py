"""docs/nodes.md run: nginx with its `upstream` of two servers before two hubs on one Redis, and nodes that end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.deploy.conftest import Listen
from tests.deploy.nginx import RECIPE, Nginx
from tests.deploy.proxy import Certificate, rendered
from tests.deploy.test_shards import UPSTREAM
from tests.deploy.upstream import OK, upstream
from tests.faults.cluster.nodes import metric, on_redis
from tests.support.http1 import Address, request
from tests.support.kernel import eventually
from tests.support.publisher import Pair, Publisher, publish_once, signed, subscribe_target
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import ROOT, Hub
from tests.support.sign import SECRET
from tests.support.sse import Client

from fast_sse.config import load

PAGE = (ROOT / "docs" / "nodes.md").read_text()
STREAMS = 10

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def block(language: str) -> str:
    """The first code block of the page in a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def two_servers(second: Address) -> str:
    """The recipe with the page's `upstream` in the place of its own; the first server is Nginx's to fill in."""
    ours = rendered(
        block("nginx"), {"10.0.0.11:30000": "127.0.0.1:30000", "10.0.0.12:30000": f"{second[0]}:{second[1]}"}
    )
    recipe, times = UPSTREAM.subn(ours, RECIPE.read_text())
    assert times == 1
    return recipe


class Pairs(NamedTuple):
    """Nginx, and the two nodes behind it, which keep their ports."""

    nginx: Nginx
    nodes: tuple[Hub, Hub]


@pytest.fixture(scope="module")
def shared(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairs]:
    """All of it, for all tests here."""
    need_redis()
    directories = [tmp_path_factory.mktemp(name) for name in ("redis", "first", "second", "nginx")]
    with RedisServer(directories[0]) as server:
        settings = {**on_redis(server).settings, "FAST_SSE_DRAIN_S": "0.4"}
        first, second = (
            Hub(directories[number], store="redis", settings={**settings, "FAST_SSE_NODE": f"n{number}"})
            for number in (1, 2)
        )
        recipe = two_servers(second.public)
        with first, second, Nginx(directories[3], first.public, certificate, recipe) as nginx:
            yield Pairs(nginx, (first, second))


@pytest.fixture
async def pair(shared: Pairs) -> Pairs:
    """Both nodes running, and nginx knows it."""
    for node in shared.nodes:
        if not node.alive():
            await back(shared, node)
    return shared


@asynccontextmanager
async def nothing_lost(
    pair: Pairs, channel: Pair, listen: Listen
) -> AsyncIterator[tuple[Publisher, list[Client]]]:
    """Streams through nginx, and a publisher that goes on; afterwards every stream has all of it once, in order, without a gap."""
    crowd = [await listen(pair.nginx.plain, channel).ready() for _ in range(STREAMS)]
    publisher, stopping = Publisher("p", pair.nginx.plain), asyncio.Event()

    async def publish() -> None:
        while not stopping.is_set():
            await publisher.publish_surely(channel)

    going = asyncio.create_task(publish())
    yield publisher, crowd
    stopping.set()
    await going
    publisher.close()
    for client in crowd:
        await client.until(lambda c=client: len(c.events) >= len(publisher.history))  # type: ignore[misc]
    wanted = [message.payload for message in publisher.history]
    assert [client.payloads == wanted for client in crowd] == [True] * STREAMS
    assert [(client.finals, client.gaps) for client in crowd] == [([], [])] * STREAMS


async def ten_more(publisher: Publisher, crowd: list[Client]) -> None:
    """Wait until that many have been published, and every stream has the newest of them."""
    wanted = len(publisher.history) + 10
    await eventually(lambda: len(publisher.history) >= wanted, 20, "ten more messages")
    newest = publisher.history[wanted - 2].payload
    for client in crowd:
        await client.until_payload(newest)


async def gone(node: Hub) -> None:
    """Kill -9, if it runs."""
    if node.alive():
        node.kill_now()
        await node.await_exit()


async def back(pair: Pairs, node: Hub) -> None:
    """Start a node, and wait until nginx asks it again: one of the publishes here has reached it."""
    await node.astart()
    async with asyncio.timeout(20):
        while not await metric(node, "fast_sse_publishes_total"):
            assert (await publish_once(pair.nginx.plain, ("somebody", "else"), 1)).status == 200


def test_the_settings_of_the_page_are_a_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page gives each node is taken, with a secret and the address of its store."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_REDIS__URL", "redis://10.0.0.20")
    (tmp_path / "hub.toml").write_text(block("toml"))
    config = load(tmp_path / "hub.toml")
    assert (config.store, config.node_name, config.host) == ("redis", "hub-1", "10.0.0.11")


async def test_a_node_that_is_back_gets_the_new_streams(pair: Pairs, channel: Pair, listen: Listen) -> None:
    """While it was away the other one took all; from then on it gets new streams until it has as many."""
    node, other = pair.nodes
    await gone(node)
    for _ in range(STREAMS):
        await listen(pair.nginx.plain, channel).ready()
    await back(pair, node)
    for _ in range(STREAMS):
        await listen(pair.nginx.plain, channel).ready()
    assert [await metric(each, "fast_sse_streams_open") for each in (node, other)] == [STREAMS, STREAMS]


async def test_nodes_are_restarted_one_after_the_other(pair: Pairs, channel: Pair, listen: Listen) -> None:
    """A rolling restart under publishes: each node drains with exit status 0, and streams and publishes lose nothing by it."""
    async with nothing_lost(pair, channel, listen) as (publisher, crowd):
        for node in pair.nodes:
            await ten_more(publisher, crowd)
            node.terminate_now()
            assert await node.await_exit() == 0, node.tail_of_log()
            await ten_more(publisher, crowd)
            await back(pair, node)
    unknown = [message for message in publisher.history if len(message.attempts) > 1]
    assert len(unknown) <= len(pair.nodes), "one that was on its way to a connection that just closed"


async def test_a_killed_node_costs_a_reconnect(pair: Pairs, channel: Pair, listen: Listen) -> None:
    """Kill -9 of a node under publishes: every stream has every message once, from the node that is left."""
    async with nothing_lost(pair, channel, listen) as (publisher, crowd):
        await ten_more(publisher, crowd)
        await gone(pair.nodes[0])
        await ten_more(publisher, crowd)
    assert sum(len(client.opened) for client in crowd) > STREAMS, "nobody was on the node that was killed"


async def test_a_publish_goes_to_the_node_that_is_left(shared: Pairs, channel: Pair) -> None:
    """A node that refuses costs a publish nothing, with or without a key: the other one is asked."""
    await gone(shared.nodes[0])
    statuses = [(await publish_once(shared.nginx.plain, channel, number)).status for number in range(10)]
    assert statuses == [200] * 10


async def test_with_both_away_no_browser_gives_up(shared: Pairs, channel: Pair) -> None:
    """200 with `retry:`, while nginx still asks and once it knows that nobody is there; a publish is `unknown`."""
    for node in shared.nodes:
        await gone(node)
    for _ in range(4):
        headers = {"Accept": "text/event-stream", **signed(channel)}
        reply = await request(shared.nginx.plain, "GET", subscribe_target(channel), headers)
        assert (reply.status, reply.body[:7]) == (200, b"retry: ")
        assert (await publish_once(shared.nginx.plain, channel, 1)).code == "unknown"


@pytest.mark.parametrize("unanswered", [0, 1], ids=["new connection", "kept connection"])
async def test_a_publish_that_was_sent_is_never_sent_to_another_node(
    certificate: Certificate, channel: Pair, tmp_path: Path, unanswered: int
) -> None:
    """The node that took it and did not answer leaves it `unknown`: the other one gets its own publishes and not this."""
    answers = {unanswered: None}
    async with (
        upstream(lambda number: answers.get(number, OK)) as first,
        upstream(lambda _number: OK) as second,
    ):
        with Nginx(tmp_path, first.address, certificate, two_servers(second.address)) as nginx:
            statuses = [(await publish_once(nginx.plain, channel, number)).status for number in range(6)]
    assert sorted(statuses) == [200] * 5 + [504]
    assert len(first.requests) + len(second.requests) == 6

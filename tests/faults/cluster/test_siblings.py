"""`GET /v1/nodes` over HTTP: nodes on one store name one another, and one that was killed is silent, and then not on the list."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.faults.cluster.nodes import Log, cluster
from tests.faults.letters.conducted import STORE_CLOCK
from tests.faults.stepped import OFFSET_FILE, Offset
from tests.support.http1 import request
from tests.support.publisher import Pair, publish_once
from tests.support.server import Hub

from fast_sse.http.admin.nodes import SILENT_S
from fast_sse.hub.telling import LetterRules
from fast_sse.store.letters import SILENCE_S

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(180)]

CONDUCTED = "tests.faults.letters.conducted"
CHANNEL: Pair = ("a", "t")
GRACE_S = 0.5
#: By then a node that died is on no list.
GONE_S = 2 * GRACE_S + SILENCE_S + 1
WAIT_S = 30.0
#: Answers in a row, each of another turn.
AGREED = 4


async def siblings(node: Hub) -> dict[str, bool | None]:
    """What a node says of the others: whether each is heard."""
    reply = await request(node.admin, "GET", "/v1/nodes")
    assert reply.status == 200
    data: dict[str, Any] = reply.json()["data"]
    assert data["shared"] is True
    own, *others = data["items"]
    assert (own["self"], own["current"]) == (True, True)
    assert not any(one["self"] for one in others)
    return {one["node"]: one["current"] for one in others}


async def agree(expected: dict[str, dict[str, bool | None]], *nodes: Hub) -> None:
    """Ask the nodes until each says of the others what is expected, and goes on saying so: an answer is of the turn before, and
    brings the next one.
    """
    seen: dict[str, Any] = {}
    times = 0
    try:
        async with asyncio.timeout(WAIT_S):
            while times < AGREED:
                answers = await asyncio.gather(*map(siblings, nodes))
                seen = dict(zip(expected, answers, strict=True))
                times = times + 1 if seen == expected else 0
                await asyncio.sleep(2 * LetterRules(grace_s=GRACE_S).turn_s)
    except TimeoutError:
        raise AssertionError(f"{seen}, and not {expected}") from None


@pytest.mark.parametrize("back_s", [0, 3600])
async def test_a_node_that_was_killed_is_silent_and_then_gone(
    tmp_path: Path, redis_log: Log, back_s: float
) -> None:
    """After its silence by the store's clock, from where that clock is now: also when it was set back as the node died."""
    offset = Offset(tmp_path / "offset")

    def settings(_number: int) -> dict[str, str]:
        grace = {"FAST_SSE_DEAD_LETTERS__GRACE_S": str(GRACE_S)}
        return {OFFSET_FILE: offset.path, STORE_CLOCK: "1", **grace}

    async with cluster(tmp_path, redis_log, 2, module=CONDUCTED, settings=settings) as nodes:
        first, second = nodes.nodes
        await agree({"n0": {"n1": True}, "n1": {"n0": True}}, first, second)
        second.kill_now()
        await second.await_exit()
        offset.step(-back_s)
        assert (await publish_once(first.public, CHANNEL, 1)).status == 200
        began_s = asyncio.get_running_loop().time()
        await agree({"n0": {"n1": False}}, first)
        assert asyncio.get_running_loop().time() - began_s >= SILENT_S
        offset.step(GONE_S - back_s)
        await agree({"n0": {}}, first)
        await second.astart()
        await agree({"n0": {"n1": True}, "n1": {"n0": True}}, first, second)


async def test_an_idle_node_stays_on_the_list(tmp_path: Path, redis_log: Log) -> None:
    """It has nothing to tell for longer than a silence, and is not called silent; asked itself, it is heard."""
    offset = Offset(tmp_path / "offset")

    def settings(_number: int) -> dict[str, str]:
        return {OFFSET_FILE: offset.path, STORE_CLOCK: "1", "FAST_SSE_DEAD_LETTERS__GRACE_S": str(GRACE_S)}

    async with cluster(tmp_path, redis_log, 2, module=CONDUCTED, settings=settings) as nodes:
        first, second = nodes.nodes
        for number in range(3):
            assert (await publish_once(first.public, ("a", "*"), number)).status == 200  # which nobody misses
        await agree({"n0": {"n1": True}, "n1": {"n0": True}}, first, second)
        offset.step(2 * GONE_S)
        await agree({"n0": {"n1": None}}, first)
        await agree({"n0": {"n1": True}, "n1": {"n0": True}}, first, second)

"""The walk of docs/quick-delivery.md over two nodes on one Redis: each step is asked of the node that did not do the one before."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.faults.cluster.nodes import cluster, metric, on_redis
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import Hub
from tests.support.sign import SECRET

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(120)]


async def fast_sse(*words: str) -> tuple[int, str]:
    """Run a command; its status and what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fast_sse", *words),
        env=os.environ | {"HUB_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode().strip()


def public(node: Hub) -> tuple[str, ...]:
    """The options of a publisher or a subscriber at one node."""
    return ("--url", f"http://{node.public[0]}:{node.public[1]}", "--secret-env", "HUB_SECRET")


def operator(node: Hub) -> tuple[str, ...]:
    """The option of an operator at one node."""
    return ("--admin", f"http://{node.admin[0]}:{node.admin[1]}")


async def until(true: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
    """Ask again until it is so: no process announces it."""
    async with asyncio.timeout(within_s):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def listens(node: Hub) -> bool:
    """Whether somebody does, at this node."""
    return await metric(node, "fast_sse_streams_open") == 1


async def shows(node: Hub, message_id: str, words: str) -> bool:
    """Whether a node says so of a message."""
    return words in (await fast_sse("delivery", message_id, *operator(node)))[1]


async def test_the_walk_over_two_nodes(tmp_path: Path) -> None:
    """A message dies on one node, is seen and replayed on the other, and both say that it was written once."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        grace = {"FAST_SSE_DEAD_LETTERS__GRACE_S": "1"}
        async with cluster(tmp_path, on_redis(server), 2, settings=lambda _number: grace) as group:
            a, b = group.nodes
            message = (
                "publish",
                "lonely",
                "note",
                "--data",
                '"hello"',
                "--wait",
                "written",
                "--timeout",
                "20",
            )
            status, dead = await fast_sse(*message, *public(a))
            assert status == 1
            _, listed = await fast_sse("dlq", "list", "--json", *operator(b))
            letter = json.loads(listed)
            assert (letter["id"], letter["reason"]) == (dead, "no_subscriber")

            hearing = asyncio.create_task(
                fast_sse("subscribe", "lonely", "note", "--count", "1", "--json", *public(a))
            )
            await until(lambda: listens(a))
            _, said = await fast_sse("dlq", "replay", dead, "--yes", *operator(b))
            replayed = said.removeprefix("replayed 1: ")
            status, heard = await hearing
            event = json.loads(heard)
            assert (status, event["id"], event["data"]["data"]) == (0, replayed, "hello")
            assert event["data"]["headers"]["fast-sse-replay-of"] == dead

            for node in (a, b):  # what one said in its turn, the other hears in its own
                await until(lambda node=node: shows(node, replayed, "written  1 socket"))  # type: ignore[misc]
                assert (await fast_sse("dlq", "list", "--json", *operator(node)))[1] == ""

"""Several workers of one server on one Redis: each is a node of its own, and together they are one hub."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.asgi.conftest import Serve, Served
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.redis_server import RedisServer, need_redis
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

DOCS = (Path(__file__).parent.parent.parent / "docs" / "asgi.md").read_text()
CAR: Pair = ("car", "sold")
_PUBLISHES_MAX = 400


def documented() -> list[str]:
    """The command of the docs, on a port that the kernel chooses and quicker to give up."""
    (command,) = re.findall(r"^(uvicorn .*--workers 2.*)$", DOCS, re.MULTILINE)
    return shlex.split(command.replace("8000", "0").replace("shutdown 5", "shutdown 1"))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of the test's own."""
    need_redis()
    with RedisServer(tmp_path) as server:
        yield server


def nodes(served: Served, event: str) -> set[str]:
    """Which nodes wrote a line of this event."""
    lines = [json.loads(line) for line in [*served.said] if line.startswith("{")]
    return {line["node"] for line in lines if line["event"] == event}


async def both_say(served: Served, event: str) -> None:
    """Wait until two nodes have written such a line."""
    async with asyncio.timeout(20):
        while len(nodes(served, event)) < 2:  # noqa: ASYNC110  another process says it
            await asyncio.sleep(0.01)


async def test_two_workers_are_one_hub(serve: Serve, redis: RedisServer) -> None:
    """Both publish and both stream; every stream has every message, once and in the one order of the log."""
    served = serve(
        *documented(),
        FAST_SSE_STORE="redis",
        FAST_SSE_REDIS__URL=redis.url,
        FAST_SSE_ACCESS_LOG="true",
    )
    await both_say(served, "hub started")
    first = Client("first", served.address, subscribe_target(CAR), signed(CAR)).start()
    await first.ready()
    published = 0
    # The kernel chooses who accepts a connection, so it takes some until each of them had both kinds.
    while published < _PUBLISHES_MAX and not all(
        len(nodes(served, kind)) == 2 for kind in ("request", "stream")
    ):
        others = await listeners(served)
        answers = await asyncio.gather(*(publish_once(served.address, CAR, published + n) for n in range(5)))
        assert {answer.status for answer in answers} == {200}
        published += len(answers)
        await first.count(published)
        for client in others:
            await client.count(5)
            assert [event.id for event in client.events] == [event.id for event in first.events[-5:]]
            await client.stop()
    assert sorted(payload for payload in first.payloads if isinstance(payload, int)) == list(range(published))
    await first.stop()
    await asyncio.to_thread(served.stop)
    assert len(nodes(served, "request")) == 2, "both publish"
    assert len(nodes(served, "stream")) == 2, "both stream"


async def listeners(served: Served) -> list[Client]:
    """Some streams that are opened while something is published elsewhere, so that both workers have to do."""
    clients = [Client(f"c{n}", served.address, subscribe_target(CAR), signed(CAR)) for n in range(4)]
    other: Pair = ("other", "t")
    await asyncio.gather(
        *(publish_once(served.address, other, 0) for _ in range(8)), *(one.start().ready() for one in clients)
    )
    return clients

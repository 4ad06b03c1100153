"""Stages that are more than one hub: behind nginx, two nodes, and hubs with room for little."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.clients.stage import SETTINGS, Stage, a_hub
from tests.deploy.nginx import Nginx
from tests.deploy.proxy import Certificate
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import Hub

#: Messages of each client that a forgetful hub keeps.
KEPT = 10


@asynccontextmanager
async def behind_nginx(directory: Path, _clients: int, module: str) -> AsyncIterator[Stage]:
    """A hub behind the recipe of deploy/nginx."""
    (directory / "nginx").mkdir()
    async with Hub(directory, settings=SETTINGS, module=module) as hub:
        nginx = Nginx(directory / "nginx", hub.public, await asyncio.to_thread(Certificate, directory))
        with nginx:
            yield Stage(hub, nginx.plain, front=nginx)


@asynccontextmanager
async def two_nodes(directory: Path, _clients: int, module: str) -> AsyncIterator[Stage]:
    """Two nodes on one Redis."""
    need_redis()
    with RedisServer(directory / "redis") as redis:
        async with AsyncExitStack() as stack:
            nodes = []
            for name in ("n0", "n1"):
                settings = SETTINGS | {"FAST_SSE_REDIS__URL": redis.url, "FAST_SSE_NODE": name}
                (directory / name).mkdir()
                node = Hub(directory / name, store="redis", settings=settings, module=module)
                nodes.append(await stack.enter_async_context(node))
            yield Stage(nodes[0], other=nodes[1])


@asynccontextmanager
async def forgetful(directory: Path, clients: int, module: str) -> AsyncIterator[Stage]:
    """A hub that keeps few messages, and next to none in memory: what it still has it may well continue from."""
    kept = str(KEPT * clients)
    limits = {
        "limits__trim_interval_s": "0.05",
        "limits__tail_records_max": "2",
        "dead_letters__grace_s": "0.5",
    }
    async with a_hub(retention__max_messages=kept, **limits)(directory, clients, module) as stage:
        yield stage


@asynccontextmanager
async def full(directory: Path, clients: int, module: str) -> AsyncIterator[Stage]:
    """A hub with room for as many streams as there are clients."""
    async with a_hub(limits__streams_max=str(clients))(directory, clients, module) as stage:
        yield stage

"""A Redis primary and a replica that can be made to lag, for failovers that lose something.

A replica that is only stopped still finds in its socket what the primary had sent; so the two are joined by a proxy
that falls silent, and what it has not forwarded is gone with the primary.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer, need_redis


class Pair:
    """A primary, a replica whose link can be held up, and a proxy that the nodes reach the present primary by."""

    def __init__(self, primary: RedisServer, replica: RedisServer, link: Proxy, front: Proxy) -> None:
        self.primary, self.replica, self.link, self.front = primary, replica, link, front

    @property
    def url(self) -> str:
        """What the nodes know."""
        return f"redis://127.0.0.1:{self.front.address[1]}/0"

    async def lag(self) -> None:
        """The replica has everything up to now, and nothing that comes after."""
        await asyncio.to_thread(self.replica.catch_up_with, self.primary)
        self.link.blackhole()

    async def fail_over(self) -> None:
        """The primary dies, the replica is promoted, and the address leads to it."""
        await asyncio.to_thread(self.primary.kill)
        self.replica.do("REPLICAOF", "NO", "ONE")
        self.front.target = self.replica.address
        self.front.cut()


@asynccontextmanager
async def paired(directory: Path) -> AsyncIterator[Pair]:
    """Two servers and the two proxies."""
    need_redis()
    with RedisServer(directory / "a") as primary:
        async with Proxy(primary.address) as link, Proxy(primary.address) as front:
            replica = RedisServer(directory / "b", replica_of=link.address)
            await asyncio.to_thread(replica.start)
            try:
                await asyncio.to_thread(replica.catch_up_with, primary)
                yield Pair(primary, replica, link, front)
            finally:
                await asyncio.to_thread(replica.kill)

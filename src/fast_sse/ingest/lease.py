"""One node at a time reads a queue: a lease in the queue's own Redis, that runs out by itself.

Two rules make it safe and not merely likely. Everything that changes the queue (taking entries, acknowledging
them) goes through scripts that compare the token first, in the same step (`fence.lua`): a node that lost the
lease cannot do it any more, however late it notices. And before each publish the holder looks at its own clock, which
has gone on while the process was stopped: past the lease it publishes nothing. What slips between the two, a publish
already on its way when the process was stopped, is the same entry with the same idempotency key as the other node's:
the store keeps one of them.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from redis.asyncio import Redis

_RELEASE_S = 1.0

T = TypeVar("T")


class LeaseLostError(Exception):
    """Another node reads the queue, or may."""


class Lease:
    """The right to read one queue.

    Args:
        client: of the queue's Redis; it raises its own errors, which the caller translates.
        key: of the lease.
        others: the other keys that commands will name.
        node: the name of this node, so that an operator can see which one reads.
        lease_s: seconds after its last sign of life until another node may take over.
    """

    def __init__(self, client: Redis, key: str, others: tuple[str, ...], node: str, lease_s: float) -> None:
        self._client = client
        self._keys = [key, *others]
        self._token = f"{node}:{secrets.token_hex(8)}"
        self._lease_s = lease_s
        self._lease_ms = max(1, int(lease_s * 1000))
        self._until_s = float("-inf")
        self._scripts: dict[str, Any] = {
            name: client.register_script(_lua("fence.lua") + _lua(name)) for name in ("run.lua", "take.lua")
        }
        self._give_back: Any = client.register_script(_lua("release.lua"))

    async def acquire(self) -> bool:
        """Take the lease if no node holds it, or if it is still ours from before a connection was lost."""
        asked_s = time.monotonic()
        if await self._client.set(self._keys[0], self._token, nx=True, px=self._lease_ms):
            self._until_s = asked_s + self._lease_s
            return True
        try:
            await self.run()
        except LeaseLostError:
            return False
        return True

    async def run(self, *commands: tuple[Any, ...]) -> list[Any]:
        """Run commands in one step and renew the lease; one raw reply for each. Raises LeaseLostError."""
        words = [word for command in commands for word in (len(command), *command)]
        replies: list[Any] = await self.run_script("run.lua", *words)
        return replies

    async def run_script(self, name: str, *words: Any) -> Any:
        """One of the scripts beside this file, in the same way: its raw reply."""
        asked_s = time.monotonic()
        try:
            reply = await self._scripts[name](keys=self._keys, args=[self._token, self._lease_ms, *words])
        except Exception as error:
            if str(error).startswith("LEASELOST"):
                self._until_s = float("-inf")
                raise LeaseLostError from error
            raise
        self._until_s = asked_s + self._lease_s
        return reply

    def check(self) -> None:
        """Raise LeaseLostError when, by our own clock, another node may have taken over."""
        if time.monotonic() >= self._until_s:
            raise LeaseLostError

    async def hold(self, work: asyncio.Task[T]) -> T:
        """Renew the lease until the work is done. When it is lost, or cannot be renewed, the work is cancelled."""
        try:
            while True:
                done, _ = await asyncio.wait({work}, timeout=self._lease_s / 3)
                if done:
                    return work.result()
                await self.run()
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait({work})

    async def release(self) -> None:
        """Give the lease back if it is ours; a server that does not answer at once will see it run out."""
        async with asyncio.timeout(_RELEASE_S):
            await self._give_back(keys=self._keys[:1], args=[self._token])


def _lua(name: str) -> str:
    return files("fast_sse.ingest").joinpath(name).read_text("utf-8")

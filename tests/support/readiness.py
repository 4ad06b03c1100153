"""What a hub tells a load balancer.

It tells what its store answered at most a second ago. A test that needs to hear of what has just happened waits for it.
"""

from __future__ import annotations

import asyncio

from tests.support.http1 import Address, request


async def publish_readiness(admin: Address) -> int:
    """What `/readyz/publish` answers now."""
    return (await request(admin, "GET", "/readyz/publish")).status


async def becomes(admin: Address, status: int, *, within_s: float = 10.0) -> None:
    """Wait until `/readyz/publish` answers this status; raises TimeoutError when it never does."""
    async with asyncio.timeout(within_s):
        while await publish_readiness(admin) != status:  # noqa: ASYNC110  it says so to who asks
            await asyncio.sleep(0.05)

"""One Chromium for all drivers of a scenario that need one: to start one costs more than all else that they do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from tests.clients.catalogue import HERE, Client, node

START_S = 30.0


@asynccontextmanager
async def shared_chromium(clients: Iterable[Client]) -> AsyncIterator[dict[str, str]]:
    """The environment that leads drivers to it; empty where fewer than two need one."""
    if sum("chromium" in client.command for client in clients) < 2:
        yield {}
        return
    pipe = asyncio.subprocess.PIPE
    script = str(HERE / "js" / "browsers.mjs")
    host = await asyncio.create_subprocess_exec(node(), script, "chromium", stdin=pipe, stdout=pipe)
    assert host.stdin is not None
    assert host.stdout is not None
    try:
        async with asyncio.timeout(START_S):
            said = await host.stdout.readline()
        yield {"FAST_SSE_CHROMIUM": json.loads(said)["endpoint"]}
    finally:
        host.stdin.close()
        await host.wait()
        host._transport.close()  # type: ignore[attr-defined]  # its pipes, before the loop is gone

"""What the kernel knows of a connection, and waiting for a state that announces itself by no event."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.support.http1 import Address

_ESTABLISHED = "01"
_LOOK_S = 0.02


def held_open(server: Address, client: Address) -> bool:
    """Whether the server still holds its end of a connection (it may be cut while the client cannot know)."""
    wanted = (f":{server[1]:04X}", f":{client[1]:04X}")
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *_ = line.split()
        if local.endswith(wanted[0]) and remote.endswith(wanted[1]):
            return state == _ESTABLISHED
    return False


async def eventually(reached: Callable[[], bool], within_s: float, what: str) -> float:
    """Look again and again until a state outside this process is reached; seconds that it took.

    Raises TimeoutError, which names `what` never came.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not reached():
        if loop.time() - began > within_s:
            raise TimeoutError(f"{what}: not within {within_s} s")
        await asyncio.sleep(_LOOK_S)
    return loop.time() - began

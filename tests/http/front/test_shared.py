"""What connections share."""

from __future__ import annotations

import asyncio

from tests.support.clock import ManualClock
from tests.support.interface import Scripted

from fast_sse.http.boundary import Boundary, ignore_defect
from fast_sse.http.front.deadlines import Deadlines
from fast_sse.http.front.shared import Shared
from fast_sse.http.message import Response
from fast_sse.model.limits import Limits


class Member:
    """A connection, as far as its end is concerned."""

    deadline = float("inf")

    def expired(self) -> None: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...


async def test_drained_when_the_last_one_is_gone() -> None:
    """Everyone who waits for the end is told when no connection is left, and at once when there is none."""
    boundary = Boundary(lambda _: Response(200), ignore_defect)
    shared = Shared(Scripted(lambda _: Response(200)), boundary, Limits(), Deadlines(Limits(), ManualClock()))
    await shared.drained()
    members = [Member(), Member()]
    for member in members:
        shared.add(member)
    impatient = asyncio.ensure_future(shared.drained())
    waits = [asyncio.ensure_future(shared.drained()) for _ in range(2)]
    await asyncio.sleep(0)
    impatient.cancel()  # who gives up takes nobody along
    for member in members:
        await asyncio.sleep(0)
        assert not any(wait.done() for wait in waits)
        assert shared.connections
        shared.discard(member)
    await asyncio.wait_for(asyncio.gather(*waits), 1)
    shared.discard(members[0])
    assert shared.connections == 0
    shared.deadlines.stop()

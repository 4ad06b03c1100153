"""The public server: what all connections share, and the end of them.

`Fronts` is the protocol factory of the public listener: `loop.create_server(Fronts(endpoints, limits, clock=...))`.
Each connection is a `Connection` on llhttp; see there for the contract, and docs/adr for why it is our own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fast_sse.http.boundary import Boundary, OnDefect, ignore_defect
from fast_sse.http.connection import Connection, Shared
from fast_sse.http.deadlines import Deadlines
from fast_sse.http.message import Answer, Request
from fast_sse.model.limits import Limits


class Fronts(Shared):
    """Makes a protocol for each new connection, and ends them all.

    `handle` maps a Request to an Answer without waiting; `clock` is monotonic, in seconds; `on_defect` gets the
    `request_id` of a 500 and the exception behind it.
    """

    __slots__ = ("_drained",)

    def __init__(
        self,
        handle: Callable[[Request], Answer],
        limits: Limits,
        *,
        clock: Callable[[], float],
        on_defect: OnDefect = ignore_defect,
    ) -> None:
        super().__init__(Boundary(handle, on_defect), limits, Deadlines(limits, clock))
        self._drained: asyncio.Future[None] | None = None

    def __call__(self) -> Connection:
        """A protocol for one new connection."""
        return Connection(self)

    def discard(self, connection: Connection) -> None:
        """A connection closed or became a stream."""
        super().discard(connection)
        if self._drained is not None and not self.open and not self._drained.done():
            self._drained.set_result(None)

    async def drain(self) -> None:
        """Close every connection after its pending answers; returns when all but the streams are gone.

        Close the listener first. Idle connections close at once; the last answer of the others says
        `Connection: close` (RFC 9112 §9.6). A request that has begun may still end within its deadlines, so bound
        this wait, and call `abort` after it.
        """
        self.draining = True
        for connection in list(self.open):
            connection.drain()
        if self.open:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained
        self.deadlines.stop()

    def abort(self) -> None:
        """Cut every connection that is left; what their publishes become is the hub's."""
        for connection in list(self.open):
            connection.abort()

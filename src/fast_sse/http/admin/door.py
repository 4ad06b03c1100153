"""The bounds of the operators' listener: heads have a deadline there, and connections a share of the open files.

An orchestrator restarts a hub whose `/healthz` does not answer. So a client without a key must not be able to fill this
listener: not by heads that never end, not by the number of connections, not by a pipeline that never stops (CWE-400,
CWE-770). When the share is used up, connections are closed in this order: the oldest that wait for a head, then the
oldest that are served, and last the newest of all, which has just come and is not yet read. The count is looked at one
turn of the loop later. In that turn a new connection is read, so one that brings its head at once does not count as one
that waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fast_sse.http.admin.event_stream import CUT
from fast_sse.http.front.deadlines import NEVER, Deadlines
from fast_sse.model.limits import KIB, Limits

#: Bytes that may come without a complete head.
WAITED_BYTES_MAX = 64 * KIB
#: Requests of one connection that may wait for the one before them.
PIPELINE_MAX = 8


class Door:
    """What all connections of the listener share.

    Attributes:
        made_room: connections that were closed for others since the start.
    """

    def __init__(self, limits: Limits, connections_max: int, clock: Callable[[], float]) -> None:
        self.deadlines = Deadlines(limits, clock)
        self._connections_max = connections_max
        self._waiting: dict[Visitor, None] = {}  # for a head, the oldest first
        self._served: dict[Visitor, None] = {}
        self._looking = False
        self.made_room = 0

    def waits(self, visitor: Visitor) -> None:
        """A connection waits for a head: it is new, or its last request is answered."""
        if visitor not in self._served and visitor not in self._waiting:
            self.deadlines.add(visitor)
        self._served.pop(visitor, None)
        self._waiting.setdefault(visitor)
        visitor.deadline = self.deadlines.head
        if len(self._waiting) + len(self._served) > self._connections_max and not self._looking:
            self._looking = True
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._look)

    def serves(self, visitor: Visitor) -> None:
        """A head is complete: what becomes of the request is its own business."""
        self._waiting.pop(visitor, None)
        self._served.setdefault(visitor)
        visitor.deadline = NEVER

    def leaves(self, visitor: Visitor) -> None:
        """A connection is gone."""
        self._waiting.pop(visitor, None)
        self._served.pop(visitor, None)
        self.deadlines.discard(visitor)

    def _look(self) -> None:
        """Make room."""
        self._looking = False
        waiting = list(self._waiting)
        oldest = [*waiting[:-1], *self._served, *waiting[-1:]]
        for visitor in oldest[: max(0, len(oldest) - self._connections_max)]:
            self.made_room += 1
            self.leaves(visitor)
            visitor.abort()


class Visitor(HttpToolsProtocol):
    """uvicorn's connection, under a deadline and a bound for every head.

    Attributes:
        deadline: when a sweep cuts this connection.
    """

    def __init__(self, *args: Any, door: Door, **more: Any) -> None:
        super().__init__(*args, **more)
        self._door = door
        self._waited_bytes = 0
        self.deadline = NEVER

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """The head has its deadline from now on."""
        super().connection_made(transport)
        self._door.waits(self)

    def data_received(self, data: bytes) -> None:
        """As uvicorn does, while what comes is bounded."""
        if self.deadline != NEVER:
            self._waited_bytes += len(data)
        super().data_received(data)
        if self._waited_bytes > WAITED_BYTES_MAX:
            self.abort()

    def on_message_begin(self) -> None:
        """A request begins. Its answer may have to cut the connection: what waits for a peer that does not read stays for ever."""
        super().on_message_begin()
        self.scope["extensions"] = {CUT: {"cut": self.abort}}

    def on_headers_complete(self) -> None:
        """One more request. Raises OverflowError, which uvicorn answers with 400, when too many wait already."""
        self._waited_bytes = 0
        if len(self.pipeline) >= PIPELINE_MAX:
            raise OverflowError("too many requests at once")
        self._door.serves(self)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next head, unless it is there."""
        queued = bool(self.pipeline)
        super().on_response_complete()
        if not queued and not self.transport.is_closing():
            self._door.waits(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing of it stays."""
        self._door.leaves(self)
        super().connection_lost(exc)

    def expired(self) -> None:
        """The head did not come in time."""
        self.abort()

    def drain(self) -> None:
        """Uvicorn ends its connections itself."""

    def abort(self) -> None:
        """Cut the connection."""
        self.deadline = NEVER
        self.transport.abort()

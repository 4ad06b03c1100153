"""What all connections of the public listener refer to: the API, limits, deadlines, counters, the open connections."""

from __future__ import annotations

import asyncio

from fast_sse.http.boundary import Boundary
from fast_sse.http.front.bodies import Bodies
from fast_sse.http.front.deadlines import Deadlines, Timed
from fast_sse.http.front.descriptors import Descriptors
from fast_sse.http.front.known_heads import KnownHeads
from fast_sse.http.front.turns import Turns
from fast_sse.http.message import Interface
from fast_sse.http.request_head import Kept
from fast_sse.model.limits import Limits


class Shared:
    """One per listener.

    Attributes:
        admit: judges a request whose body is still on its way.
        kept: what is kept of a request.
        bodies: what is held of requests whose signature is not verified yet.
        turns: connections that sent more than a turn's worth.
        names_peers: whether requests carry the peer's address, which costs two system calls a connection.
        draining: every request that is still read is the last of its connection.
        requests: complete requests read. This and the next two only grow.
        malformed: requests that the reader refused.
        timeouts: requests and answers that were late.
    """

    __slots__ = (
        "_empty", "admit", "bodies", "boundary", "deadlines", "descriptors", "draining", "heads", "kept", "limits",
        "malformed", "names_peers", "requests", "timeouts", "turns",
    )  # fmt: skip

    def __init__(
        self,
        interface: Interface,
        boundary: Boundary,
        limits: Limits,
        deadlines: Deadlines,
        descriptors: Descriptors | None = None,
        *,
        names_peers: bool = True,
    ) -> None:
        self.boundary = boundary
        self.admit = boundary.admitting(interface.admit)
        self.kept = Kept(interface.intake)
        self.turns = Turns()
        self.bodies = Bodies(limits.bodies_unvouched_bytes_max)
        self.limits = limits
        self.heads = KnownHeads(limits.heads_kept_max, limits.heads_kept_bytes_max)
        self.deadlines = deadlines
        self.descriptors = descriptors or Descriptors()
        self.names_peers = names_peers
        self.draining = False
        self.requests = self.malformed = self.timeouts = 0
        self._empty = asyncio.Event()

    @property
    def connections(self) -> int:
        """Connections that are not (yet) streams."""
        return len(self.deadlines.members)

    def add(self, connection: Timed) -> None:
        """A connection opened."""
        self.deadlines.add(connection)

    def discard(self, connection: Timed) -> None:
        """A connection closed or became a stream."""
        self.deadlines.discard(connection)
        if not self.deadlines.members:
            self._empty.set()

    async def drained(self) -> None:
        """Wait until no connection is left."""
        while self.deadlines.members:
            self._empty.clear()
            await self._empty.wait()

"""The public server: what all connections share, and the end of them.

`Front` is the protocol factory of the public listener: `loop.create_server(Front(endpoints, limits, clock=...))`.
Each connection is a `Connection` on llhttp: the contract stands there. Why the server is our own: docs/adr/002.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from fast_sse.http.boundary import OnDefect, ignore_defect
from fast_sse.http.front.connection import Connection
from fast_sse.http.front.deadlines import Deadlines
from fast_sse.http.front.descriptors import Descriptors
from fast_sse.http.front.shared import Shared
from fast_sse.http.logged import Access, make_boundary
from fast_sse.http.message import Interface
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Sample


class Front:
    """Makes a protocol for each new connection, and ends them all.

    Args:
        interface: answers the requests, and says what of them it needs.
        limits: of heads, bodies, pipelines and deadlines.
        clock: monotonic, in seconds.
        on_defect: gets the `request_id` of a 500 and the exception behind it.
        descriptors: says whether there is room for one more connection.
        names_peers: whether a request says which address it comes from.
        wall: the time for `Date`, in seconds since 1970.
        access: the access log, if there is one.
    """

    __slots__ = ("_shared",)

    def __init__(
        self,
        interface: Interface,
        limits: Limits,
        *,
        clock: Callable[[], float],
        on_defect: OnDefect = ignore_defect,
        descriptors: Descriptors | None = None,
        names_peers: bool = True,
        wall: Callable[[], float] = time.time,
        access: Access | None = None,
    ) -> None:
        boundary = make_boundary(interface.handle, on_defect, wall, access)
        self._shared = Shared(
            interface,
            boundary,
            limits,
            Deadlines(limits, clock, boundary.keep_time),
            descriptors,
            names_peers=names_peers,
        )

    def __call__(self) -> Connection:
        """A protocol for one new connection."""
        return Connection(self._shared)

    @property
    def connections(self) -> int:
        """Connections now open that are not streams."""
        return self._shared.connections

    @property
    def requests(self) -> int:
        """Complete requests read since the start."""
        return self._shared.requests

    @property
    def malformed(self) -> int:
        """Requests refused before the handler saw them: malformed or over a limit."""
        return self._shared.malformed

    @property
    def timeouts(self) -> int:
        """Requests and answers that did not get through in time."""
        return self._shared.timeouts

    def samples(self) -> Iterator[Sample]:
        """The public listener in numbers."""
        shared = self._shared
        yield Sample("connections", "gauge", "Open connections that are not streams.", self.connections)
        yield Sample("requests_total", "counter", "Complete requests that were read.", shared.requests)
        yield Sample(
            "malformed_total", "counter", "Requests refused unread: malformed or too large.", shared.malformed
        )
        yield Sample(
            "timeouts_total",
            "counter",
            "Requests and answers that took too long on the wire.",
            shared.timeouts,
        )
        text = "Connections closed at once, because too few files were left."
        yield Sample("turned_away_total", "counter", text, shared.descriptors.turned_away)
        yield Sample(
            "bodies_unvouched_bytes",
            "gauge",
            "Bytes of requests on their way whose signature is not verified yet.",
            shared.bodies.held_bytes,
        )
        text = "Requests on their way that were given up for others, and answered 503."
        yield Sample("bodies_given_up_total", "counter", text, shared.bodies.given_up)
        yield from shared.boundary.samples()

    def sweep(self) -> None:
        """Expire every connection past its deadline, as the timer does."""
        self._shared.deadlines.sweep()

    async def drain(self) -> None:
        """Close every connection after its pending answers; returns when all but the streams are gone.

        Close the listener first. Idle connections close at once; the last answer of the others says
        `Connection: close` (RFC 9112 §9.6). A request that has begun may still end within its deadlines, so bound
        this wait, and call `abort` after it.
        """
        shared = self._shared
        shared.draining = True
        for connection in list(shared.deadlines.members):
            connection.drain()
        await shared.drained()
        shared.deadlines.stop()

    def abort(self) -> None:
        """Cut every connection that is left; what their publishes become is the hub's."""
        for connection in list(self._shared.deadlines.members):
            connection.abort()

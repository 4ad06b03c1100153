"""`GET /v1/live`: the node in numbers as an event stream, a frame a second, made once for all who look.

First comes `history`: the last quarter of an hour. A viewer that shows the id of a frame of this process gets what it missed
since; everybody else gets all of it, and the mark of the process says that what was drawn before is of another one. The
points are taken whether anybody looks or not; everything else is done only while somebody does. What is written for one
moment is the same bytes for every viewer.

A viewer gets no queue. One that does not read misses frames, of which each stands for itself, and after STALL_S it is cut;
its browser comes back and gets what it missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse import __version__
from fast_sse.http.admin.asked import parameters, refusing
from fast_sse.http.admin.event_stream import ENDS, End, EventStream, OpenStreams, Refused, cut_of, last_words
from fast_sse.http.admin.health import Probed
from fast_sse.model.frame import frame, retry
from fast_sse.model.letter import Reason
from fast_sse.observe.access import Ended
from fast_sse.observe.history import STEP_S, History, Point

#: How long a viewer may take nothing, and bytes that it may have waiting.
STALL_S = 10.0
BUFFER_BYTES_MAX = 256 * 1024
#: Points between two of a long history: a rate looks back for so long.
THIN = 5
#: The longest history that is not thinned out.
WHOLE_MAX = 60
#: Seconds between looks at the store while nobody looks at the page.
QUIET_LOOK_S = 10.0

_RETRY_MS = 2_000
_DIGITS = 5
_NUMBER_DIGITS_MAX = 15
_NONE: frozenset[str] = frozenset()


class Watched(Probed, Protocol):
    """A node whose numbers can be looked at, beside its state.

    Attributes:
        instance: the mark of this process.
        started_ms: when it began.
        history: its points.
        letters_by_reason: dead letters as the store counts them; None while that is not known.
    """

    @property
    def instance(self) -> str: ...  # noqa: D102  see the class
    @property
    def started_ms(self) -> int: ...  # noqa: D102
    @property
    def history(self) -> History: ...  # noqa: D102
    @property
    def letters_by_reason(self) -> Mapping[Reason, int] | None: ...  # noqa: D102

    async def look(self) -> None:
        """Ask the store what the numbers say of it, for a second at most."""


class Live:
    """The viewers of one node. `now`: seconds since 1970."""

    def __init__(self, node: Watched, streams: OpenStreams, now: Callable[[], float]) -> None:
        self._node = node
        self._streams = streams
        self._now = now
        self._loop_time: Callable[[], float] = lambda: asyncio.get_running_loop().time()
        self._open: dict[Viewer, None] = {}
        self._woken = asyncio.Event()
        self._looked = False
        #: The history that was made last, by what it follows and where it ends.
        self._made: tuple[tuple[int, int], bytes] = ((0, -1), b"")

    # -- what is always done ------------------------------------------------------------------------

    async def take_points(self) -> None:
        """Take a point each second until cancelled."""
        await self._node.history.run(self._now_ms)

    async def look_on(self) -> None:
        """Ask the store how it is, each second while somebody looks and seldom else, until cancelled."""
        while True:
            await self._node.look()
            self._looked = True
            self._woken.clear()
            if self._open:
                await asyncio.sleep(STEP_S)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET_LOOK_S):
                    await self._woken.wait()

    # -- viewers ------------------------------------------------------------------------------------

    def attach(
        self, shown: str, cut_of_transport: Callable[[Any], Callable[[], None]], transport: Any
    ) -> Any:
        """Begin a stream, or say why not. `shown`: the Last-Event-ID."""
        if reason := self._streams.refusal("live"):
            return Refused(transport, reason)
        transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        viewer = Viewer(transport, cut_of_transport(transport), self._loop_time, self._leave)
        self._streams.add("live", viewer)
        if not self._open:
            # The answer of a look that was some seconds ago is none about this moment.
            self._looked = False
            self._woken.set()
            self._node.history.listeners.add(self._tell)
        self._open[viewer] = None
        viewer.write(retry(_RETRY_MS) + self._history(shown))
        return viewer

    def _leave(self, viewer: Viewer) -> None:
        self._streams.discard("live", viewer)
        self._open.pop(viewer, None)
        if not self._open:
            self._node.history.listeners.discard(self._tell)

    def _tell(self, point: Point) -> None:
        data = msgspec.json.encode(self.frame(point))
        block = frame(f"{self._node.instance}.{point.number}", "frame", data)
        for viewer in tuple(self._open):
            viewer.write(block)

    def frame(self, point: Point) -> dict[str, Any]:
        """One moment, as JSON."""
        node, history = self._node, self._node.history
        values = dict(zip(history.names, map(short, point.values), strict=True))
        up = values.get("store_up")
        return {
            "instance": node.instance,
            "number": point.number,
            "at_ms": point.at_ms,
            "node": node.name,
            "state": node.state,
            "store": {
                "name": node.store_name,
                "durability": node.durability,
                "up": bool(up) if self._looked and up is not None else None,
                "following": node.following,
                "damaged": node.damaged,
            },
            "values": values,
            "spread": history.spread(),
            "letters": node.letters_by_reason,
            "viewers": len(self._open),
        }

    def _history(self, shown: str) -> bytes:
        """The block that a stream begins with."""
        kept = self._node.history.points()
        after, last = self._after(shown), kept[-1].number if kept else -1
        if after > last:
            after = -1
        if self._made[0] != (after, last):
            points = [point for point in kept if point.number > after]
            if len(points) > WHOLE_MAX:
                points = points[::-1][::THIN][::-1]
            data = msgspec.json.encode(self._past(points, resumed=after >= 0))
            self._made = ((after, last), frame(f"{self._node.instance}.{last}", "history", data))
        return self._made[1]

    def _after(self, shown: str) -> int:
        """The number of the last frame that a viewer has of this process; -1 for none."""
        instance, _, number = shown.partition(".")
        known = instance == self._node.instance and number.isascii() and number.isdigit()
        return int(number) if known and len(number) <= _NUMBER_DIGITS_MAX else -1

    def _past(self, points: Sequence[Point], *, resumed: bool) -> dict[str, Any]:
        node, history = self._node, self._node.history
        lines = zip(*(point.values for point in points), strict=True) if points else [()] * len(history.names)
        return {
            "instance": node.instance,
            "node": node.name,
            "version": __version__,
            "started_ms": node.started_ms,
            "now_ms": self._now_ms(),
            "store": node.store_name,
            "durability": node.durability,
            "step_s": THIN * STEP_S if len(points) > 1 and _step(points) > 1 else STEP_S,
            "resumed": resumed,
            "units": history.units,
            "at_ms": [point.at_ms for point in points],
            "values": {
                name: [short(value) for value in line]
                for name, line in zip(history.names, lines, strict=True)
            },
        }

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


class Viewer:
    """One open page: the protocol of its transport."""

    def __init__(
        self,
        transport: Any,
        cut: Callable[[], None],
        clock: Callable[[], float],
        on_lost: Callable[[Viewer], None],
    ) -> None:
        self._transport = transport
        self._cut = cut
        self._clock = clock
        self._on_lost = on_lost
        self._paused_s = math.inf
        self.ended: Ended = "client"

    def write(self, block: bytes) -> None:
        """Send a block, unless the page has not read enough of what came before; cut one that has stood for too long."""
        if self._paused_s == math.inf:
            self._transport.write(block)
        elif self._clock() - self._paused_s >= STALL_S:
            self.ended = "stalled"
            self._cut()

    def end(self, reason: End) -> None:
        """See `Ending`."""
        self.ended = ENDS[reason]
        self._transport.write(last_words(reason))
        self._transport.close()

    def pause_writing(self) -> None:
        """What waits for the page has reached its bound."""
        self._paused_s = self._clock()

    def resume_writing(self) -> None:
        """The page has read."""
        self._paused_s = math.inf

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `Ending`."""
        self._on_lost(self)


def routes(live: Live, now: Callable[[], float]) -> list[Route]:
    """The one stream of numbers."""

    async def follow(request: Request) -> Response:
        parameters(request, _NONE)
        shown = request.headers.get("last-event-id", "")
        attach = partial(live.attach, shown, lambda transport: cut_of(request, transport.abort))
        return EventStream(request, attach, now)

    return [Route("/v1/live", refusing(follow), methods=["GET"])]


def short(value: float | None) -> float | None:
    """A number in few digits; a whole number stays as it is."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.{_DIGITS}g}")


def _step(points: Sequence[Point]) -> int:
    return points[1].number - points[0].number

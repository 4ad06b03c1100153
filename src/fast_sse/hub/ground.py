"""What the streams of a node stand on: its clock and limits, the way to the store, the live sets, the wheel, and counts.

A stream asks for all of this and knows no other part of the hub. Counts are plain integers that the streams add to; they
are read when an operator asks.
"""

from __future__ import annotations

import asyncio
import random
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from fast_sse.hub.arrivals import Arrivals
from fast_sse.hub.fanout import Fanout
from fast_sse.hub.pace import Pace
from fast_sse.hub.packing import Packing
from fast_sse.hub.wheel import Wheel
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Histogram, Sample, counted
from fast_sse.observe.observer import DefectSeen, Observer, StreamEvicted
from fast_sse.store.base import Store

T = TypeVar("T")

#: From a transport: bytes the peer has acknowledged so far, or None when nothing is outstanding (or it is not known).
AcknowledgedBytes = Callable[[Any], int | None]


class Ground:
    """The node, as far as a stream needs it.

    Attributes:
        open_count: streams that have not ended; the wheel also holds those whose last bytes are still on their way.
        opened: streams that began; as all that follow, counted since the start.
        expired: streams told that their grant ended.
        fell_behind, came_back: members that were paused by their peer, and read on.
        replayed: records sent by catch-ups.
        gaps, evicted: by reason.
        starts: streams by the place where they began, a word of `streams.py`.
        arrivals: of publishes, until a flush has written them.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        observer: Observer,
        *,
        now_ms: Callable[[], int],
        rng: random.Random,
        acknowledged_bytes: AcknowledgedBytes,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = self.loop.time
        self.store = store
        self.limits = limits
        self.now_ms = now_ms
        self.rng = rng
        self.acknowledged_bytes = acknowledged_bytes
        self.fanout = Fanout(limits, self.loop)
        self.packing = Packing(limits.payload_bytes_min)
        self.pace = Pace(self.loop, self.clock)
        self.arrivals = Arrivals(now_ms)
        self.fanout.handover.on_flush = self.arrivals.flushed
        #: Of subscribers, which stand on this.
        self.wheel: Wheel[Any] = Wheel(limits, self.loop, rng)
        self.open_count = 0
        self.opened = self.expired = self.fell_behind = self.came_back = self.replayed = 0
        self.gaps: Counter[str] = Counter()
        self.evicted: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()
        self._observer = observer
        self._asking = asyncio.Semaphore(limits.reads_concurrent_max)
        self._pages = Histogram()

    def jittered_ms(self, base_ms: int, share: float = 0.5) -> int:
        """`base_ms` plus or minus a share of it, so that clients do not come back in step."""
        return int(base_ms * (1 - share + 2 * share * self.rng.random()))

    async def ask(
        self, question: Callable[[], Awaitable[T]], on_absent: Callable[[], None] = lambda: None
    ) -> T:
        """Ask the store, a few questions at a time, and wait out its absence: a stream is not cut for that.

        The answer comes when there is time to write it, so that no more pages than questions wait for that.
        `on_absent` is called each time that the store could not be asked.
        """
        waits = Backoff(self.limits.retry_store_s, self.limits.retry_store_s_max)
        while True:
            began_s = self.arrivals.clock()
            try:
                async with self._asking:
                    answer = await question()
                    await self.pace.turn()
                self._pages.observe(self.arrivals.clock() - began_s)
                return answer
            except StoreClosedError:
                raise
            except UnavailableError:
                on_absent()
                await asyncio.sleep(waits.next_s(self.rng.random()))

    def met_defect(self, error: Exception) -> None:
        """Report a defect that a stream met."""
        text = "".join(traceback.format_exception(error))
        self._observer.notify(DefectSeen("catch-up", repr(error), text))

    def evicting(self, transport: Any, reason: str, after_s: float) -> None:
        """Count and report a stream that is about to be cut."""
        self.evicted[reason] += 1
        peer = transport.get_extra_info("peername")
        self._observer.notify(StreamEvicted(reason, str(peer[0]) if isinstance(peer, tuple) else "", after_s))

    def samples(self) -> Iterator[Sample]:
        """Who is connected, and what became of those who were slow or came back."""
        yield Sample("streams_open", "gauge", "Open streams.", self.open_count)
        yield Sample("streams_opened_total", "counter", "Streams that began.", self.opened)
        text = "Of those, streams that were neither refused nor expired, by where they began."
        yield from counted("stream_starts_total", text, "at", self.starts)
        text = "Streams told that their signature ran out or was revoked, at once or later."
        yield Sample("streams_expired_total", "counter", text, self.expired)
        yield from counted("streams_evicted_total", "Streams cut by the hub.", "reason", self.evicted)
        text = "Streams told that a cursor could not be continued."
        yield from counted("gaps_total", text, "reason", self.gaps)
        yield Sample("replayed_total", "counter", "Records sent by catch-ups.", self.replayed)
        text = "How long the store took to answer a stream that is catching up, its turn awaited."
        yield self._pages.sample("replay_page_seconds", text)
        yield from self.arrivals.samples()
        text = "Times a stream was too slow for its live set."
        yield Sample("fell_behind_total", "counter", text, self.fell_behind)
        yield Sample("came_back_total", "counter", "Times a slow stream read on.", self.came_back)

"""A hub, its peers and all that may befall them, as rules for Hypothesis."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.hub.judge import Log, Published, Stream
from tests.hub.lagging import LaggingStore
from tests.hub.loops import ManualLoop, manual
from tests.hub.support import LIMITS, Bench, drafted, now_ms, wanted
from tests.hub.transport import FakeTransport

from fast_sse.hub.outgoing import LIVE
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import parse_cursor
from fast_sse.observe.observer import DefectSeen, FollowerRestarted
from fast_sse.store.base import Retention, Store
from fast_sse.store.letters import Wanted
from fast_sse.store.memory.store import MemoryStore

#: So small that a few messages take every road: pages, slices of the tail, pieces, pauses, a full hub.
SMALL = msgspec.structs.replace(
    LIMITS,
    tail_records_max=12,
    tail_scan_records_max=3,
    page_records_max=3,
    page_bytes_max=700,
    flush_bytes_max=300,
    pending_bytes_max=900,
    write_buffer_bytes_max=400,
    reads_concurrent_max=2,
    epoch_members_min=2,
    epoch_flushes_max=3,
    epoch_s_max=7,
    epoch_sets_max=2,
)
KEPT = Retention(max_messages=6, max_age_s=None)

segments = st.sampled_from(["a", "b", "*"])
channels = st.builds(Channel, segments, segments)
#: Few, so that streams share live sets.
FILTERS = [wanted(*some) for some in (["a/b"], ["*/*"], ["a/*", "b/b"], ["*/*"])]
filters = st.sampled_from(FILTERS)
#: How a client wants to be told where it stands.
forms = st.fixed_dictionaries(
    {
        "prime": st.sampled_from(["event", "id", "off"]),
        "heartbeat": st.sampled_from(["comment", "event"]),
        "body": st.sampled_from(["plain", "gzip", "gzip"]),
    }
)
turns = st.sampled_from([0, 0, 1, 2, 3, 5, 9, None])
picks = st.integers(0, 7)


class SlowTransport(FakeTransport):
    """Writing takes time, so that flushing is the bottleneck and the next flush waits. `took`: what it did not refuse."""

    def __init__(self, *, reading: bool) -> None:
        super().__init__(reading=reading)
        self.took = bytearray()

    def write(self, data: bytes) -> None:
        """As the fake, but the clock moves."""
        manual().now_s += 0.0005
        super().write(data)
        self.took += data


class HubMachine(RuleBasedStateMachine):
    """`turns` says how far the loop runs after a rule: some turns, or (None) until nothing is left to do."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = ManualLoop()
        self.log = Log()
        self.streams: list[Stream] = []
        self.offline: list[tuple[Filter, str]] = []
        #: Sockets that took a message, by position; of streams that have ended.
        self.handed: Counter[int] = Counter()
        self.number = 0
        self.store = self.run(self._open(self.make_store()))
        self.hub = self.run(self._start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Drive the loop until this is done."""
        return self.loop.run_until_complete(work)

    def make_store(self) -> Store:
        """A store that keeps six messages, whenever it is trimmed."""
        return MemoryStore(KEPT, now_ms=now_ms)

    async def _open(self, inner: Store) -> LaggingStore:
        store = LaggingStore(inner)
        await store.open()
        return store

    async def _start(self) -> Bench:
        hub = Bench(self.store, SMALL)
        await hub.hub.start()
        return hub

    def proceed(self, count: int | None) -> None:
        """Let the loop run."""

        async def some() -> None:
            for _ in range(count or 0):
                await asyncio.sleep(0)

        self.run(self.store.quiet(self.hub.fanout) if count is None else some())

    def pick(self, number: int) -> Stream:
        """One of the open streams."""
        return self.streams[number % len(self.streams)]

    # -- publishers and the store -------------------------------------------------------------------

    @initialize(count=st.integers(0, 9))
    def history(self, count: int) -> None:
        """Some messages were there before anybody came."""
        self.publish([Channel("a", "b")] * count, 10, False, None)

    @rule(
        to=st.lists(channels, min_size=1, max_size=8),
        size=st.sampled_from([10, 200]),
        dies=st.booleans(),
        turns=turns,
    )
    def publish(self, to: list[Channel], size: int, dies: bool, turns: int | None) -> None:
        """A batch to some channels; it may die after a second."""

        async def send() -> Any:
            drafts = []
            for channel in to:
                self.number += 1
                ttl_ms = 1000 if dies else 0
                drafts.append(drafted("/".join(channel), [self.number, "x" * size], ttl_ms=ttl_ms))
            first, expires_ms = self.number - len(to), now_ms() + 1000 if dies else 0
            for number, outcome in enumerate(await self.hub.hub.publish(drafts) if drafts else [], 1):
                entry = Published(outcome.cursor.position, to[number - 1], first + number, expires_ms)
                self.log.entries.append(entry)

        self.run(send())
        self.proceed(turns)

    @rule(turns=turns)
    def trim(self, turns: int | None) -> None:
        """Retention removes all but the newest few."""

        async def trim() -> None:
            while await self.store.trim():
                pass
            self.log.trimmed = (await self.store.bounds()).trimmed.position

        self.run(trim())
        self.proceed(turns)

    @rule(seconds=st.sampled_from([0.001, 0.005, 1.0, 6.0, 20.0]))
    def elapse(self, seconds: float) -> None:
        """Time passes: heartbeats, the hub's own trimming, deadlines."""

        async def elapse() -> None:
            await self.store.quiet(self.hub.fanout)
            await self.loop.elapse(seconds)
            await self.store.quiet(self.hub.fanout)
            self.log.trimmed = (await self.store.bounds()).trimmed.position

        self.run(elapse())

    @rule()
    def restart(self) -> None:
        """The hub goes and comes back on the same store; every stream was cut."""

        async def restart() -> Bench:
            await self.hub.hub.close()
            await self.loop.idle()
            return await self._start()

        self.hub = self.run(restart())

    # -- peers --------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.streams) < 8)
    @rule(
        asked=filters,
        start=st.sampled_from(["now", "earliest", "last"]),
        form=forms,
        chunked=st.booleans(),
        reading=st.lists(st.booleans(), min_size=1, max_size=3),
        turns=turns,
    )
    def join(
        self,
        asked: Filter,
        start: str,
        form: dict[str, Any],
        chunked: bool,
        reading: list[bool],
        turns: int | None,
    ) -> None:
        """New streams, from now, from the beginning, or from the last two."""
        options = {"earliest": start == "earliest", "last": 2 if start == "last" else 0}
        for one_reads in reading:
            self._join(asked, None, one_reads, chunked=chunked, **form, **options)
        self.proceed(turns)

    def _join(self, asked: Filter, at: int | None, reading: bool, **options: Any) -> None:
        async def join() -> None:
            texts = ["/".join(pattern) for pattern in asked.patterns]
            transport = SlowTransport(reading=reading)
            peer = self.hub.join(*texts, transport=transport, **options)
            known = not options.get("earliest") and not options.get("last")
            began = peer.subscriber.cursor.position if known and at is None else at
            self.streams.append(Stream(peer, asked, began))

        self.run(join())

    @precondition(lambda self: self.streams)
    @rule(which=picks, what=st.sampled_from(["stop", "read", "take"]), turns=turns)
    def read_or_not(self, which: int, what: str, turns: int | None) -> None:
        """A peer stops reading, takes a little, or reads again."""

        async def act() -> None:
            transport = self.pick(which).peer.transport
            if what == "stop":
                transport.stop_reading()
            elif what == "take":
                transport.take(150)
            else:
                transport.read()

        self.run(act())
        self.proceed(turns)

    @precondition(lambda self: self.streams)
    @rule(which=picks, turns=turns)
    def leave(self, which: int, turns: int | None) -> None:
        """A peer goes; it knows the last id it saw."""

        async def act() -> None:
            self.pick(which).peer.transport.hang_up()

        self.run(act())
        self.proceed(turns)

    @precondition(lambda self: self.offline)
    @rule(which=picks, form=forms, reading=st.booleans(), turns=turns)
    def resume(self, which: int, form: dict[str, Any], reading: bool, turns: int | None) -> None:
        """One that has gone comes back with its last id."""
        asked, last_event_id = self.offline.pop(which % len(self.offline))
        cursor = parse_cursor(last_event_id)
        after = cursor.position if cursor else None
        self._join(asked, after, reading, after=last_event_id or None, **form)
        self.proceed(turns)

    # -- what must hold -----------------------------------------------------------------------------

    @invariant()
    def every_stream_is_the_log(self) -> None:
        """So far each wire says the filtered log after its cursor, in order, once, or names its gap."""
        for stream in self.streams:
            stream.judge(self.log, int(self.loop.now_s * 1000))
        for stream in [one for one in self.streams if one.peer.transport.closed]:
            self.handed += stream.handed
            self.streams.remove(stream)
            self.offline.append((stream.wanted, stream.peer.last_event_id))

    def all_handed(self) -> Counter[int]:
        """Sockets that took a message, by position."""
        return sum((stream.handed for stream in self.streams), self.handed)

    @invariant()
    def each_socket_that_took_a_message_counts(self) -> None:
        """The counts on the tail are what the transports were written, and nothing else."""
        handed, handover = self.all_handed(), self.hub.fanout.handover
        for entry in self.hub.fanout.tail.first_after(0, 1000):
            early = handover._early.get(entry.position, 0)
            assert entry.written + early == handed[entry.position], f"{entry.position} is miscounted"

    def what_nobody_was_handed_is_dead(self) -> None:
        """After the grace each message is in the dead letters, or was handed over; no one is both, unless it is gone from the log
        or addresses whoever is there.
        """
        for _ in range(60):
            if not self.hub.hub.dead_letters.waiting:
                break
            self.elapse(1.0)
        self.elapse(1.0)
        page = self.run(self.hub.store.letters.list(Wanted(), "", 1000))
        dead, handed = {letter.position for letter in page.items}, self.all_handed()
        for entry in self.log.entries:
            if handed[entry.position]:
                assert entry.position not in dead, f"{entry} was handed over"
            elif "*" not in entry.channel and entry.position > self.log.trimmed:
                assert entry.position in dead, f"{entry} is missing"

    def teardown(self) -> None:
        """In the end everybody reads, is live, and misses nothing; and nothing is left behind."""
        try:
            self.proceed(None)
            for stream in self.streams:
                self.run(self._read(stream))
            self.elapse(0.005)
            self.elapse(1.0)
            self.every_stream_is_the_log()
            self.nobody_misses_anything()
            self.what_nobody_was_handed_is_dead()
        finally:
            self.run(self._close())
            self.loop.close()
        assert not self.hub.facts.of(DefectSeen)
        assert not self.hub.facts.of(FollowerRestarted)
        assert not self.hub.ground.wheel
        assert not self.hub.fanout.sets
        assert self.hub.fanout._pending_bytes == 0

    def nobody_misses_anything(self) -> None:
        """Whoever reads is live and has everything."""
        for stream in self.streams:
            reached = stream.judge(self.log, int(self.loop.now_s * 1000))
            if reached is not None:
                missed = self.log.due(stream.wanted, reached, None, int(self.loop.now_s * 1000))
                assert not missed, f"after {reached} the stream misses {missed}"
            assert stream.peer.subscriber.state == LIVE
            assert stream.peer.subscriber.task is None

    async def _close(self) -> None:
        await self.hub.hub.close()
        await self.store.close()
        await self.loop.idle()
        await self.loop.shutdown_asyncgens()

    async def _read(self, stream: Stream) -> None:
        stream.peer.transport.read()

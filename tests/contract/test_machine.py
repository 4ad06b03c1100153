"""The contract as a state machine: any sequence of calls and misfortunes, against a plain list.

Hypothesis appends with and without keys, reads with random filters from every cursor it was ever given, follows,
trims, lets time pass, opens again, kills, loses tails, puts old backups back and takes the log's identity away;
after each step the store must answer as the list does. What a misfortune does to a store is told by its place
(`places`). Processes that really die are in the stores' own tests.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.contract.backends import Backend, Clock, draft
from tests.contract.model import Model
from tests.contract.places import BOUNDS, DurablePlace, MemoryPlace, NowMs, Place

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Position
from fast_sse.model.errors import KeyConflictError
from fast_sse.model.message import Draft, Record
from fast_sse.store.base import Appended, Bounds, Gap, Outcome, OvertakenError, Retention, Store, Windows
from fast_sse.store.letters import LetterBounds
from fast_sse.store.memory.store import MemoryStore
from fast_sse.store.relay import WINDOW_BYTES_MAX, Relay

T = TypeVar("T")
MAX_MESSAGES = 12
MAX_AGE_S = 100
WINDOW_S = 150
#: Groups for followers are kept in memory up to so many records.
WINDOW_RECORDS = 4
#: How long a store may take to close after a step that failed.
CLOSE_S = 30

segments = st.sampled_from(["a", "b", "*"])
channels = st.builds(Channel, segments, segments)
filters = st.lists(channels, min_size=1, max_size=3).map(lambda found: Filter.of(*found))
drafts = st.builds(
    draft,
    segments,
    segments,
    st.sampled_from([b"1", b"22", b"x" * 30]),
    keys=st.lists(st.sampled_from(["k1", "k2", "k3"]), max_size=2).map(tuple),
    body=st.sampled_from([b"one", b"two"]),
)


class OutOfTimeError(BaseException):
    """The test's time is up. As a failure like others it would be tried again, and shrunk, with no limit any more."""


async def end_tasks() -> None:
    """Cancel whatever else runs on this loop, and wait for its end."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class StoreMachine(RuleBasedStateMachine):
    backend: Backend

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.root = Path(tempfile.mkdtemp(prefix="fast-sse-machine-"))
        self.place = self.backend.place(self.root / "log")
        self.clock = Clock()
        self.model = Model(by_anchor=isinstance(self.place, DurablePlace) and self.place.losses == "anchors")
        self.model.told_by_entries = isinstance(self.place, DurablePlace) and self.place.keys_by_entries
        self.given: set[tuple[int, str]] = set()
        self.backup: Model | None = None
        self.open()
        newest = self.bounds().newest
        self.epoch, self.model.blank = newest.epoch, newest.fingerprint
        self.cursors = [newest]

    def teardown(self) -> None:
        """Leave nothing behind, however far the start came and whatever a step met: it would be the next test's warning."""
        if not hasattr(self, "loop"):
            return
        try:
            if hasattr(self, "store"):
                self.run(asyncio.wait_for(self.store.close(), CLOSE_S))
            if hasattr(self, "place"):
                self.run(self.place.clear())
        finally:
            self.loop.run_until_complete(end_tasks())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.root)

    # -- small steps --------------------------------------------------------------------------------

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        try:
            return self.loop.run_until_complete(step)
        except pytest.fail.Exception as error:
            raise OutOfTimeError(str(error)) from error

    def open(self) -> None:
        retention = Retention(max_age_s=MAX_AGE_S, max_bytes=None, max_messages=MAX_MESSAGES)
        windows = Windows(key_window_s=WINDOW_S)
        self.store = self.place.make(retention, windows, self.clock)
        self.run(self.store.open())
        self.follower: AsyncIterator[list[Record]] | None = None

    def bounds(self) -> Bounds:
        return self.run(self.store.bounds())

    def expect(self, one: Draft, outcome: object) -> None:
        """What the model says of one draft, in the order of the appends."""
        now = self.clock.ms
        known = [self.model.keys[key.digest] for key in one.keys if key.digest in self.model.keys]
        known = [found for found in known if found[2] > now]
        if any(found[1] != one.body_sha256 for found in known):
            assert isinstance(outcome, KeyConflictError)
            return
        assert isinstance(outcome, Appended), outcome
        position = outcome.cursor.position
        assert outcome.duplicate == bool(known)
        if known:
            assert position == min(found[0] for found in known)
        else:
            assert (position, outcome.cursor.fingerprint) not in self.given
            assert self.reuses_numbers or position not in {given for given, _ in self.given}
            assert position > self.model.newest
            self.given.add((position, outcome.cursor.fingerprint))
            self.model.records.append((position, one, now))
            self.model.anchors[position] = outcome.cursor.fingerprint
            self.cursors.append(outcome.cursor)
        for key in one.keys:
            if key.digest not in self.model.keys or self.model.keys[key.digest][2] <= now:
                self.model.keys[key.digest] = (position, one.body_sha256, now + WINDOW_S * 1000)
                self.model.told[key.digest] = self.model.newest

    # -- calls --------------------------------------------------------------------------------------

    @rule(calls=st.lists(st.lists(drafts, max_size=4), min_size=1, max_size=3))
    def append(self, calls: list[list[Draft]]) -> None:
        """Calls that wait together are answered as if one after another."""

        async def all_at_once() -> list[list[Outcome]]:
            futures = [self.store.append(call) for call in calls]
            return [await future for future in futures]

        for call, outcomes in zip(calls, self.run(all_at_once()), strict=True):
            for one, outcome in zip(call, outcomes, strict=True):
                self.expect(one, outcome)

    @rule(data=st.data(), wanted=filters, records_max=st.integers(1, 5), bytes_max=st.integers(1, 1200))
    def read(self, data: st.DataObject, wanted: Filter, records_max: int, bytes_max: int) -> None:
        """Pages from any cursor, of any filter, are the list's records and the list's gap."""
        cursor = data.draw(st.sampled_from(self.cursors))
        gap = self.model.expected_gap(cursor, self.epoch)
        start = gap[1] if gap else cursor.position
        found: list[Record] = []
        place = cursor
        while True:
            one = self.run(self.store.read(wanted, place, records_max, bytes_max))
            expected = (
                Gap(gap[0], self.model.cursor(self.bounds().newest, gap[1]))
                if gap and place is cursor
                else None
            )
            assert one.gap == expected
            assert len(one.records) <= records_max
            found += one.records
            if one.records:
                assert one.start.position < one.records[0].position <= one.through.position
            if one.through == place or not one.records:
                break
            place = one.through
        assert [record.position for record in found] == self.model.above(start, wanted)
        by_position = {position: (sent, time_ms) for position, sent, time_ms in self.model.records}
        for record in found:
            sent, time_ms = by_position[record.position]
            assert (record.channel, record.data, record.time_ms) == (sent.channel, sent.data, time_ms)

    @rule(wanted=filters, count=st.integers(1, 6))
    def last(self, wanted: Filter, count: int) -> None:
        """The last N are the list's last N."""
        found = self.run(self.store.last(wanted, count))
        positions = [record.position for record in found.records]
        assert positions == self.model.above(0, wanted)[-count:]
        assert found.start.position < positions[0] if positions else found.start == self.bounds().newest
        self.cursors.append(found.start)

    @rule(data=st.data(), off_ms=st.integers(-1, 1))
    def since(self, data: st.DataObject, off_ms: int) -> None:
        """From the start of any time follows the rest of the list, and what was trimmed of it is told."""
        times = [self.clock.ms, *(time_ms for _, _, time_ms in self.model.records)]
        time_ms = data.draw(st.just(self.model.trimmed_ms) | st.sampled_from(times)) + off_ms
        found = self.run(self.store.since(time_ms))
        if self.model.trimmed and time_ms <= self.model.trimmed_ms:
            mark = self.bounds().trimmed
            assert (found.gap, found.start) == (Gap("trimmed", mark), mark)
            return
        expected = self.model.since(time_ms)
        after = self.run(self.store.read(Filter.of(Channel("*", "*")), found.start, 100, 1 << 20))
        assert [record.position for record in after.records] == expected
        assert (found.gap, after.gap, found.through) == (None, None, found.start)
        if not expected:
            assert found.start == self.bounds().newest
        self.cursors.append(found.start)

    @rule(data=st.data())
    def get(self, data: st.DataObject) -> None:
        """A position holds what was stored there, as long as it is retained."""
        position = data.draw(st.sampled_from(self.cursors)).position
        record = self.run(self.store.get(position))
        assert (record is not None) == any(position == there for there, _, _ in self.model.records)

    @rule(data=st.data())
    def follow(self, data: st.DataObject) -> None:
        """A follower from any cursor that has no gap hears the rest of the list, now or later."""
        if self.follower is None:
            cursor = data.draw(st.sampled_from(self.cursors))
            if self.model.expected_gap(cursor, self.epoch):
                return
            self.follower, self.heard = self.store.follow(cursor), cursor.position
            if data.draw(st.booleans()):
                return
        while expected := self.model.above(self.heard, Filter.of(Channel("*", "*"))):
            if (group := self.run(self.next_group(self.follower))) is None:
                assert self.heard < self.model.trimmed
                self.follower = None
                return
            # What is in the window may since have been trimmed; what is retained comes in order, without a hole.
            kept = [record.position for record in group if record.position > self.model.trimmed]
            assert kept == expected[: len(kept)]
            self.heard = group[-1].position

    @rule()
    def overtake(self) -> None:
        """A follower that hears nothing while more is published than is kept learns that retention passed it."""
        self.follower, self.heard = self.store.follow(self.bounds().newest), self.model.newest
        self.append([[draft()] * (MAX_MESSAGES + 1)])
        self.trim()
        assert self.run(self.next_group(self.follower)) is None
        self.follower = None

    async def next_group(self, follower: AsyncIterator[list[Record]]) -> list[Record] | None:
        try:
            return await anext(follower)
        except OvertakenError as error:
            return None if error.gap.reason == "trimmed" else []

    @rule(seconds=st.integers(1, 120))
    def pass_time(self, seconds: int) -> None:
        self.clock.pass_s(seconds)

    @rule()
    def trim(self) -> None:
        """Retention takes from the list's front what is too old or too much, and keys past their window."""

        async def all_steps() -> None:
            while await self.store.trim():
                pass

        self.run(all_steps())
        limit = self.clock.ms - MAX_AGE_S * 1000
        records = self.model.records
        while records and (len(records) > MAX_MESSAGES or records[0][2] < limit):
            self.model.trimmed, _, self.model.trimmed_ms = records.pop(0)
        self.model.losses = [loss for loss in self.model.losses if loss[1] > self.model.trimmed]

    # -- misfortunes --------------------------------------------------------------------------------

    def durable(self) -> bool:
        return self.backend.durable

    @precondition(durable)
    @rule()
    def reopen(self) -> None:
        """A clean close loses nothing and leaves no gap; unanswered numbers may be told as lost."""
        self.run(self.store.close())
        self.open()
        self.note_loss()

    @precondition(durable)
    @rule()
    def kill(self) -> None:
        """What was answered is there after a kill, and its numbers are not given again."""
        self.run(self.hurt.kill(self.store))
        self.open_on_what_is_left()

    @precondition(durable)
    @rule(rows=st.integers(1, 5))
    def lose_tail(self, rows: int) -> None:
        """Entries that vanish are told: cursors into them are `lost_tail`, and their numbers are not given again."""
        kept = self.model.records[:-rows]
        last = max(kept[-1][0] if kept else 0, self.model.trimmed)
        self.run(self.hurt.lose_tail(self.store, last))
        self.model.forget_above(last)
        self.open_on_what_is_left()

    @precondition(lambda self: self.backend.durable and self.hurt.restorable)
    @rule()
    def back_up(self) -> None:
        """Keep a copy of the log as it is now."""
        self.run(self.hurt.back_up(self.store))
        self.backup = self.model.copy()
        self.backup_epoch = self.epoch

    @precondition(
        lambda self: (
            self.backend.durable and self.hurt.restorable and self.backup and self.backup_epoch == self.epoch
        )
    )
    @rule()
    def restore(self) -> None:
        """An old log under newer cursors: everything since is told as lost."""
        self.run(self.hurt.restore(self.store))
        assert self.backup is not None
        self.model = self.backup.copy()
        self.open_on_what_is_left()

    @precondition(durable)
    @rule(data=st.data())
    def lose_identity(self, data: st.DataObject) -> None:
        """Without what says which log it is, it begins a new epoch, and every old cursor is told."""
        self.run(self.hurt.lose_identity(self.store, data.draw(st.sampled_from(self.hurt.identity_damages))))
        if self.hurt.keeps_records_without_identity:
            self.model.losses = []
        else:
            self.model = Model(
                by_anchor=self.model.by_anchor,
                blank=self.model.blank,
                told_by_entries=self.model.told_by_entries,
            )
        self.given = {(position, self.model.anchors[position]) for position, _, _ in self.model.records}
        self.open_on_what_is_left(same_epoch=False)

    @property
    def hurt(self) -> DurablePlace:
        assert isinstance(self.place, DurablePlace)
        return self.place

    @property
    def reuses_numbers(self) -> bool:
        return isinstance(self.place, DurablePlace) and self.place.reuses_numbers

    def open_on_what_is_left(self, *, same_epoch: bool = True) -> None:
        self.open()
        assert (self.bounds().newest.epoch == self.epoch) == same_epoch
        self.epoch = self.bounds().newest.epoch
        self.note_loss()

    def note_loss(self) -> None:
        """Between what the model knows and where the store now begins, everything is told as lost."""
        newest = self.bounds().newest
        if self.model.by_anchor:
            assert newest == self.model.cursor(newest, self.model.newest)
            return
        assert newest.position >= self.model.newest
        assert newest.position >= max((given for given, _ in self.given), default=0)
        if newest.position > self.model.newest:
            self.model.losses.append((self.model.newest, newest.position))
        self.cursors.append(newest)

    @invariant()
    def ends_agree(self) -> None:
        """The ends of the log are the list's ends."""
        if hasattr(self, "store"):
            bounds = self.bounds()
            assert (bounds.trimmed.position, bounds.newest.position) == (
                self.model.trimmed,
                self.model.newest,
            )


def walk(backend: Backend, examples: int) -> None:
    """Try that many sequences of forty steps, each on a log of its own and with a window that followers fall out of."""
    machine = type("Machine", (StoreMachine,), {"backend": backend})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Relay.__init__, "__defaults__", (WINDOW_RECORDS, WINDOW_BYTES_MAX))
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.slow
@pytest.mark.timeout(
    300
)  # a broker shared with others may take its time; a time-out would be shrunk like a failure
def test_any_sequence_of_calls_and_misfortunes(backend: Backend) -> None:
    """After every step of every sequence the store answers as a list does."""
    walk(backend, backend.examples)


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_any_sequence_at_length(backend: Backend) -> None:
    """The same, twenty times as many: what takes several keys, their windows and a misfortune in one order is rare."""
    walk(backend, 20 * backend.examples)


class Broken(MemoryPlace):
    """Makes stores in which the first trim is told what a test's time-out is told; keeps the loops that it was used on."""

    def __init__(self, tries: list[asyncio.AbstractEventLoop]) -> None:
        self.tries = tries

    def make(
        self, retention: Retention, windows: Windows, clock: NowMs, letters: LetterBounds = BOUNDS
    ) -> Store:
        tries = self.tries

        class OutOfTime(MemoryStore):
            async def trim(self, keep_after: Position | None = None) -> int:
                tries.append(asyncio.get_running_loop())
                pytest.fail("Timeout >300.0s")

        return OutOfTime(retention, windows, now_ms=clock)


def test_a_store_that_is_not_here_is_skipped() -> None:
    """Without its server the machine says so, and leaves no loop behind that another test would be blamed for."""

    def nowhere(_: Path) -> Place:
        pytest.skip("there is no server")

    with pytest.raises(pytest.skip.Exception, match="no server"):
        walk(Backend("nowhere", nowhere, durable=False), 5)


def test_a_time_out_is_the_end_at_once() -> None:
    """It is not taken for a failure to be tried again and shrunk, and what was open is closed."""
    tries: list[asyncio.AbstractEventLoop] = []
    with pytest.raises(OutOfTimeError, match="Timeout"):
        walk(Backend("slow", lambda _: Broken(tries), durable=False), 50)
    assert len(tries) == 1
    assert tries[0].is_closed()

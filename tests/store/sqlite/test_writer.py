"""The thread: groups, chores, and the order in which they are told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from tests.contract.backends import draft

from fast_sse.model.errors import NotStoredError, UnknownOutcomeError
from fast_sse.store.pace import Instant
from fast_sse.store.rows.channels import Numbers
from fast_sse.store.sqlite.group import Job, Special, job
from fast_sse.store.sqlite.writer import Group, Writer


class SlowKeeper:
    """A keeper whose commits wait for the test, one permit each."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.started = threading.Semaphore(0)
        self.sizes: list[int] = []
        self.closed_at: int | None = None
        self.fail = False
        self.defect: BaseException | None = None
        self.distrusted = 0
        self.takes_s = 0.0
        self.now_s = 0.0

    def commit(self, jobs: list[Job]) -> Special:
        self.sizes.append(len(jobs))
        self.started.release()
        self.permits.acquire()
        self.now_s += self.takes_s * sum(len(job.records) + len(job.digests) for job in jobs)
        if self.fail:
            raise NotStoredError("no")
        if self.defect is not None:
            raise self.defect
        return {}

    def distrust(self) -> None:
        self.distrusted += 1

    def tidy_up(self) -> None:
        if self.defect is not None:
            raise self.defect

    def close(self, last_given: int) -> None:
        self.closed_at = last_given
        if self.defect is not None:
            raise self.defect


class Started:
    def __init__(self) -> None:
        self.keeper = SlowKeeper()
        self.groups: list[Group] = []
        self.told = asyncio.Event()
        self.writer = Writer(self.on_group, lambda: self.keeper.now_s)
        self.writer.start(self.keeper)  # type: ignore[arg-type]
        self.given = 0

    def on_group(self, group: Group) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.groups.append(group)
        self.told.set()

    def submit(self, *keys: str) -> None:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.writer.submit(job(future, [draft(keys=keys)], self.given, Instant(0, 0, 0), 0, 0, Numbers()))
        self.given += 1

    async def commit_started(self) -> None:
        await asyncio.to_thread(self.keeper.started.acquire)

    async def next_group(self) -> Group:
        self.keeper.permits.release()
        await self.told.wait()
        self.told.clear()
        return self.groups[-1]


@pytest.fixture
async def started() -> Any:
    found = Started()
    yield found
    found.keeper.permits.release(1000)
    if found.keeper.closed_at is None:
        await found.writer.close(0)


async def test_what_one_turn_of_the_loop_appends_is_one_group(started: Started) -> None:
    """The thread is woken once, when the turn ends, and takes everything."""
    for _ in range(50):
        started.submit()
    await started.commit_started()
    assert len((await started.next_group()).jobs) == 50


async def test_what_arrives_during_a_commit_is_the_next_group(started: Started) -> None:
    """Group commit: one fsync for all that waited, and in the order of their numbers."""
    started.submit()
    await started.commit_started()
    for _ in range(30):
        started.submit()
    await started.next_group()
    await started.commit_started()
    group = await started.next_group()
    assert started.keeper.sizes == [1, 30]
    assert [one.records[0].position for one in group.jobs] == list(range(2, 32))


async def test_a_group_is_bounded(started: Started) -> None:
    """A crowd is committed in several groups, none without end."""
    for _ in range(2500):
        started.submit()
    started.keeper.permits.release(3)
    while sum(len(group.jobs) for group in started.groups) < 2500:
        await started.told.wait()
        started.told.clear()
    assert started.keeper.sizes == [1024, 1024, 452]


async def test_a_group_is_bounded_in_time(started: Started) -> None:
    """Where rows take long, and keys count as rows, groups become smaller, and larger again where they do not."""
    started.keeper.takes_s = 0.001
    for number in range(1000):
        started.submit(f"k{number}")
    started.keeper.permits.release(1000)
    while sum(len(group.jobs) for group in started.groups) < 1000:
        await started.told.wait()
        started.told.clear()
    sizes = started.keeper.sizes
    assert sizes[:5] == [512, 256, 128, 64, 32]
    assert max(sizes[4:]) == 32
    started.keeper.takes_s = 0.0
    for _ in range(1000):
        started.submit()
    while sum(len(group.jobs) for group in started.groups) < 2000:
        await started.told.wait()
        started.told.clear()
    assert max(sizes) == 512


async def test_an_error_is_told_to_its_group(started: Started) -> None:
    """A group that failed is told so, and the thread goes on."""
    started.keeper.fail = True
    started.submit()
    assert isinstance((await started.next_group()).error, NotStoredError)
    started.keeper.fail = False
    started.submit()
    assert (await started.next_group()).error is None


async def test_chores_run_on_the_thread_between_groups(started: Started) -> None:
    """A chore sees no commit half done, its result or its error comes back, and publishes wait for one at most."""
    names: list[str] = []
    started.submit()
    await started.commit_started()
    first, second = (
        started.writer.do(lambda: names.append(threading.current_thread().name)) for _ in range(2)
    )
    started.submit()
    await started.next_group()
    await first
    await started.commit_started()
    assert not second.done()
    await started.next_group()
    await second
    assert names == ["fast-sse-log-writer"] * 2

    def fail() -> None:
        raise NotStoredError("no")

    with pytest.raises(NotStoredError):
        await started.writer.do(fail)


async def test_close_commits_what_is_queued(started: Started) -> None:
    """The log is closed after the last group, with the last number given, and the thread is gone."""
    for _ in range(3):
        started.submit()
    started.keeper.permits.release(10)
    await started.writer.close(3)
    assert sum(len(group.jobs) for group in started.groups) == 3
    assert started.keeper.closed_at == 3
    assert not started.writer._thread.is_alive()


async def test_no_wake_up_is_lost(started: Started) -> None:
    """However appends and the thread's last look interleave, everything is committed."""
    started.keeper.permits.release(10_000)

    async def publish(turns: Callable[[], int]) -> None:
        for _ in range(300):
            started.submit()
            for _ in range(turns()):
                await asyncio.sleep(0)

    await asyncio.gather(publish(lambda: 1), publish(lambda: 3), publish(lambda: 7))
    while sum(len(group.jobs) for group in started.groups) < 900:
        await started.told.wait()
        started.told.clear()


class Interleaved(Writer):
    """A loop that appends at the very moment at which the thread says that it is idle, having looked before that."""

    late: ClassVar[list[Job]] = []
    said = False

    @property
    def _idle(self) -> bool:
        return self.said

    @_idle.setter
    def _idle(self, idle: bool) -> None:
        self.said = idle
        if idle and self.late:
            self._jobs.append(self.late.pop())


async def test_what_comes_as_the_thread_goes_idle_is_committed() -> None:
    """Idle is said before the last look: an append between the two wakes nobody, and is seen."""
    groups: asyncio.Queue[Group] = asyncio.Queue()
    keeper = SlowKeeper()
    keeper.permits.release(10)
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    Interleaved.late.append(job(future, [draft()], 0, Instant(0, 0, 0), 0, 0, Numbers()))
    writer = Interleaved(groups.put_nowait)
    writer.start(keeper)  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        assert len((await groups.get()).jobs) == 1
    await writer.close(1)


class Torn(BaseException):
    """What no guard of a single step catches."""


async def test_a_defect_costs_its_group_and_the_thread_goes_on(
    started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a step raises, who waits for it is told, the log says it, the file is looked at, and the next group is stored."""
    started.keeper.defect = ValueError("never expected")
    started.submit()
    assert isinstance((await started.next_group()).error, UnknownOutcomeError)
    assert started.keeper.distrusted == 1

    def fail() -> None:
        raise OSError("never expected")

    with pytest.raises(NotStoredError):
        await started.writer.do(fail)
    await started.writer.do(lambda: None)  # behind the checkpoint
    for what in ("storing publishes", "a task of the store", "tidying up"):
        assert f"a defect in {what}: report it" in {record.message for record in caplog.records}
    started.keeper.defect = None
    started.submit()
    assert (await started.next_group()).error is None


async def test_a_thread_that_ends_is_told_to_everybody(
    started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    """After its last guard nothing waits for the thread: what it held is unknown, all else certainly not stored; close ends."""
    started.keeper.defect = Torn("never expected")
    started.submit()
    await started.commit_started()
    started.submit()
    asked = started.writer.do(lambda: None)
    assert isinstance((await started.next_group()).error, UnknownOutcomeError)
    with pytest.raises(NotStoredError, match="restart the hub"):
        await asked
    with pytest.raises(NotStoredError, match="restart the hub"):
        await started.writer.do(lambda: None)
    started.submit()
    while len(started.groups) < 3:
        await started.told.wait()
        started.told.clear()
    assert [type(group.error) for group in started.groups[1:]] == [NotStoredError] * 2
    assert caplog.records[-1].levelname == "CRITICAL"
    started.keeper.defect = None
    await started.writer.close(7)
    assert started.keeper.closed_at == 7


async def test_a_log_that_cannot_be_closed_ends_all_the_same(started: Started) -> None:
    """Closing returns whatever the keeper meets: a process must end."""
    started.keeper.defect = ValueError("never expected")
    await started.writer.close(0)
    assert not started.writer._thread.is_alive()

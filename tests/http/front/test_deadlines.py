"""The one timer of all connections."""

from __future__ import annotations

import asyncio

from tests.support.clock import ManualClock

from fast_sse.http.front.deadlines import LINGER_S, Deadlines
from fast_sse.model.limits import Limits


class Member:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expiries = 0
        self.gone = asyncio.Event()

    def expired(self) -> None:
        self.expiries += 1
        self.deadline = float("inf")
        self.gone.set()

    def drain(self) -> None: ...

    def abort(self) -> None: ...


async def test_only_the_late_expire() -> None:
    """A sweep expires whoever is at or past its deadline, and nobody else."""
    clock = ManualClock(100.0)
    deadlines = Deadlines(Limits(), clock)
    late, due, early = Member(99.0), Member(100.0), Member(100.1)
    for member in (late, due, early):
        deadlines.add(member)
    deadlines.sweep()
    assert [late.expiries, due.expiries, early.expiries] == [1, 1, 0]
    deadlines.stop()


async def test_a_deadline_is_never_early() -> None:
    """A deadline set any time before the next sweep leaves at least its full limit from then on."""
    clock = ManualClock(100.0)
    limits = Limits(header_s=8.0, body_s=20.0, keep_alive_s=40.0)
    deadlines = Deadlines(limits, clock)
    deadlines.sweep()
    clock.now += deadlines.interval_s
    assert deadlines.head - clock.now == 8.0
    assert deadlines.body - clock.now == 20.0
    assert deadlines.idle - clock.now == 40.0
    assert deadlines.linger - clock.now == LINGER_S


async def test_a_sweep_renews_the_moments() -> None:
    """Deadlines count from the last sweep, so that setting one is copying a number."""
    clock = ManualClock(0.0)
    deadlines = Deadlines(Limits(), clock)
    before = deadlines.head
    clock.now = 5.0
    deadlines.sweep()
    assert deadlines.head == before + 5.0


def test_the_interval_follows_the_shortest_limit() -> None:
    """The sweep looks four times per shortest deadline, at most once a second."""
    assert Deadlines(Limits(), ManualClock()).interval_s == 1.0
    assert Deadlines(Limits(header_s=0.2), ManualClock()).interval_s == 0.05


async def test_no_connection_no_timer() -> None:
    """The timer runs while somebody is watched: one for all, none for nobody, and back with the next one."""
    clock = ManualClock()
    deadlines = Deadlines(Limits(), clock)
    member, other = Member(float("inf")), Member(float("inf"))
    assert deadlines._timer is None
    deadlines.add(member)
    timer = deadlines._timer
    assert timer is not None
    deadlines.add(other)
    assert deadlines._timer is timer
    deadlines.discard(member)
    deadlines.discard(other)
    timer.cancel()
    deadlines._tick()
    assert deadlines._timer is None
    clock.now += 10_000.0
    deadlines.add(member)
    assert deadlines._timer is not None
    assert deadlines.head > clock.now  # nobody swept meanwhile
    deadlines.stop()
    assert deadlines._timer is None


async def test_the_timer_goes_on() -> None:
    """Each tick sweeps and sets the next one."""
    deadlines = Deadlines(Limits(header_s=0.004), asyncio.get_running_loop().time)
    for _ in range(2):
        member = Member(0.0)
        deadlines.add(member)
        await member.gone.wait()
    deadlines.stop()


async def test_moments_are_renewed_with_each_sweep_and_with_the_first_member() -> None:
    """Who keeps the time by it is at most one interval late, and pays nothing while nobody is connected."""
    told: list[float] = []
    clock = ManualClock(100.0)
    deadlines = Deadlines(Limits(), clock, lambda: told.append(clock.now))
    clock.now = 200.0
    deadlines.add(Member(float("inf")))
    clock.now = 201.0
    deadlines.sweep()
    assert told == [100.0, 200.0, 201.0]
    assert deadlines.interval_s <= 1
    deadlines.stop()

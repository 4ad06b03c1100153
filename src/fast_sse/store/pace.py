"""What time it is in a log of this machine, when anybody may set the wall clock.

Two times, both at the pace of a clock that is never set and that counts suspend (CLOCK_BOOTTIME):

- **Shown**: what records carry and `since` asks for. It is the wall clock's. A step of that clock is said at once and believed
  after `patience_s`, if it is still there. Until then, and for good if it was put right, the time goes on at its pace.
- **Paced**: what retention by age and windows of keys are decided by. No step of the wall clock moves it, believed or
  not, so none deletes a log or forgets a key. From one process to the next it goes on by the same clock, as long as the machine
  was not started anew. Where it was, the wall clock alone knows for how long it was off: that is believed after
  `patience_s`, too, and what is stored meanwhile is given it beforehand (`pledged`), so that nothing ages twice.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from fast_sse.store.clock import wall_ms

_log = logging.getLogger(__name__)

PATIENCE_S = 600.0
#: What the wall clock may be off by and still is followed at once: a leap second, a correction by NTP.
_NEAR_MS = 1_000
#: A clock that does not stop stepping has one line in so many milliseconds.
_SAID_MS = 60_000

#: It counts suspend; where there is none, one that does not has to do.
_BOOTTIME: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

ReadMs = Callable[[], int]


class Instant(NamedTuple):
    """One reading: the shown time, the paced time, and the paced time to count a new life from."""

    time_ms: int
    paced_ms: int
    pledged_ms: int


class Times(NamedTuple):
    """What the log keeps of both times, so that the next process can go on: the boot they were read in, and when in it."""

    boot: str
    boot_ms: int
    time_ms: int
    paced_ms: int


class Paced(Protocol):
    """Where a store has its times from."""

    def begin(self, kept: Times | None, last_ms: int) -> None:
        """Go on where the log ended: with what it kept, None when it did not, and the time of its last record, 0 for none."""

    def read(self) -> Instant:
        """The times now."""

    def keep(self) -> Times:
        """What the next process needs."""


def boot_ms() -> int:
    """Milliseconds of a clock that is never set."""
    return time.clock_gettime_ns(_BOOTTIME) // 1_000_000


def boot_id() -> str:
    """What `boot_ms` is counted from: another word after each start of the machine; empty where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


class ByHand:
    """Both times are what a test says."""

    def __init__(self, now_ms: ReadMs) -> None:
        self._now_ms = now_ms

    def begin(self, kept: Times | None, last_ms: int) -> None:
        """Nothing goes on by itself here."""

    def read(self) -> Instant:
        """The times now."""
        now_ms = self._now_ms()
        return Instant(now_ms, now_ms, now_ms)

    def keep(self) -> Times:
        """Nothing that another process could go on with."""
        now_ms = self._now_ms()
        return Times("", 0, now_ms, now_ms)


class Steps:
    """By how much the times that records carry differ from the paced ones: rarely another number, so noted where it changes."""

    def __init__(self) -> None:
        self._firsts: deque[tuple[int, int]] = deque([(0, 0)])

    def note(self, position: int, time_ms: int, paced_ms: int) -> None:
        """A record of this time was stored at this paced time."""
        if abs(time_ms - paced_ms - self._firsts[-1][1]) > _NEAR_MS:
            self._firsts.append((position, time_ms - paced_ms))

    def paced_ms(self, oldest: int, time_ms: int) -> int:
        """When the oldest record was stored; what came before it may be forgotten."""
        while len(self._firsts) > 1 and self._firsts[1][0] <= oldest:
            self._firsts.popleft()
        return time_ms - self._firsts[0][1]


class _Claim:
    """What the wall clock says beside what we know, in milliseconds, and since when it has said the same."""

    def __init__(self, off_ms: int, since_ms: int) -> None:
        self.off_ms = off_ms
        self.since_ms = since_ms

    def stands(self, off_ms: int, now_ms: int, patience_ms: int) -> bool:
        """Whether it has stood for so long; one that changed begins anew."""
        if abs(off_ms - self.off_ms) > _NEAR_MS:
            self.off_ms, self.since_ms = off_ms, now_ms
        return now_ms - self.since_ms >= patience_ms


class Pace:
    """The times of one open log. Lives on the event loop's thread."""

    def __init__(
        self,
        patience_s: float = PATIENCE_S,
        *,
        wall: ReadMs = wall_ms,
        boot: ReadMs = boot_ms,
        boot_id: Callable[[], str] = boot_id,
    ) -> None:
        self._patience_ms = int(patience_s * 1000)
        self._wall = wall
        self._boot = boot
        self._boot_id = boot_id()
        self._step: _Claim | None = None
        self._said_ms: int | None = None
        self._off: _Claim | None = None
        # Both times are kept as what they are ahead of the boot's clock.
        self._shown = self._paced = wall() - boot()
        #: What the shown time would be if the machine had not been off, ahead of the boot's clock.
        self._known = 0

    def begin(self, kept: Times | None, last_ms: int) -> None:
        """See `Paced`."""
        boot = self._boot()
        if kept is not None and self._same_boot(kept, boot):
            self._shown = max(kept.time_ms - kept.boot_ms, last_ms - boot)
            self._paced = kept.paced_ms - kept.boot_ms
        elif kept is not None or last_ms:
            last_shown = max(kept.time_ms if kept else 0, last_ms)
            self._known = last_shown - boot
            self._paced = (kept.paced_ms if kept else last_ms) - boot
            self._shown = max(last_shown, self._wall()) - boot
            self._off = _Claim(self._wall() - last_shown, boot)

    def _same_boot(self, kept: Times, boot: int) -> bool:
        """Whether both processes read one clock. Where the kernel does not say which start it is of (ProcSubset=pid), the wall clock
        must have gone on by as much: then it does not matter.
        """
        if boot < kept.boot_ms:
            return False
        if kept.boot and self._boot_id:
            return kept.boot == self._boot_id
        return abs((self._wall() - kept.time_ms) - (boot - kept.boot_ms)) <= _NEAR_MS

    def read(self) -> Instant:
        """The times now."""
        boot, wall = self._boot(), self._wall()
        off = wall - boot - self._shown
        if -_NEAR_MS <= off <= _NEAR_MS and self._step is None:
            self._shown += off
        else:
            self._judge(off, boot)
        pledge = self._judge_off(wall, boot) if self._off is not None else 0
        paced = self._paced + boot
        return Instant(self._shown + boot, paced, paced + pledge)

    def keep(self) -> Times:
        """See `Paced`."""
        now = self.read()
        return Times(self._boot_id, self._boot(), now.time_ms, now.paced_ms)

    def _judge(self, off: int, boot: int) -> None:
        """The wall clock is not where it was."""
        if -_NEAR_MS <= off <= _NEAR_MS:
            self._step = None
            self._shown += off
            _log.warning("the wall clock is right again, and its step changed nothing: nothing to do")
            return
        if self._step is None:
            self._step = _Claim(off, boot)
        if self._step.stands(off, boot, self._patience_ms):
            self._step = None
            self._shown += off
            _log.warning("the hub believes the new wall clock from now on: look whether its time is right")
        elif self._step.since_ms == boot and (self._said_ms is None or boot - self._said_ms >= _SAID_MS):
            self._said_ms = boot
            _log.warning(
                "the wall clock stepped by %+.1f s: set it right within %.0f s if it is wrong; the hub counts on as "
                "before and deletes nothing because of it",
                off / 1000,
                self._patience_ms / 1000,
            )

    def _judge_off(self, wall: int, boot: int) -> int:
        """How long the machine was off, as far as the wall clock says: what is not believed yet."""
        assert self._off is not None
        off = wall - boot - self._known
        if not self._off.stands(off, boot, self._patience_ms):
            return max(0, off)
        self._off = None
        if off > _NEAR_MS:
            self._paced += off
            _log.info("the machine was off for %.0f s: the log has aged by that", off / 1000)
        return 0

"""The times of a log while somebody sets the wall clock."""

from __future__ import annotations

import pytest

from fast_sse.store.pace import ByHand, Instant, Pace, Times, boot_id, boot_ms

START_MS = 1_800_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
PATIENCE_S = 600


class Machine:
    """Two clocks: `pass_s` moves both, `step_s` somebody's hand moves the wall clock alone."""

    def __init__(self) -> None:
        self.wall_ms = START_MS
        self.boot_ms = 5_000
        self.boot = "first"

    def pace(self, kept: Times | None = None, last_ms: int = 0) -> Pace:
        pace = self.unopened()
        pace.begin(kept, last_ms)
        return pace

    def unopened(self) -> Pace:
        return Pace(
            PATIENCE_S, wall=lambda: self.wall_ms, boot=lambda: self.boot_ms, boot_id=lambda: self.boot
        )

    def pass_s(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)
        self.boot_ms += int(seconds * 1000)

    def step_s(self, seconds: float) -> None:
        self.wall_ms += int(seconds * 1000)

    def start_anew(self, off_s: float) -> None:
        self.wall_ms += int(off_s * 1000)
        self.boot_ms, self.boot = 1_000, "second"


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_both_times_are_the_wall_clock_s(machine: Machine) -> None:
    """As long as nobody sets the clock there is one time."""
    pace = machine.pace()
    machine.pass_s(90_000)
    assert pace.read() == Instant(*[START_MS + 90_000_000] * 3)


def test_small_corrections_are_followed_at_once(machine: Machine) -> None:
    """A second of NTP is shown at once, and ages nothing."""
    pace = machine.pace()
    machine.step_s(0.9)
    assert pace.read() == Instant(START_MS + 900, START_MS, START_MS)


@pytest.mark.parametrize("step_s", [3720, 2 * 86_400, -3600, -50 * 365 * 86_400])
def test_a_step_is_said_and_believed_later(
    machine: Machine, caplog: pytest.LogCaptureFixture, step_s: int
) -> None:
    """One line at once, one when it is believed; what is decided by age never hears of it."""
    pace = machine.pace()
    machine.step_s(step_s)
    assert pace.read() == Instant(START_MS, START_MS, START_MS)
    machine.pass_s(PATIENCE_S - 1)
    assert pace.read().time_ms == START_MS + (PATIENCE_S - 1) * 1000
    assert len(caplog.records) == 1
    machine.pass_s(1)
    paced = START_MS + PATIENCE_S * 1000
    assert pace.read() == Instant(paced + step_s * 1000, paced, paced)
    assert len(caplog.records) == 2


def test_a_step_that_is_put_right_changes_nothing(machine: Machine) -> None:
    """Two days ahead for twelve seconds, and born in 1970 and put right: the times go on as if nobody had."""
    pace = machine.pace()
    for step_s in (2 * 86_400, -56 * 365 * 86_400):
        machine.step_s(step_s)
        for _ in range(12):
            machine.pass_s(1)
            pace.read()
        machine.step_s(-step_s)
        pace.read()
    now = START_MS + 24_000
    assert pace.read() == Instant(now, now, now)


def test_a_clock_that_goes_on_stepping_is_never_believed(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """Each step begins the wait anew, and a line a minute says so."""
    pace = machine.pace()
    for _ in range(2 * PATIENCE_S):
        machine.pass_s(1)
        machine.step_s(2)
        pace.read()
    assert pace.read().time_ms == START_MS + 2 * PATIENCE_S * 1000
    assert len(caplog.records) == 2 * PATIENCE_S // 60


def test_a_process_goes_on_where_the_last_one_ended(machine: Machine) -> None:
    """While the machine was not started anew its own clock says how long nobody wrote, whatever the wall clock says."""
    kept = machine.pace().keep()
    machine.pass_s(7200)
    machine.step_s(-DAY_MS / 1000)
    now = START_MS + 7_200_000
    assert machine.pace(kept).read() == Instant(now, now, now)


def test_where_nobody_says_which_start_it_is_both_clocks_must_agree(machine: Machine) -> None:
    """A service that may not see it (ProcSubset=pid) goes on exactly; where the wall clock was set meanwhile it waits."""
    machine.boot = ""
    kept = machine.pace().keep()
    machine.pass_s(7200)
    now = START_MS + 7_200_000
    assert machine.pace(kept).read() == Instant(now, now, now)
    machine.step_s(2 * 86_400)
    later = now + 2 * DAY_MS
    assert machine.pace(kept).read() == Instant(later, START_MS, later)


def test_the_time_that_a_machine_was_off_is_believed_later(machine: Machine) -> None:
    """Shown at once; nothing dies of it for ten minutes, and what is stored meanwhile does not age by it at all."""
    kept = machine.pace().keep()
    machine.start_anew(off_s=48 * 3600)
    pace = machine.pace(kept, START_MS)
    later = START_MS + 2 * DAY_MS
    assert pace.read() == Instant(later, START_MS, later)
    machine.pass_s(PATIENCE_S)
    later += PATIENCE_S * 1000
    assert pace.read() == Instant(later, later, later)


def test_a_wall_clock_that_is_wrong_at_the_start_ages_nothing(machine: Machine) -> None:
    """Two days ahead at the start and put right within ten minutes: the log is as old as before."""
    kept = machine.pace().keep()
    machine.start_anew(off_s=2 * 86_400)
    pace = machine.pace(kept, START_MS)
    machine.pass_s(60)
    machine.step_s(-2 * 86_400)
    pace.read()
    machine.pass_s(PATIENCE_S)
    now = START_MS + 60_000 + PATIENCE_S * 1000
    assert pace.read() == Instant(now, now, now)


def test_a_machine_born_in_1970_goes_on(machine: Machine) -> None:
    """Time does not stand still while the clock is behind the log, and when it is put right only the absence is aged."""
    kept = machine.pace().keep()
    machine.start_anew(off_s=-START_MS / 1000)
    pace = machine.pace(kept, START_MS)
    machine.pass_s(30)
    assert pace.read() == Instant(*[START_MS + 30_000] * 3)
    machine.step_s((START_MS + HOUR_MS) / 1000)
    pace.read()
    machine.pass_s(PATIENCE_S)
    now = START_MS + HOUR_MS + 30_000 + PATIENCE_S * 1000
    assert pace.read() == Instant(now, now, now)


def test_a_log_that_kept_no_times_begins_with_its_last_record(machine: Machine) -> None:
    """A log of an earlier version: as after a start of the machine, from the time of the record that is its last."""
    pace = machine.pace(None, START_MS - HOUR_MS)
    assert pace.read() == Instant(START_MS, START_MS - HOUR_MS, START_MS)


def test_a_clock_moved_by_hand_is_both_times() -> None:
    """Tests say what time it is, and nothing is believed or not."""
    by_hand = ByHand(lambda: 7)
    by_hand.begin(Times("first", 1, 2, 3), 4)
    assert by_hand.read() == Instant(7, 7, 7)
    assert by_hand.keep() == Times("", 0, 7, 7)


def test_this_machine_has_such_a_clock() -> None:
    """It moves forward, and says which start of the machine it is counted from."""
    assert boot_ms() <= boot_ms()
    assert boot_id() == boot_id()

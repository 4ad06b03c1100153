"""The last quarter of an hour in numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.hub.loops import ManualLoop

from fast_sse.observe import history
from fast_sse.observe.history import History, Point
from fast_sse.observe.metrics import Histogram, Sample


class Part:
    """Numbers that a test moves, and a clock beside them."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.stored = self.refused = 0
        self.streams: float | None = None
        self.arrival, self.stamped = Histogram(), Histogram()
        self.history = History([self.samples], clock=lambda: self.now_s)

    def samples(self) -> Iterator[Sample]:
        """As a part of the hub says them."""
        for outcome, count in (("stored", self.stored), ("overloaded", self.refused), ("duplicate", 7)):
            yield Sample("publishes_total", "counter", "P.", count, (("outcome", outcome),))
        if self.streams is not None:
            yield Sample("streams_open", "gauge", "S.", self.streams)
        for word, one in (("arrival", self.arrival), ("stored", self.stamped)):
            yield one.sample("publish_flushed_seconds", "F.", (("since", word),))

    def second(self) -> dict[str, float | None]:
        """One second later: the lines by their names."""
        self.now_s += 1
        return self.named(self.history.take(int(self.now_s * 1000)))

    def named(self, point: Point) -> dict[str, float | None]:
        """A point's values by the names of their lines."""
        return dict(zip(self.history.names, point.values, strict=True))


@pytest.fixture
def part() -> Part:
    """A part of which nothing was read yet."""
    return Part()


def test_a_rate_is_that_of_the_last_seconds(part: Part) -> None:
    """From the difference of a counter by the monotonic clock, only of the words that belong to the line."""
    assert part.second()["published"] is None
    part.stored, part.refused = 10, 4
    told = part.second()
    assert (told["published"], told["publish_failed"]) == (10.0, 4.0)
    for _ in range(history.WINDOW_S - 1):
        told = part.second()
    assert told["published"] == 10 / history.WINDOW_S
    assert part.second()["published"] == 0.0


def test_a_loop_that_stood_still_lowers_the_rate(part: Part) -> None:
    """The seconds count that have passed, and not the points."""
    part.second()
    part.stored = 60
    part.now_s += 29
    assert part.second()["published"] == 2.0


def test_what_nobody_says_is_not_zero(part: Part) -> None:
    """A gauge that is not there is a hole in the line; a counter that is not there yet has counted nothing."""
    part.second()
    told = part.second()
    assert (told["streams"], told["ingest_lag"], told["evicted"]) == (None, None, 0.0)
    part.streams = 3
    assert part.second()["streams"] == 3


def test_percentiles_are_those_of_the_last_seconds_over_all_labels(part: Part) -> None:
    """What was observed before counts no more; with nothing observed there is none."""
    part.arrival.observe(5.0)
    assert part.second()["flushed_p50"] is None
    for _ in range(99):
        part.arrival.observe(0.0004)
    part.stamped.observe(2.0)
    told = part.second()
    assert told["flushed_p50"] == pytest.approx(0.000375, abs=1e-5)
    assert told["flushed_p99"] == pytest.approx(0.0005)
    for _ in range(history.WINDOW_S):
        told = part.second()
    assert told["flushed_p50"] is None


def test_the_spread_is_that_of_all_points(part: Part) -> None:
    """From the oldest point that is kept; a histogram that is not there has none."""
    assert part.history.spread()["flushed"].count == 0
    part.second()
    for value in (0.3, 0.3, 0.3, 9.0):
        part.arrival.observe(value)
        part.second()
    spread = part.history.spread()
    assert spread["flushed"].count == 4
    assert spread["flushed"].p50 == pytest.approx(0.4167, abs=1e-3)
    assert spread["flushed"].p99 == pytest.approx(9.8, abs=1e-3)
    assert spread["commit"] == history.Spread(0, None, None, None)


def test_it_is_bounded(part: Part) -> None:
    """After a day there are as many points as after a quarter of an hour, and what they span is as long."""
    part.arrival.observe(0.1)
    part.second()
    part.arrival.observe(0.1)
    for _ in range(history.POINTS_MAX + 5):
        part.second()
    points = part.history.points()
    assert len(points) == history.POINTS_MAX
    assert [points[0].number, points[-1].number] == [6, history.POINTS_MAX + 5]
    assert part.history.spread()["flushed"].count == 0


def test_who_was_away_gets_the_points_that_it_missed(part: Part) -> None:
    """By the number of the last one that it has."""
    for _ in range(4):
        part.second()
    assert [point.number for point in part.history.points(after=1)] == [2, 3]
    assert part.history.points(after=3) == []


def test_listeners_hear_each_point_until_they_leave(part: Part) -> None:
    """One may leave while it is told."""
    heard: list[int] = []

    def once(point: Point) -> None:
        heard.append(point.number)
        part.history.listeners.discard(once)

    part.history.listeners.add(once)
    part.second()
    part.second()
    assert heard == [0]


def test_a_point_is_taken_each_second() -> None:
    """By the task, until it is cancelled."""
    loop, part = ManualLoop(), Part()

    async def watch() -> None:
        task = asyncio.create_task(part.history.run(lambda: int(loop.now_s * 1000)))
        await loop.elapse(3.0)
        task.cancel()
        await asyncio.wait([task])

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(watch())
    assert [point.at_ms for point in part.history.points()] == [1_000_000_000 + 1000 * n for n in range(4)]


def test_every_line_has_a_name_of_its_own() -> None:
    """A name that stood twice would hide a line."""
    assert len({one.name for one in history.SERIES}) == len(history.SERIES)

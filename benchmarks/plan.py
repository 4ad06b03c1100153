"""What a side-by-side run measures, in which order, and how much of it fits into the time it was given.

Rounds are the outermost loop: a run that is cut short has fewer rounds of everything, not all rounds of something. Only
the points of charts, by which nothing is judged, come once and then again in what time is left.
Within a round every server takes its turn at one measurement before anyone goes on to the next (A B A B …), so that
a machine that warms up or slows down does so for all, and a ratio is that of neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Options = dict[str, Any]

ROUNDS, QUICK_ROUNDS = 5, 1
CHART_ROUNDS = 3
SECONDS_MAX = 3600.0
#: What a measurement takes besides its window, until one has been timed: start, connect, warm-up, drain, stop.
OVERHEAD_S = 6.0

#: No more deliveries a second than this are due in the chart over subscribers: what is asked is the cost, not the limit.
CHART_DELIVERIES_PER_S = 30_000
CHART_RATE_MAX = 300
CHART_SUBSCRIBERS = (10, 100, 1000, 10_000)
CHART_RATES = (10, 30, 100, 300, 1000)
#: One subscriber each. The rate stays, so a message finds its channel among more and more others.
CHART_CHANNELS = (1, 10, 100, 1000, 10_000)
CHART_CHANNELS_RATE = 1000
BY_SUBSCRIBERS, BY_CHANNELS, BY_RATE = "by subscribers", "by channels", "by rate"


class Part(NamedTuple):
    """One measurement: `name` in our tables, `scenario` of the generator, and its options.

    `spare`: its rounds after the first come when everything else is done.
    """

    name: str
    scenario: str
    options: Options
    rounds: int = 1 << 30
    spare: bool = False

    def for_peer(self, less: Mapping[str, Options]) -> Part:
        """With the smaller numbers that one server needs."""
        smaller = {key: min(value, self.options[key]) for key, value in less.get(self.name, {}).items()}
        return self._replace(options=self.options | smaller)


FULL: dict[str, tuple[str, Options]] = {
    "fanout": ("fanout", {"subscribers": 1000, "rate": 30.0, "seconds": 6.0, "size": 200}),
    "burst": (
        "burst",
        {"subscribers": 1000, "publishers": 32, "messages": 8000, "seconds": 6.0, "size": 200},
    ),
    "large": ("large", {"subscribers": 50, "rate": 30.0, "seconds": 5.0, "size": 50 * 1024}),
    "publish": ("publish", {"channels": 8, "publishers": 32, "seconds": 8.0, "size": 200}),
    "idle": ("idle", {"subscribers": 5000, "seconds": 2.0}),
    "latency": ("fanout", {"subscribers": 100, "rate": 30.0, "seconds": 6.0, "size": 200}),
    "replay": ("resume", {"subscribers": 1000, "messages": 100_000, "missed": 100, "size": 200}),
    "original": ("original", {"seconds": 75.0, "size": 50 * 1024}),
}
#: Rounds of a part that is not judged in pairs, and takes minutes.
FEWER_ROUNDS = {"original": 1}
QUICK: dict[str, Options] = {
    "fanout": {"seconds": 2.0},
    "burst": {"messages": 1000, "seconds": 2.0},
    "large": {"seconds": 2.0},
    "publish": {"seconds": 2.0},
    "idle": {"subscribers": 1000, "seconds": 1.0},
    "latency": {"seconds": 2.0},
    "replay": {"subscribers": 100, "messages": 10_000},
    "original": {"seconds": 5.0},
}


def chart_parts(seconds: float, rounds: int) -> list[Part]:
    """The points of all charts; few seconds each, because there are many."""

    def point(name: str, subscribers: int, rate: float) -> Part:
        options = {"subscribers": subscribers, "rate": float(rate), "seconds": seconds, "size": 200}
        return Part(name, "fanout", options, rounds, spare=True)

    rates = {n: min(CHART_RATE_MAX, CHART_DELIVERIES_PER_S // n) for n in CHART_SUBSCRIBERS}
    by_channels = {"rate": float(CHART_CHANNELS_RATE), "seconds": seconds, "size": 200}
    return [
        *(point(BY_SUBSCRIBERS, subscribers, rate) for subscribers, rate in rates.items()),
        *(
            Part(
                BY_CHANNELS,
                "channels",
                by_channels | {"channels": many, "subscribers": many},
                rounds,
                spare=True,
            )
            for many in CHART_CHANNELS
        ),
        *(point(BY_RATE, 100, rate) for rate in CHART_RATES),
    ]


def parts(only: Iterable[str], *, quick: bool, charts: bool) -> list[Part]:
    """What a run measures, in order."""
    found = []
    for name in only:
        scenario, options = FULL[name]
        rounds = FEWER_ROUNDS.get(name, 1 << 30)
        found.append(Part(name, scenario, options | (QUICK[name] if quick else {}), rounds))
    if charts:
        found += chart_parts(2.0 if quick else 3.0, CHART_ROUNDS)
    return found


def in_order(planned: list[Part], rounds: int) -> Iterator[tuple[int, Part]]:
    """Round by round; a part that wants fewer rounds is in the first ones, and spare ones come last."""
    spare = [part for part in planned if part.spare]
    rest = [part for part in planned if not part.spare]
    rounds_of = [(1, planned), *((number, rest) for number in range(2, rounds + 1))]
    rounds_of += [(number, spare) for number in range(2, rounds + 1)]
    for number, some in rounds_of:
        yield from ((number, part) for part in some if number <= part.rounds)


class Budget:
    """Whether one more block (one part, every server once) still fits, judged by how long its last one took."""

    def __init__(self, seconds_max: float, servers: int) -> None:
        self._left_s = seconds_max
        self._servers = servers
        self._took_s: dict[str, float] = {}

    @property
    def left_s(self) -> float:
        """Seconds that are not spent."""
        return self._left_s

    def fits(self, part: Part) -> bool:
        """A guess before the first time, experience after it."""
        guess_s: float = self._servers * (part.options.get("seconds", 0.0) + OVERHEAD_S)
        return self._took_s.get(self._key(part), guess_s) <= self._left_s

    def spend(self, part: Part, seconds: float) -> None:
        """One block is over."""
        self._took_s[self._key(part)] = seconds
        self._left_s -= seconds

    @staticmethod
    def _key(part: Part) -> str:
        return f"{part.name} {sorted(part.options.items())}"

"""The scenarios by name: what each asks, how it is played, and in what numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fast_sse.bench.burst import burst
from fast_sse.bench.idle import idle
from fast_sse.bench.original import CONSUMERS, original
from fast_sse.bench.publishes import publish
from fast_sse.bench.resume import resume
from fast_sse.bench.steady import slow, steady
from fast_sse.model.limits import KIB

Options = dict[str, Any]


class Scenario(msgspec.Struct, frozen=True):
    """One question to a server.

    Attributes:
        play: the same function in every process, with the options as its keyword arguments.
        full: the options of a run that means something.
        quick: what is less in a run that only shows that it works.
        routes: how many channels it needs, where no option says so.
        one_process: it is too small a load to be shared.
    """

    question: str
    play: Callable[..., Options]
    full: Options
    quick: Options
    routes: int = 1
    one_process: bool = False

    def options(self, *, quick: bool, given: Options) -> Options:
        """Its numbers, with those that were given and that it knows."""
        chosen = self.full | (self.quick if quick else {})
        return chosen | {name: value for name, value in given.items() if name in chosen}

    def channels(self, options: Options) -> int:
        """How many channels the target must have."""
        found: int = options.get("channels", self.routes)
        return found

    def sockets(self, options: Options) -> int:
        """How many connections it opens, all processes together."""
        names = ("subscribers", "stuck", "publishers")
        total: int = CONSUMERS + 64 + sum(options.get(name, 0) for name in names)
        return total


SCENARIOS: dict[str, Scenario] = {
    "original": Scenario(
        "the original's load test: 50 consumers, 2 producers of 50 KB",
        original,
        {"seconds": 75.0, "size": 50 * KIB},
        {"seconds": 5.0},
        routes=CONSUMERS,
        one_process=True,
    ),
    "fanout": Scenario(
        "what does a delivery cost at a modest rate, and how late is it?",
        steady,
        {"subscribers": 1000, "rate": 30.0, "seconds": 8.0, "size": 200},
        {"seconds": 3.0},
    ),
    "burst": Scenario(
        "how many deliveries a second at full speed, and is any lost?",
        burst,
        {"subscribers": 1000, "publishers": 32, "messages": 8000, "seconds": 8.0, "size": 200},
        {"messages": 3000, "seconds": 4.0},
    ),
    "channels": Scenario(
        "many channels with one subscriber each, published to in turn",
        steady,
        {"channels": 1000, "subscribers": 1000, "rate": 1000.0, "seconds": 8.0, "size": 200},
        {"seconds": 3.0},
    ),
    "publish": Scenario(
        "how many publishes a second, one by one and in batches?",
        publish,
        {"channels": 8, "publishers": 32, "seconds": 12.0, "size": 200},
        {"seconds": 4.0},
    ),
    "idle": Scenario(
        "what does a subscriber cost that waits?",
        idle,
        {"subscribers": 5000, "seconds": 2.0},
        {"subscribers": 1000, "seconds": 1.0},
    ),
    "resume": Scenario(
        "how fast is a replay, and when is a crowd that reconnects level?",
        resume,
        {"subscribers": 1000, "messages": 100_000, "missed": 100, "size": 200},
        {"subscribers": 200, "messages": 10_000},
    ),
    "slow": Scenario(
        "what do healthy clients notice of others that do not read?",
        slow,
        {"subscribers": 100, "stuck": 20, "rate": 100.0, "seconds": 12.0, "size": 16 * KIB},
        {"seconds": 6.0},
    ),
    "large": Scenario(
        "what does a delivery of 50 KB cost?",
        steady,
        {"subscribers": 50, "rate": 30.0, "seconds": 8.0, "size": 50 * KIB},
        {"seconds": 3.0},
    ),
}

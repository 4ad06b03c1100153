"""How much of each fault: small in every run, full with `make chaos`. One implementation serves both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

#: The fixture `record(n, figure)`: what a fault test counted and found.
Record = Callable[[str, str], None]


class Kills(NamedTuple):
    """kill -9 under load."""

    kills: int
    messages: int


KILL_9 = {"ci": Kills(10, 2_000), "chaos": Kills(50, 20_000)}
#: Publishes whose fsync is audited.
AUDITED = {"ci": 300, "chaos": 2_000}
#: Reconnects of clients that leave at random.
RECONNECTS = {"ci": 500, "chaos": 5_000}
#: Publishes whose reply is cut off after the commit.
REPLIES_CUT = {"ci": 100, "chaos": 2_000}
#: Replies of a Kafka broker to what the hub produced, that never reach it; kills of a hub by such a reply.
PRODUCED_CUT = {"ci": 30, "chaos": 1_000}
PRODUCED_KILLS = {"ci": 2, "chaos": 30}
#: Bytes sent past clients that never read.
UNREAD_MIB = {"ci": 48, "chaos": 256}
#: Drains under load.
DRAINS = {"ci": 1, "chaos": 10}
#: Entries of a foreign queue that is drained by a hub that is killed on the way.
QUEUED = {"ci": Kills(2, 2_000), "chaos": Kills(5, 50_000)}
QUEUED_ELSEWHERE = {"ci": Kills(1, 1_000), "chaos": Kills(5, 20_000)}
#: Messages over several nodes; hops of subscribers from node to node; rounds in which every node is restarted.
CLUSTER_MESSAGES = {"ci": 400, "chaos": 20_000}
HOPS = {"ci": 100, "chaos": 2_000}
ROLLS = {"ci": 2, "chaos": 20}
#: Messages of which one in five loses its reply, and is published again on another node.
CLUSTER_RETRIES = {"ci": 100, "chaos": 2_500}


class Stops(NamedTuple):
    """A node that is stopped by SIGSTOP and continued."""

    stops: int
    seconds: float


STOPS = {"ci": Stops(1, 1.5), "chaos": Stops(5, 30.0)}

#: kill -9 of Redis under load; messages that a failover to a lagging replica loses.
REDIS_KILLS = {"ci": Kills(2, 400), "chaos": Kills(30, 15_000)}
REDIS_LOST = {"ci": 100, "chaos": 5_000}


class Hostile(NamedTuple):
    """Beats beside an attack on HTTP; bodies that never end, and their size; heads that never end."""

    beats: int
    bodies: int
    body_mib: int
    half_heads: int


HOSTILE = {"ci": Hostile(40, 20, 4, 400), "chaos": Hostile(1_000, 60, 16, 3_000)}


class Moves(NamedTuple):
    """The log moved away and back under load."""

    moves: int
    messages: int


#: Publishes between two steps of the wall clock; moves of the log; bits of it that are flipped; MiB written beside clients
#: that replay.
CLOCK_STEPS = {"ci": 30, "chaos": 2_000}
FILES_MOVED = {"ci": Moves(2, 100), "chaos": Moves(50, 1_000)}
FLIPS = {"ci": 40, "chaos": 1_000}
REPLAYS = {"ci": 16, "chaos": 1_500}
#: Messages that become dead letters, or must not, in each case; records of a log that never had any; letters that are listed;
#: messages to subscribers who leave and come back.
LETTERS = {"ci": 20, "chaos": 500}
UPGRADED = {"ci": 1_000, "chaos": 100_000}
LISTED = {"ci": 2_500, "chaos": 100_000}
COMINGS = {"ci": 500, "chaos": 10_000}

_MARKS = {"ci": [pytest.mark.slow], "chaos": [pytest.mark.chaos, pytest.mark.timeout(1800)]}

#: Parametrises a fault test over both: `@each_scale`, argument `scale`.
each_scale = pytest.mark.parametrize(
    "scale", [pytest.param(scale, id=scale, marks=marks) for scale, marks in _MARKS.items()]
)


def at_scales(
    name: str, ci: Sequence[object], chaos: Sequence[object], ids: Callable[[object], str] = str
) -> pytest.MarkDecorator:
    """Parametrises a fault test over both, with values of its own for each: arguments `scale` and `name`."""
    values = {"ci": ci, "chaos": chaos}
    return pytest.mark.parametrize(
        ("scale", name),
        [
            pytest.param(scale, value, id=f"{scale}-{ids(value)}", marks=marks)
            for scale, marks in _MARKS.items()
            for value in values[scale]
        ],
    )

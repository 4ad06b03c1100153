"""Rules of `take.lua`, on a real server: whatever others add, trim and delete, each hole is told, and no more than it."""

from __future__ import annotations

import random
import re
from collections.abc import Collection
from typing import Any

import pytest
from tests.ingest.conftest import LIMITS, Facts, Queue, Reader
from tests.support.redis_server import RedisServer

from fast_sse.ingest.redis_hole import numbers
from fast_sse.observe.observer import IngestGone

pytestmark = [pytest.mark.wire, pytest.mark.slow]

#: Where ids begin: small, and past what a number of Lua holds, where one more is the same number.
STARTS = [0, 2**53, 2**64 - 10_000]
PLACE = re.compile(r"last read (\d+)-0, (next|up to) (\d+)-0")


class Truth:
    """A queue under random producers and operators, and what is known of every entry it ever had."""

    def __init__(self, queue: Queue, seed: int) -> None:
        self.queue = queue
        self.random = random.Random(seed)
        self.next = STARTS[seed % len(STARTS)] + 1
        self.there: list[int] = []
        self.last_read = 0
        #: Deleted unread, in the order of the deletions.
        self.missing: list[int] = []
        self.told: list[IngestGone] = []

    def delete(self, entries: Collection[int]) -> None:
        """Note that entries are not there any more."""
        self.there = [entry for entry in self.there if entry not in entries]
        self.missing += [entry for entry in entries if entry > self.last_read]

    def look(self) -> None:
        """How much a trim took is the server's choice."""
        left = {numbers(place)[0] for place, _ in self.queue.do("XRANGE", "-", "+")}
        self.delete([entry for entry in self.there if entry not in left])

    def add(self, *trim: Any) -> None:
        """Some entries, each of which trims or not."""
        for _ in range(self.random.randint(1, 12)):
            self.queue.do("XADD", *trim, f"{self.next}-0", "car0", "x")
            self.there.append(self.next)
            self.next += self.random.randint(1, 3)
            if trim:
                self.look()

    def step(self) -> None:
        """One thing that others do."""
        some = self.random.randint(0, 15)
        match self.random.randrange(7):
            case 0 | 1:
                self.add()
            case 2:
                self.add("MAXLEN", "=", some)
            case 3:
                self.add("MAXLEN", "~", some)
            case 4:
                self.queue.do("XTRIM", "MAXLEN", some)
                self.look()
            case 5:
                self.queue.do("XTRIM", "MINID", self.random.choice(self.there or [self.next]))
                self.look()
            case _:
                few = self.random.sample(self.there, min(len(self.there), self.random.choice((1, 1, 2, 5))))
                if few:
                    self.queue.do("XDEL", *few)
                    self.delete(few)

    def unheard(self, taken: list[int]) -> None:
        """A take whose reader died."""
        self.last_read = max([self.last_read, *taken])

    def taken(self, taken: list[int], told: list[IngestGone]) -> None:
        """Hold a take against what is known; `told` is all that was ever told."""
        rest = [entry for entry in self.there if entry > self.last_read]
        assert taken == rest[: len(taken)], "what was taken is the next that is there"
        count = sum(fact.entries for fact in self.told)
        for fact in told[len(self.told) :]:
            last, side, stop = PLACE.fullmatch(fact.place).groups()  # type: ignore[union-attr]
            assert (int(last), fact.counted) == (self.last_read, "exactly")
            for entry in self.missing[count:]:
                assert entry < int(stop) or (entry == int(stop) and side == "up to")
        self.told = list(told)
        count = sum(fact.entries for fact in self.told)
        assert count <= len(self.missing), "nothing is told that was not lost"
        if len(taken) < LIMITS.ingest_entries_max or rest == self.there:
            assert count == len(self.missing), "all is told that was lost"
        self.last_read = max([self.last_read, *taken])


@pytest.mark.parametrize("seed", range(6))
async def test_all_that_was_lost_is_told_and_nothing_else(
    server: RedisServer, foreign: Queue, reader: Reader, facts: Facts, seed: int
) -> None:
    """Others add, trim and delete at random, readers come, go and die: whenever the number can be known it is exact."""
    server.do("CONFIG", "SET", "stream-node-max-entries", 4)  # so that `~` trims something
    truth = Truth(foreign, seed)
    await reader.take()
    for _ in range(200):
        match truth.random.randrange(12):
            case 0:
                await reader.restart()
            case 1:
                truth.unheard(await reader.take_and_die())
            case 2 | 3 | 4 | 5 | 6:
                truth.taken(await reader.take(), facts.of(IngestGone))
            case _:
                truth.step()
    assert facts.of(IngestGone)

"""Long lines: counted when they are published, told seldom, and never in the way."""

from __future__ import annotations

import pytest
from tests.hub.support import bench, drafted

from fast_sse.hub.frames import BARE, frame_of
from fast_sse.hub.long_lines import LongLines
from fast_sse.model.channel import Channel
from fast_sse.model.message import Draft, Record
from fast_sse.observe.observer import Fact, LongLine


class Facts:
    """An observer that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[Fact] = []

    def notify(self, fact: Fact) -> None:
        self.told.append(fact)


def draft(data_bytes: int) -> Draft:
    """A message whose data has that many bytes."""
    return Draft(channel=Channel("a", "t"), data=b"1" * data_bytes, headers=b"{}")


def line_bytes(data_bytes: int) -> int:
    """How long its line on a stream of its channel is."""
    one = draft(data_bytes)
    record = Record(1, one.channel, one.data, one.headers, "", b"", 0)
    return len(frame_of(record, "id", BARE).split(b"\n")[0])


def test_the_line_is_what_a_client_reads() -> None:
    """A line of exactly the bound is none; one byte more is counted."""
    found = LongLines(line_bytes(1000), Facts())
    found.look([draft(1000)])
    assert found.total == 0
    found.look([draft(1001)])
    assert found.total == 1


def test_each_power_of_two_is_told_once() -> None:
    """A publisher of long lines fills no log: the first of each order of length is told, all are counted."""
    facts = Facts()
    found = LongLines(1000, facts)
    for size in (1500, 1600, 5000, 1700, 5001, 10, 3000):
        found.look([draft(size), draft(size)])
    assert facts.told == [LongLine("a", "t", line_bytes(size)) for size in (1500, 5000, 3000)]
    assert found.total == 12


def test_nothing_is_long_when_nobody_asks() -> None:
    """0 turns it off."""
    found = LongLines(0, Facts())
    found.look([draft(10_000_000)])
    assert found.total == 0


@pytest.mark.parametrize(("bytes_warn", "expected"), [(100, 1), (0, 0)])
async def test_the_hub_counts_what_it_takes(bytes_warn: int, expected: int) -> None:
    """Each long message of a publish is one in `long_lines_total`, and is stored like all others."""
    async with bench(line_bytes_warn=bytes_warn) as hub:
        await hub.hub.publish([drafted("a/t", "x" * 200), drafted("a/t", "x")])
        counts = {sample.name: sample.value for sample in hub.hub.samples()}
    assert counts["long_lines_total"] == expected
    assert counts["publishes_total"] == 2

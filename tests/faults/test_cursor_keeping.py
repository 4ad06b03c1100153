"""Consumers that keep their cursor as docs/consumers.md says lose nothing when they are killed (guarantee G5).

Some kills strike at random while messages are published; others, by construction, at the worst places there are: the
consumer stops there by itself and says so. Broken ones under the same kills do lose or double.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.consumers import CHANNEL, DATABASE, FILE, NODE, Consumer, Way, doubled
from tests.faults.counts import Kills, Record, each_scale
from tests.support.node import node_missing
from tests.support.publisher import Publisher, publish_once
from tests.support.server import Hub

pytestmark = [pytest.mark.wire, pytest.mark.slow]

KILLED = {"ci": Kills(10, 1_000), "chaos": Kills(100, 12_000)}
#: The longest wait between an effect and the kill that it triggers.
AIM_S = 0.002
#: What a kill at random finds unread at least, every other time.
UNREAD = 10
#: The saves of a life at which it is stopped: its first, which keeps the begin of the stream, and later ones.
NTHS = (1, 2, 9)
#: A cursor of the hub of these tests, as a test may know it.
WHOLE = re.compile(r"s1\.\w{13}\.\d+")

needs_node = pytest.mark.skipif(node_missing(), reason="node is not installed")
each_file = pytest.mark.parametrize(
    "way", [pytest.param(FILE, id="python"), pytest.param(NODE, id="node", marks=needs_node)]
)
each_way = pytest.mark.parametrize(
    "way",
    [
        pytest.param(FILE, id="file"),
        pytest.param(DATABASE, id="database"),
        pytest.param(NODE, id="node", marks=needs_node),
    ],
)


class Random:
    """A publisher, and a consumer that is killed `kills` times, at random within equal shares of the messages."""

    def __init__(self, consumer: Consumer, publisher: Publisher, kills: int, messages: int) -> None:
        self.consumer = consumer
        self.publisher = publisher
        self.kills = kills
        self.messages = messages
        self.share = messages // (kills + 1)
        self.random = random.Random(1)
        self.unread: list[int] = []
        self.acknowledged = 0
        self._due = messages
        self._moved = asyncio.Event()
        self._struck = asyncio.Event()

    async def run(self) -> None:
        """Publish, kill, and at last let it do the rest."""
        self.consumer.on_effect = self._effect
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish())
            for number in range(self.kills):
                self._due = number * self.share + self.random.randint(1, self.share)
                await self._until_acknowledged(self._due + UNREAD if number % 2 else 1)
                self._struck.clear()
                await self.consumer.start()
                await self._struck.wait()
                assert await self.consumer.end() == -signal.SIGKILL
            self._due = self.messages + 1
            await self.consumer.start()
            await self._until_acknowledged(self.messages)
            await self.consumer.until_done(self.publisher.history[-1].payload)

    async def _publish(self) -> None:
        """At most two shares and some ahead of the consumer, so that kills find it at work and the publisher, too."""
        while self.acknowledged < self.messages:
            while self.acknowledged - len(self.consumer.done) > 2 * self.share + UNREAD:
                self._moved.clear()
                await self._moved.wait()
            await self.publisher.publish_surely(CHANNEL)
            self.acknowledged += 1
            self._moved.set()

    async def _until_acknowledged(self, messages: int) -> None:
        while self.acknowledged < messages:
            self._moved.clear()
            await self._moved.wait()

    def _effect(self) -> None:
        self._moved.set()
        if len(self.consumer.done) < self._due:
            return
        self._due = self.messages + 1
        delay_s = self.random.choice((0.0, self.random.random() * AIM_S))
        asyncio.get_running_loop().call_later(delay_s, self._strike)

    def _strike(self) -> None:
        self.consumer.kill_now()
        self.unread.append(self.acknowledged - len(self.consumer.done))
        self._struck.set()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub of the test's own, which is never killed."""
    async with Hub(tmp_path) as hub:
        yield hub


async def published(hub: Hub, messages: int) -> list[str]:
    """Publish that many messages; what was published."""
    publisher = Publisher("p0", hub.public)
    for _ in range(messages):
        await publisher.publish_surely(CHANNEL)
    publisher.close()
    return [message.payload for message in publisher.history]


@each_scale
@each_way
async def test_killed_at_random(tmp_path: Path, hub: Hub, way: Way, scale: str, record: Record) -> None:
    """However often a consumer is killed no message is lost, and none is done twice but the one in hand, or none at all."""
    kills, messages = KILLED[scale]
    async with Consumer(way, hub.public, tmp_path) as consumer:
        publisher = Publisher("p0", hub.public)
        run = Random(consumer, publisher, kills, messages)
        await run.run()
        publisher.close()
    wanted = [message.payload for message in publisher.history]
    assert len(wanted) == messages
    bit = sum(unread > 0 for unread in run.unread)
    assert (len(run.unread), bit >= kills // 2) == (kills, True), run.unread
    twice = doubled(consumer.lives, wanted) if not way.exact else 0
    if way.exact:
        assert consumer.rows() == wanted
    assert twice <= kills
    assert [line for line in consumer.said if line.startswith("gap")] == []
    record(f"{kills} kills, {messages:,} messages, {way.name}", f"0 lost, {twice} doubled, {bit} kills bit")


@each_file
@pytest.mark.parametrize(
    ("place", "twice"), [("half written", True), ("before the rename", True), ("after the rename", False)]
)
async def test_killed_while_the_file_is_replaced(
    tmp_path: Path, hub: Hub, way: Way, place: str, twice: bool
) -> None:
    """A file that is replaced in one step holds a whole cursor whenever the kill comes, so nothing is lost."""
    wanted = await published(hub, 40)
    async with Consumer(way, hub.public, tmp_path) as consumer:
        for nth in NTHS:
            await consumer.start(place, nth)
            await consumer.until_stopped(place)
            consumer.kill_now()
            assert await consumer.end() == -signal.SIGKILL
            assert len(consumer.lives[-1]) == nth - 1
            new = consumer.kept.with_name("kept.new")
            assert new.exists() is twice
            assert twice is False or (WHOLE.fullmatch(new.read_text()) is None) is (place == "half written")
            assert not consumer.kept.exists() or WHOLE.fullmatch(consumer.kept.read_text())
        await consumer.start()
        await consumer.until_done(wanted[-1])
    assert doubled(consumer.lives, wanted) == (len(NTHS) - 1 if twice else 0)


@pytest.mark.parametrize(
    ("place", "committed"), [("between the rows", 0), ("before the commit", 0), ("after the commit", 1)]
)
async def test_killed_in_the_transaction(tmp_path: Path, hub: Hub, place: str, committed: int) -> None:
    """A message whose cursor is in the transaction of its work has its effect once, whenever the kill comes."""
    wanted = await published(hub, 40)
    async with Consumer(DATABASE, hub.public, tmp_path) as consumer:
        for nth in NTHS:
            await consumer.start(place, nth)
            await consumer.until_stopped(place)
            consumer.kill_now()
            assert await consumer.end() == -signal.SIGKILL
        assert len(consumer.lives[-1]) >= NTHS[-1] - 2
        assert len(consumer.rows()) == wanted.index(consumer.lives[-1][-1]) + 1 + committed
        await consumer.start()
        await consumer.until_done(wanted[-1])
    assert consumer.rows() == wanted


async def test_a_file_written_in_place_is_found_empty(tmp_path: Path, hub: Hub) -> None:
    """A consumer that truncates its file, is killed, and sends the empty cursor is told of a gap `unreadable`."""
    wanted = await published(hub, 5)
    async with Consumer(FILE, hub.public, tmp_path) as consumer:
        await consumer.start("truncated", 4)
        await consumer.until_stopped("truncated")
        consumer.kill_now()
        await consumer.end()
        assert consumer.kept.read_text() == ""
        await consumer.start("truncated")
        await consumer.until(lambda: any(line.startswith("gap") for line in consumer.said))
        assert (await publish_once(hub.public, CHANNEL, "the next")).status == 200
        await consumer.until_done("the next")
    told = json.loads(consumer.said[-1].removeprefix("gap"))
    assert (told["reason"], told["from"]) == ("unreadable", "")
    assert consumer.lives == [wanted[:3], ["the next"]], "the rest is lost, as was told"


@each_file
async def test_the_examples_survive_an_empty_file(tmp_path: Path, hub: Hub, way: Way) -> None:
    """An empty file, as a consumer that writes in place leaves behind, is no cursor: all comes again, and it is said."""
    wanted = await published(hub, 5)
    async with Consumer(way, hub.public, tmp_path) as consumer:
        for left in ("", "\0\0\0\0", "two words"):
            consumer.kept.write_text(left)
            await consumer.start()
            await consumer.until_done(wanted[-1])
            consumer.kill_now()
            await consumer.end()
            assert consumer.said.pop() == f"no cursor in {consumer.kept}: from the earliest"
    assert consumer.lives == [wanted] * 3
    assert consumer.said == []


async def test_two_transactions_double(tmp_path: Path, hub: Hub) -> None:
    """A result that is committed before its cursor is there twice after a kill between them: the judge sees it."""
    wanted = await published(hub, 5)
    async with Consumer(DATABASE, hub.public, tmp_path) as consumer:
        await consumer.start("row committed", 3)
        await consumer.until_stopped("row committed")
        consumer.kill_now()
        await consumer.end()
        await consumer.start()
        await consumer.until_done(wanted[-1])
    assert consumer.rows() == [*wanted[:3], *wanted[2:]]


@pytest.mark.parametrize(
    ("lives", "said"),
    [
        ([["a"], ["c"]], "life 1 does not go on at message 1"),
        ([["a", "c"]], "life 0 does not go on"),
        ([["a", "b"], ["a", "b", "c"]], "life 1 does not go on"),
        ([["a", "b"], ["b"]], "1 lost at the end"),
    ],
)
def test_the_judge_can_complain(lives: list[list[str]], said: str) -> None:
    """A message that is missing, out of order, or repeated though it was not the one in hand, is named."""
    with pytest.raises(AssertionError, match=said):
        doubled(lives, ["a", "b", "c"])

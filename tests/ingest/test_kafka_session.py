"""Rules of `ingest.kafka_session`, on a real broker: what a membership does while a batch waits, and what it leaves."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from tests.ingest.conftest import until
from tests.ingest.kafka import Topic
from tests.support.kafka_broker import Broker, topic_name

from fast_sse.ingest.forward import PoisonEntry
from fast_sse.ingest.kafka_session import Session
from fast_sse.ingest.package import QueueEntry

pytestmark = [pytest.mark.wire, pytest.mark.slow]

WITHIN_S = 30.0
CONSUMER = {
    "group.id": "fast-sse",
    "heartbeat.interval.ms": 200,  # a member hears of the others with its next heartbeat
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "partition.assignment.strategy": "cooperative-sticky",
}


class Watched:
    """A client that counts how often it was polled."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.polls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def poll(self, timeout: float) -> Any:
        self.polls += 1
        return self._client.poll(timeout)


class FetchedAhead(Watched):
    """A client that goes on handing out records after it was told to pause."""

    def pause(self, _partitions: object) -> None:
        pass

    def resume(self, _partitions: object) -> None:
        pass


class Gathering(Watched):
    """A client whose first batch has a record of each of two partitions, whichever is fetched first."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.first: list[Any] | None = []

    def poll(self, timeout: float) -> Any:
        message = self._client.poll(timeout)
        if self.first is None or message is None:
            return message
        self.first.append(message)
        return message if len(self.first) == 2 else None

    def consume(self, count: int, timeout: float) -> list[Any]:
        if self.first is None:
            return list(self._client.consume(count, timeout))
        others, self.first = self.first[:-1], None
        return others


class Forgetful(Watched):
    """A client whose first questions, where the group stands and where a partition begins, are not answered."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.asked: set[str] = set()

    def committed(self, places: object, **how: Any) -> Any:
        self._ask("committed")
        return self._client.committed(places, **how)

    def get_watermark_offsets(self, place: object, **how: Any) -> Any:
        if not how.get("cached"):
            self._ask("watermarks")
        return self._client.get_watermark_offsets(place, **how)

    def _ask(self, what: str) -> None:
        if what not in self.asked:
            self.asked.add(what)
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))


class Refused(Watched):
    """A client whose first commit the broker refuses, as it does in the middle of a rebalance."""

    session: Session | None = None

    def commit(self, offsets: list[TopicPartition], **how: Any) -> None:
        session, self.session = self.session, None
        if session is None:
            self._client.commit(offsets=offsets, **how)
        else:
            session._on_commit(KafkaError(KafkaError.REBALANCE_IN_PROGRESS), offsets)


class Member:
    """An owner that notes what its session says, and lets batches wait as long as the test likes."""

    def __init__(self, topic: Topic, *, entries_max: int = 100, client: Any = Watched) -> None:
        self.batches: list[list[QueueEntry]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.entries = 0
        self.lags: list[int | None] = []
        self.reading = False
        self.errors: list[KafkaError] = []
        self.gone_at: list[tuple[int, int, int]] = []
        self.ending = False
        loop = asyncio.get_running_loop()
        self.session = Session({**topic.settings, **CONSUMER}, topic.name, entries_max, loop, self)
        self.client: Any = client(self.session._consumer)
        self.session._consumer = self.client
        self.thread = threading.Thread(target=self.session.run, daemon=True)
        self.thread.start()

    @property
    def places(self) -> list[str]:
        """Partition and offset of every entry that came, in order."""
        return [entry.place.rpartition("-")[0] for batch in self.batches for entry in batch]

    def ended(self) -> bool:
        return self.ending

    async def forward(self, entries: list[QueueEntry]) -> list[PoisonEntry]:
        self.batches.append(entries)
        await self.go.wait()
        return []

    def done(self, entries: int, poison: list[PoisonEntry], _tombstones: int) -> None:
        self.entries += entries

    def level(self, lag: int | None, *, reading: bool) -> None:
        self.lags.append(lag)
        self.reading = reading

    def gone(self, partition: int, first: int, end: int) -> None:
        self.gone_at.append((partition, first, end))

    def failed(self, error: KafkaError) -> None:
        self.errors.append(error)

    async def stop(self) -> None:
        self.ending = True
        self.go.set()
        await asyncio.to_thread(self.thread.join, WITHIN_S)
        assert not self.thread.is_alive()


@pytest.fixture
def topic(kafka_broker: Broker) -> Topic:
    return Topic(kafka_broker, topic_name(), partitions=2)


@pytest.fixture
async def member(topic: Topic) -> AsyncIterator[Member]:
    member = Member(topic)
    yield member
    await member.stop()


async def test_a_batch_is_what_is_there(topic: Topic) -> None:
    """One record is not kept waiting for others, and many come together up to the bound."""
    topic.add(*range(25))
    member = Member(topic, entries_max=10)
    await until(lambda: member.entries == 25, WITHIN_S)
    await member.stop()
    assert max(map(len, member.batches)) <= 10
    assert member.places == [f"0-{offset}" for offset in range(25)]


async def test_commits_follow_the_store(topic: Topic, member: Member) -> None:
    """Nothing is committed while a batch waits; then the offset behind it is."""
    member.go.clear()
    topic.add(1, 2)
    await until(lambda: member.session._paused, WITHIN_S)
    assert member.places == ["0-0", "0-1"]
    assert topic.committed() < 0
    member.go.set()
    await topic.until_committed(2)


async def test_a_long_wait_keeps_the_membership(topic: Topic, member: Member) -> None:
    """While a batch waits for longer than a moment its partitions are paused, and no record is lost or repeated."""
    member.go.clear()
    topic.add(0)
    await until(lambda: member.session._paused, WITHIN_S)
    topic.add(1, 2)
    topic.add(0, partition=1)
    polls = member.client.polls
    await until(lambda: member.client.polls > polls + 5, WITHIN_S)
    assert (len(member.batches), member.session._early) == (1, [])
    member.go.set()
    await until(lambda: member.entries == 4, WITHIN_S)
    assert sorted(member.places) == ["0-0", "0-1", "0-2", "1-0"]
    assert [place for place in member.places if place[0] == "0"] == ["0-0", "0-1", "0-2"]


async def test_what_comes_in_spite_of_a_pause_is_kept(topic: Topic) -> None:
    """A record that the client hands out while a batch waits is not lost: it comes next, in its order."""
    member = Member(topic, client=FetchedAhead)
    member.go.clear()
    topic.add(0)
    await until(lambda: member.session._paused, WITHIN_S)
    topic.add(1, 2)
    await until(lambda: len(member.session._early) == 2, WITHIN_S)
    topic.add(3)
    member.go.set()
    await until(lambda: member.entries == 4, WITHIN_S)
    await member.stop()
    assert member.places == ["0-0", "0-1", "0-2", "0-3"]


async def test_a_partition_that_was_taken_away_is_not_committed(topic: Topic) -> None:
    """Another member takes a partition while its batch waits here: it begins where the group was, and commits alone."""
    topic.add(1, partition=0)
    topic.add(1, partition=1)
    member = Member(topic, client=Gathering)
    member.go.clear()
    await until(lambda: member.session._paused, WITHIN_S)
    assert sorted(member.places) == ["0-0", "1-0"]
    other = Member(topic)
    await until(lambda: other.reading and other.entries, WITHIN_S)
    (taken,) = {int(place[0]) for place in other.places}
    await topic.until_committed(1, partition=taken)
    member.go.set()
    await topic.until_committed(1, partition=1 - taken)
    assert member.session._next.keys() == {1 - taken}
    assert member.errors == []
    await member.stop()
    await other.stop()


async def test_a_partition_that_came_back_is_not_moved_back(topic: Topic) -> None:
    """Another member had it while its batch waited here, and went on with it: that batch commits nothing behind that."""
    topic.add(1, partition=0)
    topic.add(1, partition=1)
    member = Member(topic, client=Gathering)
    member.go.clear()
    await until(lambda: member.session._paused, WITHIN_S)
    other = Member(topic)
    await until(lambda: other.entries, WITHIN_S)
    (lent,) = {int(place[0]) for place in other.places}
    topic.add(2, 3, partition=lent)
    await topic.until_committed(3, partition=lent)
    await other.stop()
    await until(lambda: member.session._next.get(lent) == 3, WITHIN_S)
    member.go.set()
    await topic.until_committed(1, partition=1 - lent)
    assert topic.committed(partition=lent) == 3
    topic.add(4, partition=lent)
    await topic.until_committed(4, partition=lent)
    assert member.places[2:] == [f"{lent}-3"]
    await member.stop()


async def test_a_commit_that_was_refused_is_made_again(topic: Topic) -> None:
    """No record needs to follow: left as it was, the group would read its last batch again, perhaps when no key is left."""
    member = Member(topic, client=Refused)
    member.client.session = member.session
    topic.add(1, 2)
    await until(lambda: member.entries, WITHIN_S)
    await topic.until_committed(2)
    assert member.client.session is None
    assert member.errors == []
    await member.stop()


async def test_an_abandoned_batch_is_not_committed(topic: Topic, member: Member) -> None:
    """Given up, it leaves the group where it was, and the session ends."""
    member.go.clear()
    topic.add(1)
    await until(lambda: member.batches, WITHIN_S)
    member.ending = True
    member.session.abandon()
    await asyncio.to_thread(member.thread.join, WITHIN_S)
    assert topic.committed() < 0


async def test_lag_counts_what_is_not_done(topic: Topic, member: Member) -> None:
    """Of all assigned partitions together; zero when level; the group's committed offsets count from the first moment."""
    topic.add(*range(5))
    topic.add(*range(3), partition=1)
    await until(lambda: member.entries == 8, WITHIN_S)
    await until(lambda: member.lags[-1:] == [0], WITHIN_S)
    member.go.clear()
    topic.add(*range(4))
    before = len(member.lags)
    await until(lambda: len(member.batches[-1]) and member.session._paused, WITHIN_S)
    await topic.until_committed(5)
    member.go.set()
    await until(lambda: member.entries == 12, WITHIN_S)
    await until(lambda: member.lags[-1:] == [0], WITHIN_S)
    assert len(member.lags) > before
    await member.stop()
    again = Member(topic)
    await until(lambda: again.reading, WITHIN_S)
    topic.add(1)
    await until(lambda: again.entries == 1, WITHIN_S)
    assert all(lag is None or lag <= 1 for lag in again.lags)
    await again.stop()


async def test_what_was_trimmed_unread_is_told(topic: Topic) -> None:
    """The group stood before the oldest record: the partition, the place and the length of the hole are said, once."""
    topic.add(*range(10))
    topic.add(*range(3), partition=1)
    topic.commit(2)
    topic.commit(2, partition=1)
    topic.trim(7)
    back = Member(topic)
    await until(lambda: back.entries == 4, WITHIN_S)
    await back.stop()
    assert (back.gone_at, back.errors) == ([(0, 2, 7)], [])
    assert sorted(back.places) == ["0-7", "0-8", "0-9", "1-2"]
    again = Member(topic)
    topic.add(6)
    await until(lambda: again.entries == 1, WITHIN_S)
    await again.stop()
    assert (again.places, again.gone_at) == (["0-10"], [])


async def test_a_topic_that_was_trimmed_whole_is_told_of_once(topic: Topic) -> None:
    """Nothing is left to read: the hole is said all the same, and the next start does not say it again."""
    topic.add(*range(5))
    topic.commit(1)
    topic.trim(5)
    back = Member(topic)
    await until(lambda: back.gone_at, WITHIN_S)
    await until(lambda: back.lags[-1:] == [0], WITHIN_S)
    await back.stop()
    assert (back.gone_at, topic.committed()) == ([(0, 1, 5)], 5)


async def test_what_is_trimmed_under_way_is_told(topic: Topic) -> None:
    """A partition that waits, and is trimmed meanwhile beyond what was fetched: the broker answers out of range."""
    member = Member(topic)
    member.go.clear()
    topic.add(0)
    await until(lambda: member.session._paused, WITHIN_S)
    topic.add(*range(1, 6))
    topic.trim(4)
    member.go.set()
    await until(lambda: member.entries == 3, WITHIN_S)
    await member.stop()
    assert member.places == ["0-0", "0-4", "0-5"]
    assert (member.gone_at, member.errors) == ([(0, 1, 4)], [])


async def test_a_new_group_misses_nothing(topic: Topic) -> None:
    """It begins at the oldest record: what was trimmed before there was a group was never its to read."""
    topic.add(*range(5))
    topic.trim(3)
    member = Member(topic)
    await until(lambda: member.entries == 2, WITHIN_S)
    await member.stop()
    assert (member.places, member.gone_at) == (["0-3", "0-4"], [])


async def test_a_place_that_cannot_be_asked_is_asked_again(topic: Topic) -> None:
    """Questions about a lost partition get no answer at first: the hole is told all the same, and what is left is read."""
    topic.add(*range(5))
    topic.commit(1)
    topic.trim(4)
    member = Member(topic, client=Forgetful)
    await until(lambda: member.entries == 1, WITHIN_S)
    await member.stop()
    assert (member.client.asked, member.gone_at) == ({"committed", "watermarks"}, [(0, 1, 4)])
    assert [error.name() for error in member.errors] == ["_TIMED_OUT"]


async def test_a_lost_partition_that_moved_away_is_left_to_its_new_reader(
    topic: Topic, member: Member
) -> None:
    """The answer that it cannot be read on may come behind its revocation: it is nobody's question here any more."""
    member.session._lost.add(99)
    topic.add(1)
    await until(lambda: member.entries == 1, WITHIN_S)
    await until(lambda: not member.session._lost, WITHIN_S)
    assert (member.errors, member.gone_at) == ([], [])


async def test_a_session_leaves_no_client_to_the_garbage_collector(topic: Topic) -> None:
    """A client that is destroyed on one of its own threads ends the process: at its end a session has let go of it."""
    gc.collect()
    gc.disable()
    try:
        before = len(clients())
        member = Member(topic)
        topic.add(1)
        await topic.until_committed(1)
        assert len(clients()) == before + 1
        await member.stop()
        del member.client
        assert len(clients()) == before
    finally:
        gc.enable()


def clients() -> list[object]:
    """Every consumer that lives."""
    return [one for one in gc.get_objects() if isinstance(one, Consumer)]

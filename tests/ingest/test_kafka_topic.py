"""Rules of `ingest.kafka_topic`, on a real broker: what is in the topic comes into the log once, in its order."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from tests.ingest.conftest import LIMITS, Facts, FailingStore, desk_of, make_hub, package, until
from tests.ingest.kafka import QUIET, Topic
from tests.support.kafka_broker import Broker, need_kafka, topic_name

from fast_sse.hub.hub import Hub
from fast_sse.ingest.kafka_topic import KafkaTopic
from fast_sse.model.errors import NotStoredError, UnknownOutcomeError
from fast_sse.model.letter import RAW_BYTES_MAX, Source
from fast_sse.observe.observer import IngestFailed, IngestGone, IngestPoisoned, IngestRecovered

pytestmark = [pytest.mark.wire, pytest.mark.slow]

WITHIN_S = 30.0
Make = Callable[..., KafkaTopic]


@pytest.fixture
def topic(kafka_broker: Broker) -> Topic:
    return Topic(kafka_broker, topic_name())


@pytest.fixture
async def make(topic: Topic, hub: Hub, facts: Facts) -> AsyncIterator[Make]:
    """`make()` starts a source on the topic of the test; all are stopped later."""
    sources: list[KafkaTopic] = []

    def made(node: str = "node-1", group: str = "fast-sse", **more: str) -> KafkaTopic:
        settings = {**QUIET, "bootstrap.servers": topic.broker.bootstrap, **more}
        source = KafkaTopic(settings, topic.name, group, node, hub, facts)
        sources.append(source)
        source.start()
        return source

    yield made
    for source in sources:
        await source.stop()


async def taken(source: KafkaTopic, entries: int) -> None:
    """Wait until that many entries are done with."""
    await until(lambda: source.figures.taken >= entries, WITHIN_S)


async def test_a_topic_comes_into_the_log(make: Make, topic: Topic, store: FailingStore) -> None:
    """What was there before the first start and what comes later is stored in order, and committed."""
    topic.add(*range(25))
    source = make()
    await taken(source, 25)
    topic.add(*range(25, 30))
    await taken(source, 30)
    assert await store.payloads() == list(range(30))
    await topic.until_committed(30)
    await until(lambda: source.figures.lag == 0)
    assert source.figures.reading


async def test_partitions_keep_their_order(
    make: Make, kafka_broker: Broker, store: FailingStore, hub: Hub
) -> None:
    """Of four partitions, each comes in its own order, and none is left out."""
    topic = Topic(kafka_broker, topic_name(), partitions=4)
    for partition in range(4):
        topic.add(*([partition, n] for n in range(50)), partition=partition)
    source = KafkaTopic(topic.settings, topic.name, "fast-sse", "node-1", hub, Facts())
    source.start()
    await taken(source, 200)
    await source.stop()
    payloads = await store.payloads()
    for partition in range(4):
        assert [n for of, n in payloads if of == partition] == list(range(50))


async def test_a_stop_is_where_the_next_start_begins(make: Make, topic: Topic, store: FailingStore) -> None:
    """What was committed is not read again."""
    topic.add(1, 2)
    first = make()
    await taken(first, 2)
    await first.stop()
    topic.add(3)
    second = make()
    await taken(second, 1)
    assert await store.payloads() == [1, 2, 3]
    assert second.figures.duplicates == 0


async def test_read_again_is_known(make: Make, topic: Topic, store: FailingStore) -> None:
    """A group that forgot its offsets reads everything again, and the hub has each record once."""
    topic.add(1, 2)
    first = make()
    await taken(first, 2)
    await first.stop()
    second = make(group="another")
    await taken(second, 2)
    assert await store.payloads() == [1, 2]
    assert second.figures.duplicates == 2


async def test_what_the_broker_let_go_unread_is_counted_and_named(
    make: Make, topic: Topic, store: FailingStore, facts: Facts
) -> None:
    """Records that were trimmed while no node read: how many and where, and the rest comes."""
    topic.add(0)
    first = make()
    await taken(first, 1)
    await first.stop()
    topic.add(*range(1, 6))
    topic.trim(4)
    second = make()
    await taken(second, 2)
    assert await store.payloads() == [0, 4, 5]
    assert second.figures.gone == 3
    assert [(fact.place, fact.entries) for fact in facts.of(IngestGone)] == [("0/1..3", 3)]
    assert not facts.of(IngestFailed)


async def test_headers_may_name_the_channel(make: Make, topic: Topic, store: FailingStore) -> None:
    """Where the package does not say its channel, the record's headers do; others are ignored."""
    headers = [("event_id", b"car7"), ("event_type", b"seen"), ("other", None)]
    topic.add_raw(b'{"data": 1}', headers=headers)
    source = make()
    await taken(source, 1)
    assert [record.channel for record in await store.records()] == [("car7", "seen")]


async def test_tombstones_are_passed_over_and_counted(
    make: Make, topic: Topic, store: FailingStore, facts: Facts
) -> None:
    """A record without a value tells compaction to forget a key: no message, no poison, and committed like all others."""
    topic.add(1)
    topic.add_raw(None, None, key=b"k", headers=[("event_id", b"car7"), ("event_type", b"seen")])
    topic.add(2)
    topic.add_raw(None, key=b"k")
    source = make()
    await taken(source, 5)
    await topic.until_committed(5)
    assert await store.payloads() == [1, 2]
    assert (source.figures.tombstones, source.figures.poison, facts.of(IngestPoisoned)) == (3, 0, [])
    assert {one.name: one.value for one in source.samples()}["ingest_tombstones_total"] == 3


async def test_a_schema_registrys_bytes_are_passed_over_where_they_are_told(
    topic: Topic, hub: Hub, store: FailingStore, facts: Facts
) -> None:
    """With `confluent-json` five bytes before the package are none of it; records without them, and bad ones, as ever."""
    topic.add_raw(
        b"\0\0\0\0\7" + package(1), b"\0\0\0\1\7" + package(2), package(3), b"\0\0", b"\0\0\0\0\7no"
    )
    settings = {**QUIET, "bootstrap.servers": topic.broker.bootstrap}
    source = KafkaTopic(settings, topic.name, "fast-sse", "node-1", hub, facts, value_format="confluent-json")
    source.start()
    await taken(source, 5)
    await source.stop()
    assert await store.payloads() == [1, 2, 3]
    assert [letter.raw for letter in await store.poison()] == [b"\0\0", b"\0\0\0\0\7no"]


POISON: dict[str, tuple[bytes | None, list[tuple[str, bytes | None]]]] = {
    "not JSON": (b"hello", []),
    "empty": (b"", []),
    "no channel": (b'{"data": 1}', []),
    "data is missing": (package(...), []),
    "bad channel": (package(1, event_id="a/b"), []),
    "another channel in the headers": (package(1), [("event_id", b"car1")]),
    "binary": (bytes(range(256)), []),
    "lone surrogate": (package("A").replace(b"A", rb"\ud800"), []),
    "a schema registry's bytes that nobody told of": (b"\0\0\0\0\7" + package(1), []),
    "too large": (package("x" * LIMITS.body_bytes_max), []),
    "too deep": (package("D").replace(b'"D"', b"[" * 1000 + b"]" * 1000), []),
}


async def test_poison_is_a_dead_letter(make: Make, topic: Topic, store: FailingStore, facts: Facts) -> None:
    """One each, with the bytes of its value as they were, its source and why; the topic goes on."""
    topic.add(1)
    for value, headers in POISON.values():
        topic.add_raw(value, headers=headers)
    topic.add(3)
    source = make()
    await taken(source, len(POISON) + 2)
    assert await store.payloads() == [1, 3]
    kept = await store.poison()
    assert [letter.raw for letter in kept] == [(value or b"")[:RAW_BYTES_MAX] for value, _ in POISON.values()]
    assert {(letter.reason, letter.node) for letter in kept} == {("poison", "node-1")}
    told = facts.of(IngestPoisoned)
    for offset, (letter, fact) in enumerate(zip(kept, told, strict=True), 1):
        assert letter.source == Source("kafka_topic", topic.name, fact.place)
        assert fact.place.startswith(f"0-{offset}-")
        assert letter.description.startswith(fact.error)
    assert source.figures.poison == len(facts.of(IngestPoisoned)) == len(POISON)
    await topic.until_committed(len(POISON) + 2)


async def test_poison_that_cannot_be_kept_holds_up_the_topic(
    make: Make, topic: Topic, store: FailingStore, facts: Facts
) -> None:
    """Nothing of its batch is committed while the store does not keep it; then it is one letter, and the topic goes on."""
    store.dead.down, store.dead.stores = UnknownOutcomeError("lost"), True
    topic.add_raw(b"bad")
    source = make()
    await until(lambda: source.figures.held_up > 2, WITHIN_S)
    topic.add(1)
    assert topic.committed() < 0
    store.dead.down = None
    await taken(source, 2)
    assert [letter.raw for letter in await store.poison()] == [b"bad"]
    assert await store.payloads() == [1]
    assert len(facts.of(IngestFailed)) == len(facts.of(IngestRecovered)) == 1
    await topic.until_committed(2)


async def test_poison_that_was_kept_and_not_committed_is_known(
    make: Make, topic: Topic, store: FailingStore
) -> None:
    """Read again, by a group that forgot it or after a crash in between, it is the letter that is there."""
    topic.add_raw(b"bad")
    await taken(make(), 1)
    await taken(make(group="another"), 1)
    assert store.dead.asked == 2
    assert [letter.raw for letter in await store.poison()] == [b"bad"]


async def test_poison_is_a_message_once_it_may_be_one(
    topic: Topic, store: FailingStore, facts: Facts
) -> None:
    """An operator replays it under a higher limit: the headers of its record say its channel as they did before."""
    topic.add_raw(package("x" * 200, event_id=...), headers=[("event_id", b"car7")])
    hub = make_hub(store, facts, msgspec.structs.replace(LIMITS, body_bytes_max=100))
    await hub.start()
    settings = {**QUIET, "bootstrap.servers": topic.broker.bootstrap}
    source = KafkaTopic(settings, topic.name, "fast-sse", "node-1", hub, facts)
    source.start()
    await taken(source, 1)
    await source.stop()
    (letter,) = await store.poison()
    await desk_of(hub, facts).replay(letter.id)
    await hub.close()
    (record,) = await store.records()
    assert (record.channel, json.loads(record.data)) == (("car7", "sold"), "x" * 200)
    assert json.loads(record.headers)["fast-sse-replay-of"] == letter.id
    assert await store.poison() == []


async def test_while_the_hub_does_not_store_the_topic_fills(
    make: Make, topic: Topic, store: FailingStore, facts: Facts
) -> None:
    """Nothing is committed, the membership is kept, the lag is told; then all of it comes, in order."""
    source = make()
    topic.add(*range(10))
    await taken(source, 10)
    store.down = NotStoredError("the store is down")
    topic.add(*range(10, 40))
    await until(lambda: source.figures.held_up > 40, WITHIN_S)  # longer than a batch may take without a pause
    topic.add(*range(40, 60))
    assert topic.committed() == 10
    store.down = None
    await taken(source, 60)
    assert await store.payloads() == list(range(60))
    assert len(facts.of(IngestFailed)) == len(facts.of(IngestRecovered)) == 1


async def test_two_nodes_share_the_partitions(
    make: Make, kafka_broker: Broker, store: FailingStore, hub: Hub, facts: Facts
) -> None:
    """A second node takes some of the partitions over, with nothing lost or repeated, and hands them back at its stop."""
    topic = Topic(kafka_broker, topic_name(), partitions=4)

    def node(name: str) -> KafkaTopic:
        return KafkaTopic(topic.settings, topic.name, "fast-sse", name, hub, facts)

    def fill(first: int) -> None:
        for partition in range(4):
            topic.add(*([partition, n] for n in range(first, first + 20)), partition=partition)

    fill(0)
    first, second = node("node-1"), node("node-2")
    first.start()
    await taken(first, 80)
    second.start()
    await until(lambda: second.figures.reading, WITHIN_S)
    fill(20)
    await until(lambda: first.figures.taken + second.figures.taken >= 160, WITHIN_S)
    assert second.figures.taken
    await first.stop()
    fill(40)
    await until(lambda: first.figures.taken + second.figures.taken >= 240, WITHIN_S)
    await second.stop()
    payloads = await store.payloads()
    for partition in range(4):
        assert [n for of, n in payloads if of == partition] == list(range(60))


async def test_a_topic_made_anew_is_another(make: Make, topic: Topic, store: FailingStore) -> None:
    """Deleted and created again it repeats its offsets; what is in it then is new, also where it looks the same."""
    topic.add("a")
    first = make()
    await taken(first, 1)
    await first.stop()
    topic.delete()
    topic.make()
    topic.add("a", "b")
    second = make(group="another")
    await taken(second, 2)
    assert await store.payloads() == ["a", "a", "b"]


@pytest.mark.timeout(180)
async def test_a_broker_that_comes_and_goes(
    tmp_path: Path, hub: Hub, store: FailingStore, facts: Facts
) -> None:
    """Down at the start, killed under way: the hub serves on, and the topic is read as soon as it answers."""
    need_kafka()
    broker = Broker(tmp_path / "kafka")
    settings = {**QUIET, "bootstrap.servers": broker.bootstrap}
    source = KafkaTopic(settings, "queue", "fast-sse", "node-1", hub, facts)
    source.start()
    await until(lambda: facts.of(IngestFailed), WITHIN_S)
    assert facts.of(IngestFailed)[0].error == "Kafka cannot be reached"
    with broker:
        topic = Topic(broker, "queue")
        topic.add(1)
        await taken(source, 1)
        assert facts.of(IngestRecovered)
        broker.kill()
        await until(lambda: len(facts.of(IngestFailed)) >= 2, WITHIN_S)
        broker.start()
        topic.add(2)
        await taken(source, 2)
        await source.stop()
    assert await store.payloads() == [1, 2]


async def test_a_topic_that_is_not_there_is_waited_for(kafka_broker: Broker, hub: Hub, facts: Facts) -> None:
    """The hub may come before the topic: said, and read as soon as somebody makes it."""
    name = topic_name()
    settings = {
        **QUIET,
        "bootstrap.servers": kafka_broker.bootstrap,
        "topic.metadata.refresh.interval.ms": "200",
    }
    source = KafkaTopic(settings, name, "fast-sse", "node-1", hub, facts)
    source.start()
    await until(lambda: facts.of(IngestFailed), WITHIN_S)
    assert facts.of(IngestFailed)[0].error == "the topic does not exist"
    Topic(kafka_broker, name).add(1)
    await taken(source, 1)
    await source.stop()


async def test_settings_that_the_client_refuses_are_told(hub: Hub, facts: Facts) -> None:
    """A setting of another spelling, or another value, is a trouble with its name, never with its value."""
    source = KafkaTopic({"no.such.setting": "hunter2"}, "queue", "fast-sse", "node-1", hub, facts)
    source.start()
    await until(lambda: facts.of(IngestFailed), WITHIN_S)
    await source.stop()
    assert "hunter2" not in json.dumps([fact.error for fact in facts.of(IngestFailed)])


async def test_a_stop_gives_up_what_is_held_up(make: Make, topic: Topic, store: FailingStore) -> None:
    """With the store down a stop ends in its time; what was in hand is not committed, and read again."""
    store.down = NotStoredError()
    topic.add(1)
    source = make()
    await until(lambda: source.figures.held_up, WITHIN_S)
    await source.stop()
    assert topic.committed() < 0
    store.down = None
    second = make(node="node-2")
    await taken(second, 1)
    assert await store.payloads() == [1]
    assert LIMITS.ingest_stop_s < WITHIN_S

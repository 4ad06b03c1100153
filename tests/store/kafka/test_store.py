"""Several nodes on one topic, and the bad days that leave the broker whole."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.store.kafka.conftest import EVERYTHING, FOREVER, Cluster, records, until

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, parse_cursor
from fast_sse.model.errors import (
    ConfigError,
    KeyConflictError,
    NotStoredError,
    TooLargeError,
    UnavailableError,
)
from fast_sse.model.message import Record
from fast_sse.store.base import Appended, Gap, OvertakenError, Windows
from fast_sse.store.clock import wall_ms
from fast_sse.store.kafka.entry import encode
from fast_sse.store.kafka.fold import FoldedGroup
from fast_sse.store.kafka.store import KafkaStore
from fast_sse.store.kafka.topic import Facts
from fast_sse.store.kafka.topic_reader import _SuspectError
from fast_sse.store.record import record_of

pytestmark = [pytest.mark.slow, pytest.mark.wire, pytest.mark.timeout(180)]

HOUR_MS = 3_600_000


def datas(found: list[Record]) -> list[bytes]:
    return [record.data for record in found]


async def next_group(follower: AsyncIterator[list[Record]]) -> list[Record]:
    return await asyncio.wait_for(anext(follower), 20)


async def told_gap(follower: AsyncIterator[list[Record]]) -> Gap:
    with pytest.raises(OvertakenError) as caught:
        await next_group(follower)
    return caught.value.gap


async def until_level(store: KafkaStore, cursor: Cursor) -> None:
    """Wait until a node has read what another one was answered."""
    async with asyncio.timeout(20):
        async for group in store.follow((await store.bounds()).trimmed):
            if group[-1].position >= cursor.position:
                return


# -- several nodes -------------------------------------------------------------------------------------


async def test_every_node_has_one_order_and_one_text(cluster: Cluster) -> None:
    """Records of three publishing nodes are the same on each of them, ids, times and fingerprints included."""
    stores = [await cluster.open(node) for node in "abc"]
    futures = [
        store.append([draft(data=b'"%s%d"' % (node.encode(), number))])
        for number in range(50)
        for node, store in zip("abc", stores, strict=True)
    ]
    answers = await asyncio.gather(*futures)
    heard = [await until(store, 150) for store in stores]
    assert heard[0] == heard[1] == heard[2]
    for node in b"abc":
        mine = [data for data in datas(heard[0]) if data[1] == node]
        assert mine == [b'"%c%d"' % (node, number) for number in range(50)]
    texts = {outcome.cursor.text for (outcome,) in answers if isinstance(outcome, Appended)}
    assert len(texts) == 150
    assert all((found := parse_cursor(text)) and found.text == text for text in texts)


async def test_one_key_on_two_nodes_at_once_is_one_message(cluster: Cluster) -> None:
    """Both nodes answer the same id, exactly one of them as new; another body is a conflict on either."""
    one, other = await cluster.open("a"), await cluster.open("b")
    for number in range(20):
        keyed = draft(data=b"%d" % number, keys=(f"k{number}",))
        contrary = draft(data=b"x", keys=(f"k{number}",))
        found = await asyncio.gather(one.append([keyed]), other.append([keyed]))
        answers = [outcome for (outcome,) in found if isinstance(outcome, Appended)]
        assert len(answers) == 2
        assert answers[0].cursor == answers[1].cursor
        assert sorted(answer.duplicate for answer in answers) == [False, True]
        for store in (one, other):
            (outcome,) = await store.append([contrary])
            assert isinstance(outcome, KeyConflictError)
    assert (
        datas(await until(one, 20))
        == datas(await until(other, 20))
        == [b"%d" % number for number in range(20)]
    )


async def test_a_new_node_comes_to_the_same_view(cluster: Cluster) -> None:
    """A view made from the topic equals one that grew with it: duplicates, conflicts, erasures and keys included."""
    store = await cluster.open("a")
    await put(store, draft("a", "t", keys=("k1",)), draft("b", "t", keys=("k2",)), draft("a", "t"))
    await store.append([draft("a", "t", keys=("k1", "k3")), draft(data=b"other", keys=("k2", "k4"))])
    await store.erase(Channel("a", "t"))
    (last,) = await put(store, draft("a", "t", data=b"after"))
    later = await cluster.open("b")
    assert await records(later) == await records(store)
    assert (await later.bounds()) == (await store.bounds())
    for key, duplicate in (("k1", True), ("k3", True), ("k4", False)):
        body = b"1" if duplicate else b"new"
        for node in (later, store):
            (outcome,) = await node.append([draft(data=body, keys=(key,))])
            assert isinstance(outcome, Appended)
            duplicate, was = True, duplicate
            assert outcome.duplicate == was
    assert (await later.read(EVERYTHING, last, 10, 1 << 20)).gap is None


async def test_a_cursor_of_another_node_waits_for_a_view_that_lags(cluster: Cluster) -> None:
    """After a hop the reader's node may not have read so far: nothing is skipped and nothing is called ahead."""
    ahead, behind = await cluster.open("a"), await cluster.open("b")
    follower = behind._reader
    assert follower is not None
    with behind._view.lock:  # node b cannot write its view: it lags
        (cursor,) = await put(ahead, draft(data=b"1"))
        found = await behind.read(EVERYTHING, cursor, 10, 1 << 20)
        assert (found.gap, found.records, found.through) == (None, [], cursor)
        beyond = await behind.read(EVERYTHING, cursor.at(cursor.position + 1, "0000001"), 10, 1 << 20)
        assert beyond.gap == Gap("ahead", (await behind.bounds()).newest)
    await until_level(behind, cursor)
    (second,) = await put(ahead, draft(data=b"2"))
    await until_level(behind, second)
    assert datas((await behind.read(EVERYTHING, cursor, 10, 1 << 20)).records) == [b"2"]


async def test_erasing_reaches_every_node(cluster: Cluster) -> None:
    """The control record is in the log: each node's view forgets the channel."""
    one, other = await cluster.open("a"), await cluster.open("b")
    await put(one, draft("a", "t"), draft("b", "t"))
    assert await one.erase(Channel("a", "t")) == 1
    await until_level(other, (await one.bounds()).newest)
    for store in (one, other):
        assert [record.channel.event_id for record in await records(store) if not record.is_control] == ["b"]


async def test_erasures_leave_nothing_behind(cluster: Cluster) -> None:
    """Whichever node erases: the number of records is for the one that asked, and no store keeps it."""
    one, other = await cluster.open("a"), await cluster.open("b")
    for _ in range(3):
        await put(one, draft("a", "t"), draft("a", "t"))
        assert await one.erase(Channel("a", "t")) == 2
    await until_level(other, (await one.bounds()).newest)
    for store in (one, other):
        assert [name for name, value in vars(store).items() if isinstance(value, dict) and value] == []


async def test_one_node_an_hour_ahead_changes_nothing(cluster: Cluster) -> None:
    """Times, ends of life and windows of keys are the broker's: nodes agree whatever their clocks say."""
    right, wrong = await cluster.open("a"), await cluster.open("b")
    wrong._clock.heard(wall_ms() + HOUR_MS)
    keyed = draft(data=b"1", keys=("k",), ttl_ms=5000)
    (first,) = await put(wrong, keyed)
    await until_level(right, first)
    record, same = await wrong.get(first.position), await right.get(first.position)
    assert record == same
    assert record is not None
    assert abs(record.time_ms - wall_ms()) < 60_000
    assert abs(wrong.now_ms() - wall_ms()) < 60_000
    assert record.expires_ms == record.time_ms + 5000
    assert await wrong.trim() == 0
    for store in (wrong, right):
        assert await store.append([keyed]) == [Appended(first, duplicate=True)]


async def test_what_time_it_is_says_the_broker_and_no_record(cluster: Cluster) -> None:
    """Records never step back in time; the clock that lives and windows are judged by does, with the broker's."""
    store = await cluster.open()
    await put(store, draft())
    earlier_ms = store.now_ms() - HOUR_MS
    record = record_of(draft(), store._newest.position + 1, earlier_ms, last_ms=store.now_ms())
    store._advance(FoldedGroup([record], [], [], {}, fresh=True, time_ms=earlier_ms))
    assert store.now_ms() < earlier_ms + 60_000


# -- the topic's bad days ------------------------------------------------------------------------------


async def test_a_node_that_never_read_what_went_names_a_gap(cluster: Cluster) -> None:
    """Its view begins where retention left off: a time up to its first record's may be one of which something is gone."""
    old = await cluster.open("a")
    cursors = [(await put(old, draft()))[0] for _ in range(3)]
    cluster.delete_records(2)
    new = await cluster.open("b")
    (left,) = await records(new)
    mark = (await new.bounds()).trimmed
    assert (left.position, mark.position) == (cursors[2].position, cursors[1].position)
    for time_ms, gap in (
        (0, Gap("trimmed", mark)),
        (left.time_ms, Gap("trimmed", mark)),
        (left.time_ms + 1, None),
    ):
        assert (await new.since(time_ms)).gap == gap


async def test_records_deleted_under_a_cursor_are_a_gap(cluster: Cluster) -> None:
    """What the broker let go is gone from the view at the next step, and whoever was below is told."""
    store = await cluster.open()
    cursors = await put(store, *(draft(data=b"%d" % number) for number in range(10)))
    follower = store.follow(cursors[0])
    cluster.delete_records(6)
    while await store.trim():
        pass
    found = await store.read(EVERYTHING, cursors[2], 10, 1 << 20)
    assert found.gap == Gap("trimmed", cursors[5])
    assert datas(found.records) == [b"6", b"7", b"8", b"9"]
    assert (await store.read(EVERYTHING, cursors[5], 10, 1 << 20)).gap is None
    assert await told_gap(follower) == Gap("trimmed", cursors[5])


async def test_a_node_that_was_away_past_retention_says_so(cluster: Cluster) -> None:
    """Entries that came and went while a node was down were never in its view: its old cursors are `trimmed`."""
    store = await cluster.open("a")
    (old,) = await put(store, draft(data=b"0"))
    await store.close()
    other = await cluster.open("b")
    await put(other, *(draft(data=b"%d" % number) for number in range(1, 5)))
    cluster.delete_records(4)
    again = await cluster.open("a")
    found = await again.read(EVERYTHING, old, 10, 1 << 20)
    assert found.gap is not None
    assert found.gap.reason == "trimmed"
    assert datas(found.records) == [b"4"]


async def test_a_node_that_is_passed_by_retention_while_it_runs_says_so(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries that came and went while it could not read: whoever follows on this node is told, and not handed the rest."""
    store, other = await cluster.open("a"), await cluster.open("b")
    (old,) = await put(store, draft(data=b"0"))
    following = asyncio.ensure_future(told_gap(store.follow(old)))
    looks, reached, may_look = store._topic.look, threading.Event(), threading.Event()

    def held() -> Facts:
        reached.set()
        assert may_look.wait(30)
        return looks()

    monkeypatch.setattr(store._topic, "look", held)
    store._suspect()
    assert await asyncio.to_thread(reached.wait, 30)
    await put(other, *(draft(data=b"%d" % number) for number in range(1, 5)))
    cluster.delete_records(4)
    may_look.set()
    async with asyncio.timeout(30):
        gap = await following
    assert (gap.reason, gap.resumed_at.position) == ("trimmed", 4)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff\xfe", b"{}", encode(draft(), 1).replace(b"\x01", b"\x02", 1), b"x" * 10_000],
    ids=["null", "empty", "bytes", "json", "version", "long"],
)
async def test_poison_in_the_topic_is_skipped_and_told(
    cluster: Cluster, value: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A foreign entry is logged, counted, and a named gap for who passes it; everything around it is delivered."""
    store = await cluster.open()
    (before,) = await put(store, draft(data=b"1"))
    follower = store.follow(before)
    with caplog.at_level(logging.ERROR):
        cluster.produce(value)
        gap = await told_gap(follower)
    assert (gap.reason, gap.resumed_at.position) == ("unreadable", before.position + 1)
    async with asyncio.timeout(20):
        while unreadable(store) != 1:  # noqa: ASYNC110  the reader's thread tells of it when the view has it already
            await asyncio.sleep(0.01)
    assert sum("offset 1 of the topic is unreadable" in line.message for line in caplog.records) == 1
    (after,) = await put(store, draft(data=b"2"))
    assert datas(await next_group(store.follow(gap.resumed_at))) == [b"2"]
    found = await store.read(EVERYTHING, before, 10, 1 << 20)
    assert (found.gap, datas(found.records)) == (gap, [b"2"])
    await store.close()
    again = await cluster.open()
    assert (await again.read(EVERYTHING, before, 10, 1 << 20)).gap == gap
    assert (await again.bounds()).newest == after


def unreadable(store: KafkaStore) -> float:
    """How many entries the node could not read."""
    return next(one.value for one in store.samples() if one.name == "log_unreadable_total")


async def test_a_message_too_large_fails_alone(cluster: Cluster) -> None:
    """What the topic does not take is 413, never a defect; its neighbours are stored."""
    cluster.create(message_timestamp_type="LogAppendTime", max_message_bytes="30000")
    store = await cluster.open()
    first, second, third = await store.append([draft(), draft(data=b"x" * 40_000), draft()])
    assert isinstance(second, TooLargeError)
    assert isinstance(first, Appended)
    assert isinstance(third, Appended)


async def test_the_largest_message_that_the_hub_takes_fits(cluster: Cluster) -> None:
    """A topic that the hub made takes whatever its limits let in."""
    store = await cluster.open(message_bytes_max=3_000_000)
    await put(store, draft(data=b'"%s"' % (b"x" * 2_999_000), body=b"its hash"))


@pytest.mark.parametrize("interrupted", [False, True], ids=["at once", "in two attempts"])
async def test_a_topic_deleted_and_made_again_is_told_as_another_log(
    cluster: Cluster, interrupted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old cursors are `epoch` gaps, followers are told, publishing goes on in the new one, and nothing old is served.

    Also where the connection broke between making the view anew and telling of it.
    """
    store = await cluster.open()
    (old,) = await put(store, draft(data=b"old", keys=("k",)))
    if interrupted:
        breaks_once(store, monkeypatch)
    follower = store.follow(old)
    cluster.delete()
    with suppress(UnavailableError):  # unless the node was faster, and the topic is there again
        await store.ping()
    gap = None
    while gap is None:
        try:
            await next_group(follower)
        except OvertakenError as overtaken:
            gap = overtaken.gap
        except UnavailableError:  # between the two topics there is no log to follow
            follower = store.follow(old)
            await asyncio.sleep(0.05)
    assert (gap.reason, gap.resumed_at.epoch != old.epoch) == ("epoch", True)
    await store.ping()
    (new,) = await put(store, draft(data=b"new", keys=("k",)))
    assert new.epoch == gap.resumed_at.epoch
    found = await store.read(EVERYTHING, old, 10, 1 << 20)
    assert (found.gap, datas(found.records)) == (gap, [b"new"])


def breaks_once(store: KafkaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next session ends when its view is open and before it has read anything."""
    follower = store._reader
    assert follower is not None
    read_to = follower._read_to

    def broken(consumer: Consumer, high: int, *, quiet: bool) -> None:
        monkeypatch.setattr(follower, "_read_to", read_to)
        raise _SuspectError

    monkeypatch.setattr(follower, "_read_to", broken)


async def test_several_partitions_end_the_start(cluster: Cluster) -> None:
    """A topic that cannot be the log is a wrong setting, by its key."""
    cluster.create(partitions=2)
    with pytest.raises(ConfigError, match=r"^kafka.topic: .* 2 partitions"):
        await cluster.open()


async def test_partitions_added_under_a_hub_stop_it(cluster: Cluster) -> None:
    """The order is no longer promised by the topic: nothing more is stored, and what was is still read."""
    store = await cluster.open(deadline_s=2.0)
    (cursor,) = await put(store, draft())
    cluster.add_partitions(2)
    store._suspect()
    outcome: object = None
    while not isinstance(outcome, NotStoredError):
        (outcome,) = await store.append([draft()])
    with pytest.raises(NotStoredError):
        await store.ping()
    assert await store.get(cursor.position) is not None


async def test_trimming_never_passes_what_was_read(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that lags behind the topic's beginning keeps its place until it can tell of the hole."""
    store = await cluster.open()
    (first,) = await put(store, draft(data=b"1"))

    async def far_ahead() -> int:
        return 10

    monkeypatch.setattr(store._topic, "begin", far_ahead)
    assert await store.trim() == 1
    assert (await store.bounds()).trimmed == first
    await put(store, draft(data=b"2"))
    assert datas((await store.read(EVERYTHING, first, 10, 1 << 20)).records) == [b"2"]


# -- the view's bad days -------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["lost", "no database", "of another topic"])
async def test_a_view_that_is_no_use_is_made_again(cluster: Cluster, damage: str) -> None:
    """The topic is the log: every cursor continues exactly, whatever became of the node's file."""
    store = await cluster.open()
    cursors = await put(store, *(draft(data=b"%d" % number, keys=(f"k{number}",)) for number in range(5)))
    before = await records(store)
    await store.close()
    if damage == "lost":
        cluster.view().unlink()
    elif damage == "no database":
        cluster.view().write_bytes(b"not a database" * 1000)
    else:
        mine, cluster.topic = cluster.topic, f"{cluster.topic}-other"
        other = await cluster.open()
        await put(other, draft(data=b"other"))
        await other.close()
        cluster.topic = mine
    again = await cluster.open()
    assert await records(again) == before
    for cursor in cursors:
        assert (await again.read(EVERYTHING, cursor, 10, 1 << 20)).gap is None
    (outcome,) = await again.append([draft(data=b"3", keys=("k3",))])
    assert outcome == Appended(cursors[3], duplicate=True)


@pytest.mark.parametrize("damaged", ["CAST(x'00' || substr(body, 2) AS BLOB)", "x'ff' || body", "x'00'"])
async def test_a_view_that_breaks_under_a_reader_heals(cluster: Cluster, damaged: str) -> None:
    """A flipped byte is never served: reads are unavailable until the view is made again, and then there is no gap."""
    store = await cluster.open()
    cursors = await put(store, *(draft(data=b"%d" % number) for number in range(5)))
    with sqlite3.connect(cluster.view()) as connection:
        connection.execute(f"UPDATE log SET body = {damaged} WHERE seq = 3")
    connection.close()
    unavailable, found = 0, None
    while found is None:
        try:
            found = await store.read(EVERYTHING, cursors[1], 10, 1 << 20)
        except UnavailableError:
            unavailable += 1
            await asyncio.sleep(0.02)
    assert unavailable
    assert (found.gap, datas(found.records)) == (None, [b"2", b"3", b"4"])
    (later,) = await put(store, draft(data=b"5"))
    assert (await store.bounds()).newest == later


async def test_another_process_of_this_name_is_refused(cluster: Cluster) -> None:
    """Two processes with one name would write one view."""
    await cluster.open("a")
    second = cluster.make("a")
    with pytest.raises(ConfigError, match=r"^node: "):
        await second.open()


async def test_keys_are_kept_for_their_window_between_starts(cluster: Cluster) -> None:
    """A retry after a restart is still the same message, on the node that was down and on another."""
    store = await cluster.open("a", windows=Windows(key_window_s=60))
    (first,) = await put(store, draft(keys=("k",)))
    await store.close()
    for node in "ab":
        again = await cluster.open(node, retention=FOREVER)
        assert await again.append([draft(keys=("k",))]) == [Appended(first, duplicate=True)]


async def test_closing_lets_go_of_every_client(cluster: Cluster) -> None:
    """A client that the garbage collector destroys on one of its own threads ends the process: none is left to it."""
    _ = cluster.admin  # the test's own
    gc.collect()
    gc.disable()
    try:
        before = len(clients())
        store = await cluster.open()
        await put(store, draft())
        await store.ping()
        assert len(clients()) > before
        await store.close()
        failed = cluster.make("b", min_insync_replicas=9)
        with pytest.raises(ConfigError):
            await failed.open()
        assert len(clients()) == before
    finally:
        gc.enable()


def clients() -> list[object]:
    return [one for one in gc.get_objects() if isinstance(one, AdminClient | Producer)]

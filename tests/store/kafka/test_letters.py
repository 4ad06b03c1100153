"""Dead letters on a real topic: what several nodes and their views make of it, on good days and on bad ones."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.contract.asserting import put
from tests.contract.backends import FOREVER, Clock, draft
from tests.contract.kafka_place import KafkaPlace
from tests.contract.letters.node import Node, begun, every_letter, ids, letters_of, poison, texts
from tests.store.kafka.conftest import Cluster, records, until

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import NotStoredError, UnavailableError, UnknownOutcomeError
from fast_sse.model.letter import Letter
from fast_sse.store.base import Retention, Windows
from fast_sse.store.kafka.entry import encode
from fast_sse.store.kafka.store import KafkaStore
from fast_sse.store.letters import LetterBounds


async def level(store: KafkaStore, with_: KafkaStore) -> None:
    """Wait until a node has read all that another one has."""
    async with asyncio.timeout(30):
        while store._view.read_to < with_._view.read_to:  # noqa: ASYNC110  a thread moves it
            await asyncio.sleep(0.01)


async def some_letters(store: KafkaStore, cluster: Cluster) -> tuple[Node, list[Cursor]]:
    """Letters of messages, of poison and of an unreadable entry; one is dropped, one channel erased, one handed over late."""
    node = Node(store, "a")
    await node.begin()
    cursors = await put(store, *(draft(event_id) for event_id in "uvwxyz"))
    await node.tell(cursors[-1], due=cursors)
    await node.letters.keep(poison("1"))
    cluster.produce(b"\xffnot ours")
    await node.letters.keep(poison("2", channel=Channel("u", "t")))
    assert await node.letters.drop([cursors[1].text, "k1.none"]) == 1
    assert await node.letters.erase(Channel("u", "t")) == 2
    assert (await node.tell(cursors[-1], handed=[cursors[2]])).late == 1
    return node, cursors


@pytest.mark.slow
async def test_a_view_that_is_made_again_has_the_same_letters(cluster: Cluster) -> None:
    """The file is deleted: every letter is there again, whole and in the same order, and what was told, too."""
    store = await cluster.open()
    node, cursors = await some_letters(store, cluster)
    before = await every_letter(store)
    whole = [await node.letters.get(letter.id) for letter in before]
    assert [letter.reason for letter in before] == ["no_subscriber"] * 3 + ["poison"] * 2
    turners = (await node.tell()).turners
    await store.close()
    cluster.view().unlink()
    again = await cluster.open()
    assert await every_letter(again) == before
    assert [await letters_of(again).get(letter.id) for letter in before] == whole
    node.letters, node.seen = letters_of(again), ""
    settled = await node.tell(cursors[-1], due=cursors)
    assert (settled.dead, settled.turners) == ([], turners)
    assert dict(settled.tally.dropped) == {"count": 0, "bytes": 0, "age": 0}


async def test_what_was_dropped_before_is_not_counted_again(cluster: Cluster) -> None:
    """A node that makes its view drops what its bounds do not hold, as it did then: no alarm is due."""
    few = LetterBounds(max_count=2)
    store = await cluster.open(letters=few)
    (node,) = await begun(store, "a")
    cursors = await put(store, *(draft() for _ in range(5)))
    assert (await node.tell(cursors[-1], due=cursors)).tally.dropped["count"] == 3
    await store.close()
    cluster.view().unlink()
    again = await cluster.open(letters=few)
    assert await ids(again) == texts(cursors[3:])
    node.letters = letters_of(again)
    (later,) = await put(again, draft())
    assert (await node.tell(later, due=[later])).tally.dropped["count"] == 1


@pytest.mark.slow
async def test_a_letter_goes_with_its_entry_on_every_node(cluster: Cluster) -> None:
    """Records are deleted: letters of messages and of poison go at one mark, and a node that comes later never lists them."""
    one, other = await cluster.open("a"), await cluster.open("b")
    node = Node(one, "a")
    await node.begin()
    cursors = await put(one, draft(), draft(), draft())
    await node.tell(cursors[-1], due=cursors)
    await node.letters.keep(poison("1"))
    (last,) = await put(one, draft())
    await node.tell(last, due=[last])
    await level(other, one)
    assert await ids(one) == await ids(other) == [*texts(cursors), poison("1").id, last.text]
    for low, left in (
        (cursors[1].position, [cursors[2].text, poison("1").id, last.text]),
        (last.position - 1, [last.text]),
    ):
        cluster.delete_records(low)
        for store in (one, other):
            while await store.trim():
                pass
        later = await cluster.open(f"c{low}")
        assert [await ids(store) for store in (one, other, later)] == [left] * 3


async def test_a_node_that_comes_later_finds_undecided_what_is(cluster: Cluster) -> None:
    """Of the topic it finds no process that began first: what others wait for waits there, too, and dies on every node."""
    one = await cluster.open("a")
    await begun(one, "a")
    gone, waiting = await put(one, draft(), draft())
    (node,) = await begun(one, "b")
    cluster.delete_records(gone.position)
    later = await cluster.open("c")
    assert (await Node(later, "c").begin()).decided == gone.position
    await node.tell(waiting, due=[waiting])
    await level(later, one)
    assert await ids(later) == await ids(one) == [waiting.text]


async def test_who_comes_when_the_topic_let_go_of_everything_makes_nobody_silent(cluster: Cluster) -> None:
    """It begins where the topic does, further than the last message; of that the others have told, and they are idle."""
    stores = [await cluster.open("a"), await cluster.open("b")]
    nodes = [await begun(store, name) for store, name in zip(stores, "ab", strict=True)]
    (cursor,) = await put(stores[0], draft())
    for (node,) in nodes:
        await node.tell(cursor, decided=cursor)
    cluster.delete_records(stores[1]._view.read_to)
    later = await cluster.open("c")
    (newer,) = await begun(later, "c")
    assert newer.through > cursor.position
    await newer.tell()
    for (node,) in nodes:
        await node.tell()  # as somebody asked it: so the new view knows of it
    await newer.tell()
    sql = "SELECT node FROM turner WHERE behind_ms IS NOT NULL"
    for store in (*stores, later):
        await level(store, later)
        assert await store._opened().run(lambda log: log.connection.execute(sql).fetchall()) == []
    (message,) = await put(later, draft())
    await newer.tell(message)
    for store in stores:
        await level(store, later)
        silent = await store._opened().run(lambda log: log.connection.execute(sql).fetchall())
        assert sorted(name for (name,) in silent) == ["a", "b"]


@pytest.mark.slow
async def test_a_lost_tail_takes_its_letters(tmp_path: Path) -> None:
    """Letters and decisions above the loss go with it: a message at a place that is given again dies like any other."""
    place, clock = KafkaPlace(tmp_path / "log"), Clock()
    store = place.make(FOREVER, Windows(), clock)
    await store.open()
    (node,) = await begun(store, "a")
    kept, lost = await put(store, draft(), draft())
    await node.tell(kept, due=[kept])
    await node.tell(lost, due=[lost], decided=lost)
    assert await ids(store) == texts([kept, lost])
    await place.lose_tail(store, kept.position)
    store = place.make(FOREVER, Windows(), clock)
    await store.open()
    assert await ids(store) == [kept.text]
    (node,) = await begun(store, "a")
    (again,) = await put(store, draft())
    assert [position for position, *_ in (await node.tell(again, due=[again])).dead] == [again.position]
    assert await ids(store) == texts([kept, again])
    await store.close()
    await place.clear()


async def test_two_nodes_that_decide_at_once_make_one_letter(cluster: Cluster) -> None:
    """Both call the same records due in the same moment: the first in the topic makes the letters, on both nodes alike."""
    one, other = await cluster.open("a"), await cluster.open("b")
    nodes = [Node(one, "a"), Node(other, "b")]
    for node in nodes:
        await node.begin()
    cursors = await put(one, *(draft() for _ in range(20)))
    await level(other, one)
    settled = await asyncio.gather(*(node.tell(cursors[-1], due=cursors) for node in nodes))
    await level(one, other)
    await level(other, one)
    assert [letter.node for letter in await every_letter(one)] == [(await every_letter(one))[0].node] * 20
    assert await every_letter(one) == await every_letter(other)
    assert sorted(len(one.dead) for one in settled) == [0, 20]
    assert await ids(one) == texts(cursors)


async def test_what_a_node_told_another_one_hears(cluster: Cluster) -> None:
    """Handed over on one, due on the other: no letter, and the count is in its answer."""
    one, other = await cluster.open("a"), await cluster.open("b")
    first, second = Node(one, "a"), Node(other, "b")
    await first.begin()
    await second.begin()
    (cursor,) = await put(one, draft())
    await second.tell(cursor, handed={cursor: 3})
    settled = await first.tell(cursor, due=[cursor])
    assert settled.dead == []
    assert [(one.node, one.handed[0].count) for one in settled.receipts] == [("b", 3)]
    assert await ids(other) == []


async def test_a_turn_whose_answer_was_cut_is_the_same_turn_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its entry came into the topic and its answer never came: sent again it changes nothing, and is answered as it was."""
    store = await cluster.open()
    (node,) = await begun(store, "a")
    cursors = await put(store, draft(), draft())
    appends = store._appends
    assert appends is not None
    with monkeypatch.context() as cut:
        came = asyncio.Event()
        cut.setattr(appends, "read_back", lambda answers, origin: came.set())
        cut.setattr(appends, "_deadline_s", 0.1)
        turn = node.turn(cursors[-1], due=cursors[:1], handed=cursors[1:])
        with pytest.raises(UnknownOutcomeError):
            await node.letters.settle(turn)
        async with asyncio.timeout(30):
            await came.wait()
    assert await ids(store) == [cursors[0].text]
    again = await node.letters.settle(turn)
    assert (again.dead, again.tally.total) == ([(cursors[0].position, "no_subscriber", False)], 1)
    assert len((await Node(store, "b").begin()).receipts) == 1


async def test_an_event_of_a_later_version_is_no_gap_and_no_poison(cluster: Cluster) -> None:
    """Neither for who follows nor for who reads, and no letter: the place is known, and that is all."""
    store = await cluster.open()
    (before,) = await put(store, draft(data=b"1"))
    cluster.produce(encode(replace(draft(), event="fast-sse.future"), 7 << 32))
    (after,) = await put(store, draft(data=b"2"))
    assert after.position == before.position + 2
    assert [record.data for record in await until(store, 2)] == [b"1", b"2"]
    assert [record.data for record in await records(store)] == [b"1", b"2"]
    assert next(one.value for one in store.samples() if one.name == "log_unreadable_total") == 0
    assert await every_letter(store) == []


async def test_turns_are_no_records_for_anybody(cluster: Cluster) -> None:
    """Neither the one who follows nor the ends of the log notice them: nodes would else answer one another for ever."""
    store = await cluster.open()
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    await node.tell(cursor, handed=[cursor])
    assert (await store.bounds()).newest == cursor
    (later,) = await put(store, draft())
    assert later.position == cursor.position + 2
    assert [record.position for record in await until(store, 2)] == [cursor.position, later.position]


async def test_poison_is_cut_to_what_the_topic_takes(cluster: Cluster) -> None:
    """Its size and hash are those of all of it, and it is kept once: what the view has already is not sent again."""
    cluster.create(message_timestamp_type="LogAppendTime", max_message_bytes="30000")
    store = await cluster.open()
    raw = bytes(range(256)) * 400
    found = poison("1", raw)
    assert await letters_of(store).keep(found)
    end = await store._topic.end()
    assert not await letters_of(store).keep(found)
    assert await store._topic.end() == end
    letter = await letters_of(store).get(found.id)
    assert isinstance(letter, Letter)
    assert (letter.size_bytes, letter.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert letter.raw is not None
    assert 5_000 < len(letter.raw) < 30_000
    assert raw.startswith(letter.raw)


async def test_a_turn_that_the_topic_does_not_take_is_not_stored(cluster: Cluster) -> None:
    """An error of the store, not of a client: it is told again when the topic takes more."""
    cluster.create(message_timestamp_type="LogAppendTime", max_message_bytes="3000")
    store = await cluster.open()
    (node,) = await begun(store, "a")
    with pytest.raises(NotStoredError, match=r"max\.message\.bytes"):
        await node.tell(late=["x" * 100] * 100)


@pytest.mark.slow
async def test_what_was_told_of_a_topic_that_was_made_anew_is_refused(cluster: Cluster) -> None:
    """Before its node notices and after: it decides nothing in the new log, and the process begins again there."""
    store = await cluster.open(deadline_s=5.0)
    (node,) = await begun(store, "a")
    (old,) = await put(store, draft())
    await node.tell(old, handed=[old])
    cluster.delete()
    cluster.create(message_timestamp_type="LogAppendTime")
    told = node.turn(old, handed=[old], decided=old)
    async with asyncio.timeout(30):
        while (await store.bounds()).newest.epoch == old.epoch:
            with pytest.raises(UnavailableError):
                await node.letters.settle(told)
            await asyncio.sleep(0.05)
    with pytest.raises(NotStoredError, match="made again"):
        await node.letters.settle(told)
    await node.begin()
    (new,) = await put(store, draft())
    settled = await node.tell(new, due=[new])
    assert [position for position, *_ in settled.dead] == [new.position]


async def test_letters_that_outlive_their_messages_in_vain_are_warned_of(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """The topic keeps for an hour, dead letters are to be kept for two: said at start; not where it keeps for ever, nor where
    nobody set an age of dead letters.
    """
    two_hours = LetterBounds(max_age_s=7200.0)
    with caplog.at_level(logging.WARNING):
        await cluster.open("a", letters=two_hours)
        cluster.topic += "-short"
        hour = Retention(max_age_s=3600.0, max_bytes=None)
        await cluster.open("b", retention=hour)
        assert "dead letter" not in caplog.text
        await cluster.open("c", retention=hour, letters=two_hours)
    assert "retention.ms is 3600000: raise it, or lower dead_letters.max_age_s (7200)" in caplog.text

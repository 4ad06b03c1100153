"""Dead letters as only Redis keeps them; what every store does with them is in tests/contract/letters."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.contract.letters.node import Node, begun, every_letter, heard, ids, poison, texts
from tests.store.redis.conftest import OpenRedis, level
from tests.store.redis.test_writer import through
from tests.support.proxy import Proxy
from tests.support.redis_pair import paired
from tests.support.redis_server import RedisServer

from fast_sse.model.errors import DiskFullError, NotStoredError, UnavailableError, UnknownOutcomeError
from fast_sse.model.letter import Letter
from fast_sse.store.letters import LetterBounds, Wanted
from fast_sse.store.redis.store import RedisStore

pytestmark = pytest.mark.wire


def dumped(server: RedisServer, store: RedisStore) -> dict[bytes, Any]:
    """All that is kept below the prefix, byte by byte."""
    keys = server.do("KEYS", f"{store._log.prefix}*")
    return {key: server.do("DUMP", key) for key in keys if not key.endswith(b":ping")}


async def taken(node: Node) -> None:
    """A turn that says nothing, again until the server takes it: connections to one that is gone end one by one."""
    turn = node.turn()
    async with asyncio.timeout(10):
        while True:
            try:
                await node.letters.settle(turn)
                return
            except UnavailableError:
                await asyncio.sleep(0.02)


async def kept(store: RedisStore) -> Letter:
    """The one letter, as soon as it is there."""
    async with asyncio.timeout(10):
        while not (found := await every_letter(store)):  # noqa: ASYNC110  a node's reader makes it
            await asyncio.sleep(0.01)
    (letter,) = found
    return letter


# -- bad days -----------------------------------------------------------------------------------------


async def test_a_full_memory_refuses_a_turn_as_a_whole(
    own_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Nothing of it happened: not a letter, not a receipt, not its number. With room the same turn does all of it."""
    store = await open_redis(own_server.url)
    (node, other) = await begun(store, "a", "b")
    handed, due, late = await put(store, draft(), draft(), draft())
    await node.tell(late, due=[late])
    turn = node.turn(late, handed=[handed], due=[due], late=[late.text], decided=late)
    before = dumped(own_server, store)
    own_server.do("CONFIG", "SET", "maxmemory", 1)
    with pytest.raises(DiskFullError):
        await store.letters.settle(turn)
    with pytest.raises(DiskFullError):
        await store.letters.keep(poison())
    with pytest.raises(DiskFullError):
        await store.letters.begin("c", "1")
    assert dumped(own_server, store) == before
    own_server.do("CONFIG", "SET", "maxmemory", 0)
    settled = await store.letters.settle(turn)
    assert ([position for position, *_ in settled.dead], settled.late) == ([due.position], 1)
    assert heard((await other.tell(late)).receipts)["a"] == [(handed.position, 1)]
    assert await ids(store) == texts([due])


async def test_a_full_memory_keeps_nobody_from_purging(
    own_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Letters are listed, read, dropped and erased, which makes room."""
    store = await open_redis(own_server.url)
    (node,) = await begun(store, "a")
    one, other = await put(store, draft("a"), draft("b"))
    await node.tell(other, due=[one, other])
    own_server.do("CONFIG", "SET", "maxmemory", 1)
    assert await ids(store) == texts([one, other])
    assert await store.letters.get(one.text) is not None
    assert await store.letters.drop([one.text]) == 1
    assert await store.letters.erase(draft("b").channel) == 1
    assert await ids(store) == []


async def test_a_turn_whose_answer_was_cut_off_is_applied_once(
    redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """It is unknown whether it happened; it comes again under its number, is answered in full, and changes nothing."""
    async with Proxy(redis_server.address) as proxy, open_redis:
        store = await open_redis(through(proxy))
        beside = await open_redis(redis_server.url)
        (node,) = await begun(store, "a")
        (other,) = await begun(beside, "b")
        handed, due = await put(store, draft(), draft())
        turn = node.turn(due, handed=[handed], due=[due])
        wire = await store._reads.connected()
        proxy.mode = "cut_reply"
        with pytest.raises(UnknownOutcomeError):
            await store.letters.settle(turn)
        proxy.mode = "pass"
        await wire.lost
        await store._reads.connected()
        before = dumped(redis_server, store)
        settled = await store.letters.settle(turn)
        assert dumped(redis_server, store) == before
        assert [position for position, *_ in settled.dead] == [due.position]
        receipts = (await other.tell(due)).receipts
        assert heard(receipts) == {"a": [(handed.position, 1)]}


async def test_two_nodes_at_once_never_disagree(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """One decides what the other hands over: either the receipt came first and there is no letter, or it is removed late."""
    one, other = await open_redis(redis_server.url), await open_redis(redis_server.url)
    (decider,), (bearer,) = await begun(one, "a"), await begun(other, "b")
    first = 0
    for number in range(40):
        (cursor,) = await put(one, draft())
        deciding, bearing = decider.tell(cursor, due=[cursor]), bearer.tell(cursor, handed=[cursor])
        pair = (deciding, bearing) if number % 2 else (bearing, deciding)
        answers = await asyncio.gather(*pair)
        decided, borne = answers if number % 2 else reversed(answers)
        assert len(decided.dead) == borne.late
        first += not decided.dead
    assert await ids(one) == []
    assert 0 < first < 40, "one of the two was always first"


async def test_a_key_of_another_type_fails_a_turn_and_leaves_nothing_half_done(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """Each key of the letters is looked at before anything is written."""
    (node, _) = await begun(store, "a", "b")
    handed, due = await put(store, draft(), draft())
    turn = node.turn(due, handed=[handed], due=[due], decided=due)
    base = f"{store._log.prefix}{due.epoch}:"
    below = ("letters", "letter_bodies", "letter_order", "poison_order", "letter_deaths", "letter_tally")
    for key in (*(f"{store._log.prefix}{name}" for name in below), f"{base}turns"):
        assert redis_server.do("EXISTS", key) == 0
        redis_server.do("SET", key, "something else")
        before = dumped(redis_server, store)
        with pytest.raises(NotStoredError):
            await store.letters.settle(turn)
        assert dumped(redis_server, store) == before
        redis_server.do("DEL", key)
    assert len((await store.letters.settle(turn)).dead) == 1


# -- a log that is not what it was --------------------------------------------------------------------


@pytest.mark.slow
async def test_after_a_failover_nothing_that_others_told_is_missed(
    tmp_path: Path, open_redis: OpenRedis
) -> None:
    """Letters and receipts go with the tail. A node that had heard a receipt which is gone hears all that are there again."""
    async with paired(tmp_path) as pair, open_redis:
        store = await open_redis(pair.url)
        (node, other) = await begun(store, "a", "b")
        one, two, three = await put(store, draft(), draft(), draft())
        await node.tell(three, handed=[one], due=[two])
        await pair.lag()
        await node.tell(three, due=[three])
        assert len((await other.tell(three)).receipts) == 2
        await pair.fail_over()
        await taken(node)
        assert await ids(store) == texts([two])
        await node.tell(three, handed=[three])
        settled = await other.tell(three, due=[one, three])
        assert heard(settled.receipts) == {"a": [(one.position, 1), (three.position, 1)]}
        assert settled.dead == []
        assert (await other.tell(three)).receipts == []


async def test_letters_outlive_their_epoch(store: RedisStore, redis_server: RedisServer) -> None:
    """A log that begins anew under running nodes: old letters are listed and whole, and their places mean nothing in it."""
    (node,) = await begun(store, "a")
    dead, waiting = await put(store, draft(data=b'"old"'), draft())
    await node.tell(waiting, due=[dead])
    redis_server.do("DEL", f"{store._log.prefix}meta")
    (newer,) = await put(store, draft())
    assert newer.epoch != dead.epoch
    settled = await node.tell(newer, handed=[dead], due=[waiting], decided=waiting)
    assert (settled.dead, settled.late) == ([], 0)
    assert await ids(store) == texts([dead])
    whole = await store.letters.get(dead.text)
    assert whole is not None
    assert whole.record is not None
    assert whole.record.data == b'"old"'
    assert list((await Node(store, "b").begin()).letters) == []
    settled = await node.tell(newer, due=[newer])
    assert [position for position, *_ in settled.dead] == [newer.position]


async def test_what_is_new_in_a_new_epoch_waits(store: RedisStore, redis_server: RedisServer) -> None:
    """A process that runs on, and says so, followed the new log from its beginning: none of it is decided unheard."""
    (node,) = await begun(store, "a")
    await put(store, draft())
    redis_server.do("DEL", f"{store._log.prefix}meta")
    (newer,) = await put(store, draft())
    found = await node.begin()
    assert (found.decided, found.newest) == (0, newer.position)
    assert len((await node.tell(newer, due=[newer])).dead) == 1


async def test_a_log_of_an_earlier_version_begins_where_it_ends(
    store: RedisStore, redis_server: RedisServer
) -> None:
    """Its meta key names no decided place: nothing in it waits, and what comes afterwards does."""
    (before,) = await put(store, draft())
    assert redis_server.do("HEXISTS", f"{store._log.prefix}meta", "decided") == 0
    (node,) = await begun(store, "a")
    (after,) = await put(store, draft())
    settled = await node.tell(after, due=[before, after])
    assert [position for position, *_ in settled.dead] == [after.position]


async def test_poison_in_the_log_is_one_letter(redis_server: RedisServer, open_redis: OpenRedis) -> None:
    """Each node that reads it keeps it, with its bytes; it is one letter, and streams go on."""
    nodes = [await open_redis(redis_server.url) for _ in range(2)]
    (before,) = await put(nodes[0], draft())
    (node,) = await begun(nodes[0], "a")
    key = f"{nodes[0]._log.prefix}{before.epoch}:log"
    place = redis_server.do("XADD", key, "*", "a", b"\xff\x00").decode()
    letter = await kept(nodes[0])
    (after,) = await put(nodes[0], draft())
    for one in nodes:
        await level(one, after)
    assert await every_letter(nodes[1]) == [letter]
    whole = await nodes[1].letters.get(letter.id)
    assert whole is not None
    assert (whole.reason, whole.raw, whole.channel) == ("poison", b"a\n\xff\x00", None)
    assert whole.source is not None
    assert (whole.source.kind, whole.source.place) == ("log", place)
    assert (await node.tell(before)).tally.by_reason["poison"] == 1


async def test_letters_that_another_program_wrote_over_stop_nothing(
    store: RedisStore, redis_server: RedisServer, open_redis: OpenRedis
) -> None:
    """Such a letter is none: it is in no list, it is not read, and it falls out like any other."""
    (node,) = await begun(store, "a")
    cursors = await put(store, *(draft(name) for name in "abcd"))
    await node.tell(cursors[-1], due=cursors)
    key, bodies = f"{store._log.prefix}letters", f"{store._log.prefix}letter_bodies"
    for cursor, garbage in zip(cursors, (b"\xc1", b"\x01", b"\x92\xa3abc\xc0"), strict=False):
        redis_server.do("HSET", key, cursor.text, garbage)
    redis_server.do("HSET", bodies, cursors[3].text, b"\xc1")
    for wanted in (Wanted(), Wanted(event_id="d")):
        assert await ids(store, wanted) == texts([cursors[3]])
    assert [await store.letters.get(one.text) for one in cursors] == [None] * 4
    assert await store.letters.erase(draft("a").channel) == 0
    small = await open_redis(redis_server.url, letters=LetterBounds(max_count=0))
    (other,) = await begun(small, "b")
    found = (await other.tell(cursors[-1])).tally
    assert (found.dropped["count"], found.total, found.size_bytes) == (4, 0, 0)
    assert redis_server.do("EXISTS", key, bodies) == 0

"""Rules of `ingest.redis_stream`, on a real server: what is in the queue comes into the log once, and in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.ingest.conftest import LIMITS, Facts, FailingStore, Make, Queue, desk_of, make_hub, package, until
from tests.support.closing import served
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import ROOT

from fast_sse.hub.hub import Hub
from fast_sse.ingest import redis_stream
from fast_sse.ingest.lease import LeaseLostError
from fast_sse.ingest.redis_stream import RedisStream
from fast_sse.model.errors import NotStoredError, UnknownOutcomeError
from fast_sse.model.letter import RAW_BYTES_MAX, Source
from fast_sse.observe.observer import (
    IngestFailed,
    IngestGone,
    IngestLeaseLost,
    IngestPoisoned,
    IngestRecovered,
)
from fast_sse.store.letters import LetterBounds

pytestmark = [pytest.mark.wire, pytest.mark.slow]


async def test_a_queue_comes_into_the_log(make: Make, foreign: Queue, store: FailingStore) -> None:
    """What was there before the first start and what comes later is stored in queue order, and acknowledged."""
    foreign.add(*range(25))
    source = make()
    await until(lambda: source.figures.taken == 25)
    foreign.add(*range(25, 30))
    await until(lambda: source.figures.taken == 30)
    assert await store.payloads() == list(range(30))
    assert next(record.channel for record in await store.records()) == ("car0", "sold")
    assert foreign.pending == 0
    assert foreign.do("XLEN") == 30, "the queue is not ours to trim"


async def test_a_queue_that_is_not_there_is_made(make: Make, foreign: Queue, store: FailingStore) -> None:
    """The hub may come before the first producer."""
    source = make()
    await until(lambda: source.figures.reading and source.figures.lag == 0)
    foreign.add(1)
    await until(lambda: source.figures.taken)
    assert await store.payloads() == [1]


async def test_quiet_queues_wake_at_once(make: Make, foreign: Queue, store: FailingStore) -> None:
    """Each entry is taken when it is added, not when a turn of polling comes: twenty, one after the other's arrival."""
    source = make()
    await until(lambda: source.figures.lag == 0)
    async with asyncio.timeout(LIMITS.ingest_lease_s * 5):
        for turn in range(50):
            foreign.add(turn)
            await until(lambda turn=turn: source.figures.taken == turn + 1)  # type: ignore[misc]
    assert await store.payloads() == list(range(50))


POISON: dict[str, tuple[Any, ...]] = {
    "not JSON": ("car0", b"hello"),
    "empty": ("car0", b""),
    "data is missing": ("car0", package(...)),
    "bad channel": ("a/b", package(1, event_id=...)),
    "wrong field": ("car1", package(1)),
    "field is not UTF-8": (b"\xff\xfe", package(1, event_id=...)),
    "binary": ("car0", bytes(range(256))),
    "lone surrogate": ("car0", package("A").replace(b"A", rb"\ud800")),
    "invalid UTF-8": ("car0", package("A").replace(b"A", b"\xff")),
    "NaN": ("car0", package(float("nan"))),
    "too large": ("car0", package("x" * LIMITS.body_bytes_max)),
    "too deep": ("car0", package("D").replace(b'"D"', b"[" * 1000 + b"]" * 1000)),
    "several fields": ("car0", package(1), "car0", package(2)),
    "thousands of fields": tuple(part for n in range(5000) for part in (f"f{n}", b"\xff")),
}


@pytest.mark.parametrize("fields", POISON.values(), ids=POISON)
async def test_poison_is_a_dead_letter(
    make: Make, foreign: Queue, store: FailingStore, facts: Facts, fields: tuple[Any, ...]
) -> None:
    """What cannot become a message is kept with its bytes as they were, its source and why; the queue goes on."""
    foreign.add(1)
    place = foreign.add_raw(*fields)
    foreign.add(3)
    source = make()
    await until(lambda: source.figures.taken == 3)
    assert await store.payloads() == [1, 3]
    assert foreign.pending == 0
    (kept,) = await store.poison()
    raw = _bytes_of(fields)
    assert (kept.raw, kept.size_bytes) == (raw[:RAW_BYTES_MAX], len(raw))
    assert kept.source == Source("redis_stream", foreign.name, place.decode())
    assert (kept.reason, kept.node) == ("poison", "node-1")
    (fact,) = facts.of(IngestPoisoned)
    assert fact.place == place.decode()
    assert kept.description.startswith(fact.error)
    assert source.figures.poison == 1
    assert not foreign.server.do("EXISTS", f"{foreign.name}:dead_letter")


def _bytes_of(fields: tuple[Any, ...]) -> bytes:
    """The value of one field; of several, names and values in turn, as JSON."""
    parts = [part.encode() if isinstance(part, str) else part for part in fields]
    if len(parts) == 2:
        return bytes(parts[1])
    return json.dumps([b64encode(part).decode() for part in parts], separators=(",", ":")).encode()


async def test_poison_is_bounded(server: RedisServer, foreign: Queue, facts: Facts) -> None:
    """A producer that writes nothing but poison fills no memory: the oldest of it goes."""
    store = FailingStore(LetterBounds(poison_max=100))
    await store.open()
    hub = make_hub(store, facts)
    await hub.start()
    for _ in range(5):
        foreign.server.do(
            "EVAL", "for n = 1, 100 do redis.call('XADD', KEYS[1], '*', 'a', 'bad') end", 1, foreign.name
        )
    source = RedisStream(server.url, foreign.name, "fast-sse", "node-1", hub, facts)
    source.start()
    await until(lambda: source.figures.taken == 500)
    await source.stop()
    assert len(await store.poison()) == 100
    await hub.close()
    await store.close()


async def test_poison_that_cannot_be_kept_holds_up_the_queue(
    make: Make, foreign: Queue, store: FailingStore, facts: Facts
) -> None:
    """It is never thrown away: while the store does not keep it, it stays pending, loudly, and nothing behind it is read."""
    store.dead.down = NotStoredError("the store is down")
    foreign.add_raw("car0", "bad")
    source = make()
    await until(lambda: source.figures.held_up > 2)
    foreign.add(1)
    assert [fact.error for fact in facts.of(IngestFailed)] == ["the hub does not store: the store is down"]
    assert (foreign.pending, source.figures.taken, await store.payloads()) == (1, 0, [])
    store.dead.down = None
    await until(lambda: source.figures.taken == 2)
    assert [letter.raw for letter in await store.poison()] == [b"bad"]
    assert await store.payloads() == [1]
    assert len(facts.of(IngestRecovered)) == 1


async def test_poison_that_was_kept_and_not_acknowledged_is_known(
    make: Make, foreign: Queue, store: FailingStore
) -> None:
    """A reader that is gone between both leaves it pending: the next one finds the same letter, and acknowledges."""
    store.dead.down, store.dead.stores = UnknownOutcomeError("lost"), True
    foreign.add_raw("car0", "bad")
    source = make()
    await until(lambda: store.dead.asked)
    await source.stop()
    assert (foreign.pending, len(await store.poison())) == (1, 1)
    store.dead.down = None
    second = make(node="node-2")
    await until(lambda: second.figures.taken == 1)
    assert [letter.node for letter in await store.poison()] == ["node-1"]
    assert foreign.pending == 0


async def test_poison_is_a_message_once_it_may_be_one(
    server: RedisServer, foreign: Queue, store: FailingStore, facts: Facts
) -> None:
    """An operator replays it under a higher limit: the name of its field is still the event_id."""
    foreign.add_raw("car7", package("x" * 200, event_id=...))
    hub = make_hub(store, facts, msgspec.structs.replace(LIMITS, body_bytes_max=100))
    await hub.start()
    source = RedisStream(server.url, foreign.name, "fast-sse", "node-1", hub, facts)
    source.start()
    await until(lambda: source.figures.taken == 1)
    await source.stop()
    (letter,) = await store.poison()
    await desk_of(hub, facts).replay(letter.id)
    await hub.close()
    (record,) = await store.records()
    assert (record.channel, json.loads(record.data)) == (("car7", "sold"), "x" * 200)
    assert json.loads(record.headers)["fast-sse-replay-of"] == letter.id
    assert await store.poison() == []


async def test_what_a_crashed_reader_took_comes_first(
    make: Make, foreign: Queue, store: FailingStore
) -> None:
    """Entries that somebody took and did not acknowledge are stored before those nobody took, in queue order."""
    foreign.add(*range(25))
    foreign.take(23)
    source = make()
    await until(lambda: source.figures.taken == 25)
    assert await store.payloads() == list(range(25))
    assert foreign.pending == 0


async def test_stored_but_not_acknowledged_is_one_message(
    make: Make, foreign: Queue, store: FailingStore, server: RedisServer
) -> None:
    """The reply to the acknowledgement is lost, or the hub dies before it asks: read again, known by its key."""
    foreign.add(*range(10))
    first = make()
    await until(lambda: first.figures.taken == 10)
    await first.stop()
    server.do("XGROUP", "DESTROY", foreign.name, "fast-sse")  # as if nothing had been acknowledged
    foreign.add(10)
    second = make()
    await until(lambda: second.figures.taken == 11)
    assert await store.payloads() == list(range(11))
    assert second.figures.duplicates == 10


async def test_pending_entries_that_were_deleted_are_named(
    make: Make, foreign: Queue, store: FailingStore, facts: Facts
) -> None:
    """What others deleted between taking and acknowledging cannot be stored; it is counted and told, not skipped."""
    foreign.add(0)
    place = foreign.add_raw("car0", package(1))
    foreign.add(2)
    foreign.take(3)
    foreign.do("XDEL", place)
    source = make()
    await until(lambda: source.figures.taken == 2)
    assert await store.payloads() == [0, 2]
    assert source.figures.gone == 1
    ids = f"{place.decode()}..{place.decode()}"
    assert [(fact.place, fact.entries) for fact in facts.of(IngestGone)] == [(ids, 1)]
    assert foreign.pending == 0


async def test_pending_entries_behind_deleted_ones_are_taken(
    make: Make, foreign: Queue, store: FailingStore
) -> None:
    """A whole batch of what a reader left behind was deleted: what it left behind that comes next, all the same."""
    foreign.add(*range(25))
    foreign.take(25)
    foreign.do("XTRIM", "MAXLEN", 5)
    source = make()
    await until(lambda: source.figures.taken == 5)
    assert await store.payloads() == list(range(20, 25))
    assert (source.figures.gone, foreign.pending) == (20, 0)


async def test_while_the_hub_does_not_store_the_queue_fills(
    make: Make, foreign: Queue, store: FailingStore, facts: Facts
) -> None:
    """Nothing is acknowledged, the lease is kept, the lag grows and is told; then all of it comes, in order."""
    store.down = NotStoredError("the store is down")
    source = make()
    foreign.add(*range(25))
    await until(lambda: source.figures.held_up > 10)
    assert foreign.pending == 10, "one batch is in hand"
    assert await store.payloads() == []
    assert len(facts.of(IngestFailed)) == 1
    store.down = None
    await until(lambda: source.figures.taken == 25)
    assert await store.payloads() == list(range(25))
    assert len(facts.of(IngestRecovered)) == 1
    assert facts.of(IngestLeaseLost) == []


async def test_lag_is_what_is_not_done(make: Make, foreign: Queue, store: FailingStore) -> None:
    """Entries that nobody took plus those in hand; none when the queue is level, unknown when it is not read."""
    foreign.add(*range(10))
    source = make()
    await until(lambda: source.figures.lag == 0 and source.figures.taken == 10)
    store.down = NotStoredError()
    foreign.add(*range(15))
    await until(lambda: foreign.pending == 10)
    assert await source._ask_lag(at_once=True)
    assert source.figures.lag == 15
    await source.stop()
    assert source.figures.lag is None


async def test_a_second_node_waits(make: Make, foreign: Queue, store: FailingStore, facts: Facts) -> None:
    """One node at a time reads a queue; when it stops the next one goes on without waiting for the lease to run out."""
    limits = msgspec.structs.replace(LIMITS, ingest_lease_s=8.0)
    hub = make_hub(store, facts, limits)
    await hub.start()
    first, second = make(hub=hub), make(node="node-2", hub=hub)
    await until(lambda: first.figures.reading or second.figures.reading)
    reader, other = (first, second) if first.figures.reading else (second, first)
    foreign.add(*range(30))
    await until(lambda: reader.figures.taken == 30)
    assert (other.figures.taken, other.figures.reading, other.figures.lag) == (0, False, None)
    await reader.stop()
    foreign.add(30)
    await until(lambda: other.figures.taken == 1, within_s=limits.ingest_lease_s)
    assert await store.payloads() == list(range(31))
    await other.stop()
    await hub.close()


async def test_a_node_that_vanished_is_followed(
    make: Make, foreign: Queue, store: FailingStore, server: RedisServer, facts: Facts
) -> None:
    """Cut off in the middle of work, it loses the lease in its time; the next node goes on with what it had in hand."""
    async with Proxy(server.address) as proxy:
        first = make(f"redis://127.0.0.1:{proxy.address[1]}/0")
        await until(lambda: first.figures.lag == 0)
        store.down = NotStoredError()
        foreign.add(*range(15))
        await until(lambda: foreign.pending == 10)
        proxy.blackhole()
        second = make(node="node-2")
        await until(lambda: second.figures.reading)
        store.down = None
        await until(lambda: second.figures.taken == 15)
        proxy.mode = "pass"
        proxy.cut()
    assert await store.payloads() == list(range(15))
    assert foreign.pending == 0


async def test_a_node_that_wakes_up_publishes_nothing_twice(
    make: Make, foreign: Queue, store: FailingStore, server: RedisServer, facts: Facts
) -> None:
    """Taken for dead with entries in hand, it stops at its next step: it takes, stores and acknowledges nothing more."""
    first = make()
    await until(lambda: first.figures.lag == 0)
    store.down = NotStoredError()
    foreign.add(*range(10))
    await until(lambda: foreign.pending == 10)
    server.do("SET", f"{foreign.name}:lease:fast-sse", "another", "PX", 60_000)
    await until(lambda: facts.of(IngestLeaseLost))
    store.down = None
    foreign.add(10)
    assert not first.figures.reading
    assert foreign.pending == 10
    assert await store.payloads() == []
    server.do("DEL", f"{foreign.name}:lease:fast-sse")
    await until(lambda: first.figures.taken == 11)
    assert await store.payloads() == list(range(11))


async def test_flushall_is_survived(
    make: Make, foreign: Queue, store: FailingStore, server: RedisServer, facts: Facts
) -> None:
    """Queue, group and lease are gone: they are made again, and what comes then is stored, whatever its ids."""
    foreign.add(1)
    source = make()
    await until(lambda: source.figures.taken == 1)
    server.do("FLUSHALL")
    foreign.do("XADD", "5-5", "car0", package(2))
    await until(lambda: source.figures.taken == 2)
    foreign.add(3)
    await until(lambda: source.figures.taken == 3)
    assert await store.payloads() == [1, 2, 3]
    assert facts.of(IngestGone) == []


async def test_a_group_that_is_gone_is_made_where_it_was(
    make: Make, foreign: Queue, store: FailingStore, server: RedisServer
) -> None:
    """Without its group a long queue is not published a second time: only its last minutes are read again, and known."""
    foreign.do("XADD", "1-1", "car0", package("old"))
    foreign.add(1)
    source = make()
    await until(lambda: source.figures.taken == 2)
    server.do("XGROUP", "DESTROY", foreign.name, "fast-sse")
    foreign.add(2)
    await until(lambda: source.figures.taken == 4)
    assert await store.payloads() == ["old", 1, 2]
    assert source.figures.duplicates == 1


async def test_an_id_given_out_again_is_another_message(
    make: Make, foreign: Queue, store: FailingStore, server: RedisServer
) -> None:
    """A queue that was deleted may repeat its ids: other bytes at the same place are stored, too."""
    source = make()
    foreign.do("XADD", "7-7", "car0", package("a"))
    await until(lambda: source.figures.taken == 1)
    server.do("DEL", foreign.name)
    foreign.do("XADD", "7-7", "car0", package("b"))
    await until(lambda: source.figures.taken == 2)
    assert await store.payloads() == ["a", "b"]


@pytest.mark.parametrize("persistence", ["none", "always"])
async def test_a_server_that_comes_and_goes(
    tmp_path: Path, hub: Hub, store: FailingStore, facts: Facts, persistence: Any
) -> None:
    """Down at the start, killed under way: the hub serves on, and the queue is read as soon as it answers."""
    need_redis()
    server = RedisServer(tmp_path, persistence=persistence)
    foreign = Queue(server, "sse:events")
    source = RedisStream(server.url, foreign.name, "fast-sse", "node-1", hub, facts)
    source.start()
    await until(lambda: facts.of(IngestFailed))
    assert "cannot be reached" in facts.of(IngestFailed)[0].error
    with server:
        foreign.add(1)
        await until(lambda: source.figures.taken == 1)
        server.restart()
        foreign.add(2)
        await until(lambda: source.figures.taken == 2)
    await source.stop()
    assert await store.payloads() == [1, 2]
    assert facts.of(IngestRecovered)


async def test_a_url_is_never_told(tmp_path: Path, hub: Hub, facts: Facts) -> None:
    """Whatever goes wrong, no fact holds the password or the address."""
    need_redis()
    with RedisServer(tmp_path, options=("requirepass right",)) as server:
        port = server.address[1]
        for url in (
            f"redis://:hunter2hunter2@127.0.0.1:{port}/0",
            f"redis://u:hunter2hunter2@127.0.0.1:{port}/0",
            "redis://:hunter2hunter2@127.0.0.1:1/0",
        ):
            source = RedisStream(url, "q", "fast-sse", "node-1", hub, facts)
            seen = len(facts.of(IngestFailed))
            source.start()
            await until(lambda seen=seen: len(facts.of(IngestFailed)) > seen)  # type: ignore[misc]
            await source.stop()
    told = [fact.error for fact in facts.of(IngestFailed)]
    assert any("refuses the user" in error for error in told)
    assert not [error for error in told if "hunter2" in error or "127.0.0.1" in error]


async def test_what_was_sent_is_not_repeated(hub: Hub, facts: Facts) -> None:
    """A server that knows no HELLO or AUTH repeats the password in its answer; no fact does (CWE-532)."""
    ended: list[asyncio.StreamWriter] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(10_000):
                writer.write(
                    b"-ERR unknown command 'AUTH', with args beginning with: 'u' 'hunter2hunter2' \r\n"
                )
        writer.close()
        ended.append(writer)

    async with served(refuse) as (_, port):
        url = f"redis://u:hunter2hunter2@127.0.0.1:{port}"
        source = RedisStream(url, "q", "fast-sse", "node-1", hub, facts)
        source.start()
        await until(lambda: facts.of(IngestFailed))
        await source.stop()
        await until(lambda: ended)
    told = [fact.error for fact in facts.of(IngestFailed)]
    assert "unknown command 'AUTH'" in told[0]
    assert not [error for error in told if "hunter2" in error]


async def test_a_key_of_another_type_is_told(make: Make, foreign: Queue, facts: Facts) -> None:
    """A string under the queue's name is an operator's mistake: said, and tried again until it is gone."""
    foreign.server.do("SET", foreign.name, "mine")
    source = make()
    await until(lambda: facts.of(IngestFailed))
    assert "WRONGTYPE" in facts.of(IngestFailed)[0].error
    foreign.server.do("DEL", foreign.name)
    foreign.add(1)
    await until(lambda: source.figures.taken == 1)


async def test_replies_that_are_cut_lose_and_repeat_nothing(
    make: Make, foreign: Queue, store: FailingStore, server: RedisServer
) -> None:
    """Every command has run and its reply is lost, again and again: each entry is in the log once, in order."""
    async with Proxy(server.address) as proxy:
        source = make(f"redis://127.0.0.1:{proxy.address[1]}/0")
        await until(lambda: source.figures.lag == 0)
        for turn in range(20):
            proxy.mode = "cut_reply"
            foreign.add(*range(turn * 5, turn * 5 + 5))
            cut = proxy.replies_cut
            await until(lambda cut=cut: proxy.replies_cut > cut)  # type: ignore[misc]
            proxy.mode = "pass"
            await until(lambda: foreign.pending == 0 and source.figures.lag == 0)
    assert await store.payloads() == list(range(100))


async def test_a_stop_leaves_nothing_behind(make: Make, foreign: Queue, server: RedisServer) -> None:
    """After a stop the lease is free and the connections are closed; a second stop does nothing."""
    source = make()
    await until(lambda: source.figures.lag == 0)
    connections = server.info("clients")["connected_clients"]
    await source.stop()
    await source.stop()
    assert not server.do("EXISTS", f"{foreign.name}:lease:fast-sse")
    assert server.info("clients")["connected_clients"] < connections


async def test_a_stop_finishes_what_is_in_hand(make: Make, foreign: Queue, store: FailingStore) -> None:
    """Entries that are with the store when the stop comes are acknowledged, so nobody has to read them again."""
    source = make()
    await until(lambda: source.figures.lag == 0)
    store.down = NotStoredError()
    foreign.add(*range(5))
    await until(lambda: store.appends)
    stopping = asyncio.create_task(source.stop())
    await asyncio.sleep(0)
    store.down = None
    await stopping
    assert source.figures.taken == len(await store.payloads()) > 0
    assert foreign.pending == 0


async def test_a_user_with_few_rights_is_enough(
    tmp_path: Path, hub: Hub, store: FailingStore, facts: Facts
) -> None:
    """The rights that docs/ingest.md names, and no others, are what the hub needs: for messages, poison and crashes."""
    need_redis()
    page = (ROOT / "docs" / "ingest.md").read_text()
    found = re.search(r"of its ACL: `([^`]*)` on `([^`]*)`", page)
    assert found
    rights = " ".join(found[1].split())
    with RedisServer(tmp_path, options=(f"user few on >pw {found[2]} {rights}",)) as server:
        foreign = Queue(server, "sse:events")
        foreign.add(1)
        foreign.take(1)
        foreign.add_raw("car0", "poison")
        foreign.add(0, 2)
        foreign.do("XDEL", foreign.do("XRANGE", "-", "+")[2][0])
        url = server.url.replace("//", "//few:pw@")
        source = RedisStream(url, foreign.name, "fast-sse", "node-1", hub, facts)
        source.start()
        await until(lambda: source.figures.taken == 3 and source.figures.lag == 0)
        assert source.figures.gone == 1
        await source.stop()
        assert len(await store.poison()) == 1
        assert not server.do("EXISTS", "sse:events:lease:fast-sse")
    assert await store.payloads() == [1, 2]
    assert facts.of(IngestFailed) == []


async def test_past_its_lease_a_node_publishes_nothing(
    tmp_path: Path, hub: Hub, store: FailingStore, facts: Facts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While Redis does not answer nobody knows who reads: by its own clock the node stops at the end of its lease."""
    need_redis()
    monkeypatch.setattr(redis_stream, "_REPLY_S", 2 * LIMITS.ingest_lease_s)
    with RedisServer(tmp_path, persistence="always") as server:
        foreign = Queue(server, "sse:events")
        source = RedisStream(server.url, foreign.name, "fast-sse", "node-1", hub, facts)
        source.start()
        await until(lambda: source.figures.lag == 0)
        store.down = NotStoredError()
        foreign.add(*range(5))
        await until(lambda: source.figures.held_up)
        server.pause()
        await until(lambda: _is_past(source))
        store.down = None
        await until(lambda: not source.figures.reading)
        assert await store.payloads() == []
        server.resume()
        await until(lambda: source.figures.taken == 5)
        await source.stop()
    assert await store.payloads() == list(range(5))


def _is_past(source: RedisStream) -> bool:
    """Whether its lease is over by its own clock."""
    try:
        source._lease.check()
    except LeaseLostError:
        return True
    return False


async def test_a_lag_that_redis_does_not_know_is_none(
    make: Make, foreign: Queue, store: FailingStore
) -> None:
    """After deletions in the middle of what nobody took yet, Redis counts no more: no number is better than a wrong one."""
    foreign.add(*range(30))
    middle = foreign.do("XRANGE", "-", "+", "COUNT", 20)[-1][0]
    foreign.take(5)
    foreign.do("XDEL", middle)
    store.down = NotStoredError()
    source = make()
    await until(lambda: source.figures.held_up)
    assert await source._ask_lag(at_once=True)
    assert source.figures.lag is None
    store.down = None
    await until(lambda: source.figures.taken == 29 and source.figures.lag == 0)


def make_certificate(cert: Path, key: Path) -> None:
    """A certificate for 127.0.0.1, signed by itself."""
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=127.0.0.1"
    )
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)


async def test_tls(tmp_path: Path, hub: Hub, store: FailingStore, facts: Facts) -> None:
    """`rediss://` speaks TLS, and takes a server whose authority it was given; another it does not."""
    need_redis()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)
    with RedisServer(tmp_path / "redis", tls=(cert, key)) as server:
        foreign = Queue(server, "sse:events")
        foreign.add(1)
        stranger = RedisStream(server.url, foreign.name, "fast-sse", "node-1", hub, facts)
        stranger.start()
        await until(lambda: facts.of(IngestFailed))
        await stranger.stop()
        assert stranger.figures.taken == 0
        url = f"{server.url}?ssl_ca_certs={cert}"
        source = RedisStream(url, foreign.name, "fast-sse", "node-2", hub, facts)
        source.start()
        await until(lambda: source.figures.taken == 1)
        await source.stop()
    assert await store.payloads() == [1]

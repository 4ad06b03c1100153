"""Rules of `ingest.redis_hole`, on a real server: what a queue let go before anybody had it is named, and once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from tests.ingest.conftest import LIMITS, Facts, FailingStore, Make, Queue, Reader, make_hub, package, until
from tests.support.redis_server import RedisServer

from fast_sse.hub.hub import Hub
from fast_sse.observe.observer import Fact, IngestGone, IngestLeaseLost

pytestmark = [pytest.mark.wire, pytest.mark.slow]

Fill = Callable[[int, int], None]


@pytest.fixture
async def hub(store: FailingStore, facts: Facts) -> AsyncIterator[Hub]:
    """With a lease that a busy machine does not outlive: a reader that loses it may tell a hole twice."""
    hub = make_hub(store, facts, msgspec.structs.replace(LIMITS, ingest_lease_s=3.0))
    await hub.start()
    yield hub
    await hub.close()


def told(facts: Facts) -> list[tuple[str, int, str]]:
    """What was named as gone."""
    return [(fact.place, fact.entries, fact.counted) for fact in facts.of(IngestGone)]


TRIMS: dict[str, tuple[Any, ...]] = {
    "to a length": ("XTRIM", "MAXLEN", 5),
    "to an id": ("XTRIM", "MINID", "26-0"),
    "by a producer": ("XADD", "MAXLEN", "=", 5, "30-0", "car0", package(30)),
}


@pytest.mark.parametrize("trim", TRIMS.values(), ids=TRIMS)
async def test_what_was_trimmed_unread_is_told_once(
    make: Make, foreign: Queue, fill: Fill, store: FailingStore, facts: Facts, trim: tuple[Any, ...]
) -> None:
    """While no hub read, the queue let go what was next: where and how many is told, by one node, and never again."""
    fill(1, 10)
    first = make()
    await until(lambda: first.figures.taken == 10)
    await first.stop()
    fill(11, 29 if trim[0] == "XADD" else 30)
    foreign.do(*trim)
    second = make(node="node-2")
    await until(lambda: second.figures.taken == 5)
    assert await store.payloads() == [*range(1, 11), *range(26, 31)]
    fill(31, 31)
    await until(lambda: second.figures.taken == 6)
    await second.stop()
    third = make()
    fill(32, 32)
    await until(lambda: third.figures.taken == 1)
    assert told(facts) == [("last read 10-0, next 26-0", 15, "exactly")]
    assert [source.figures.gone for source in (first, second, third)] == [0, 15, 0]


async def test_a_queue_that_was_emptied_is_told_at_once(
    make: Make, foreign: Queue, fill: Fill, facts: Facts
) -> None:
    """Nothing is left, and nothing need come after it."""
    fill(1, 3)
    source = make()
    await until(lambda: source.figures.taken == 3)
    await source.stop()
    fill(4, 9)
    foreign.do("XTRIM", "MAXLEN", 0)
    source = make()
    await until(lambda: source.figures.gone)
    assert told(facts) == [("last read 3-0, up to 9-0", 6, "exactly")]
    assert await source._ask_lag(at_once=True)
    assert source.figures.lag == 0


@pytest.mark.parametrize("deleted", [(4, 5), (6, 8), (9,), (4, 5, 6, 7, 8, 9)], ids=str)
async def test_what_was_deleted_unread_is_told(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts, deleted: tuple[int, ...]
) -> None:
    """XDEL of the next entries, of some in the middle, of the newest, of all."""
    fill(1, 3)
    await reader.take()
    fill(4, 9)
    foreign.do("XDEL", *deleted)
    assert await reader.take() == [entry for entry in range(4, 10) if entry not in deleted]
    ((place, *rest),) = told(facts)
    assert rest == [len(deleted), "exactly"]
    assert place == f"last read 3-0, up to {max(deleted)}-0"
    assert await reader.take() == []
    assert len(told(facts)) == 1


async def test_what_was_deleted_in_a_backlog_is_told_when_it_is_done(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts
) -> None:
    """How much of a long queue is left is not known in its middle; at its end it is, also for another reader."""
    fill(1, 5)
    await reader.take()
    fill(6, 35)
    foreign.do("XDEL", 8, 9, 20)
    assert await reader.take() == [6, 7, *range(10, 18)]
    await reader.restart()
    assert await reader.take() == [18, 19, *range(21, 29)]
    assert told(facts) == []
    assert await reader.take() == list(range(29, 36))
    assert told(facts) == [("last read 28-0, up to 28-0", 3, "exactly")]


async def test_cleaning_up_behind_the_reader_is_no_hole(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts
) -> None:
    """Who deletes what was read, one by one, by a length or all of it, is told nothing about."""
    cleaning: list[tuple[Any, ...]] = [("XTRIM", "MAXLEN", 0), ("XTRIM", "MAXLEN", 2), ("XDEL", 26, 24)]
    for turn, clean in enumerate(cleaning):
        fill(10 * turn + 1, 10 * turn + 7)
        assert await reader.take() == list(range(10 * turn + 1, 10 * turn + 8))
        foreign.do(*clean)
        await reader.restart()
    assert await reader.take() == []
    assert told(facts) == []


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_new_group_begins_at_what_is_there(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts, by_hand: bool
) -> None:
    """What was trimmed or deleted before the first reader came was never its own; what goes afterwards is."""
    fill(1, 30)
    foreign.do("XTRIM", "MAXLEN", 20)
    foreign.do("XDEL", 15)
    if by_hand:
        foreign.server.do("XGROUP", "CREATE", foreign.name, "fast-sse", 0)
    assert await reader.take() == [11, 12, 13, 14, *range(16, 22)]
    assert told(facts) == []
    foreign.do("XTRIM", "MAXLEN", 2)
    assert await reader.take() == [29, 30]
    assert told(facts) == [("last read 21-0, next 29-0", 7, "exactly")]


async def test_a_group_made_before_the_first_entry_misses_none(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts
) -> None:
    """The hub came first, and the producer trims faster than it reads."""
    assert await reader.take() == []
    fill(1, 9)
    foreign.do("XTRIM", "MAXLEN", 4)
    assert await reader.take() == [6, 7, 8, 9]
    assert told(facts) == [("last read 0-0, next 6-0", 5, "exactly")]


async def test_a_reader_that_dies_before_it_tells_leaves_it_to_the_next(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts
) -> None:
    """The entries behind the hole were taken and the reply was lost: the hole is still in the count."""
    await reader.take()
    fill(1, 9)
    foreign.do("XTRIM", "MAXLEN", 4)
    assert await reader.take_and_die() == [6, 7, 8, 9]
    await reader.restart()
    assert await reader.take() == []
    assert told(facts) == [("last read 9-0, up to 9-0", 5, "exactly")]


async def test_a_hole_is_noted_after_it_was_told(
    make: Make,
    foreign: Queue,
    fill: Fill,
    store: FailingStore,
    facts: Facts,
    server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A reader that loses its lease between the two says it again when it is back: twice rather than never."""
    first = make()
    await until(lambda: first.figures.lag == 0)
    await first.stop()
    fill(1, 9)
    foreign.do("XTRIM", "MAXLEN", 4)
    lease = f"{foreign.name}:lease:fast-sse"
    tell = facts.notify

    def steal(fact: Fact) -> None:
        tell(fact)
        if len(facts.of(IngestGone)) == 1 and isinstance(fact, IngestGone):
            server.do("SET", lease, "another")

    monkeypatch.setattr(facts, "notify", steal)
    second = make()
    await until(lambda: facts.of(IngestGone) and facts.of(IngestLeaseLost))
    assert await store.payloads() == []
    server.do("DEL", lease)
    # What was in hand goes first; the hole is found by the take that follows.
    await until(lambda: second.figures.taken == 4 and len(told(facts)) == 2)
    assert await store.payloads() == [6, 7, 8, 9]
    assert [entries for _, entries, _ in told(facts)] == [5, 5]


@pytest.mark.parametrize("how", ["RELOAD", "LOADAOF"])
async def test_the_count_outlives_the_server(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts, server: RedisServer, how: str
) -> None:
    """Written to a snapshot or to a log of commands that was rewritten, and read back, Redis knows what it knew."""
    fill(1, 5)
    await reader.take()
    fill(6, 30)
    foreign.do("XDEL", 28)
    foreign.do("XTRIM", "MAXLEN", 4)
    if how == "LOADAOF":
        server.do("CONFIG", "SET", "appendonly", "yes", "aof-use-rdb-preamble", "no")
        await until(lambda: not server.info("persistence")["aof_rewrite_in_progress"])
    server.do("DEBUG", how)
    assert await reader.take() == [26, 27, 29, 30]
    assert told(facts) == [("last read 5-0, up to 28-0", 21, "exactly")]
    server.do("DEBUG", how)
    assert await reader.take() == []
    assert len(told(facts)) == 1
    server.do("CONFIG", "SET", "appendonly", "no")


UNKNOWN: dict[str, tuple[tuple[Any, ...], int, int]] = {
    "trimmed, perhaps unread": (("XTRIM", "MINID", "16-0"), 0, 20),
    "emptied": (("XTRIM", "MAXLEN", 0), 1, 10),
    "deleted": (("XDEL", "14-0", "15-0"), 1, 20),
    "trimmed and deleted": (("XDEL", *(f"{entry}-0" for entry in range(1, 18))), 1, 20),
}


@pytest.mark.parametrize(("command", "certain", "last_read"), UNKNOWN.values(), ids=UNKNOWN)
async def test_what_cannot_be_counted_is_not_guessed(
    foreign: Queue,
    fill: Fill,
    reader: Reader,
    facts: Facts,
    command: tuple[Any, ...],
    certain: int,
    last_read: int,
) -> None:
    """A group that somebody put in the middle has no count: what is certain is told once, what comes then is exact."""
    fill(1, 20)
    foreign.server.do("XGROUP", "CREATE", foreign.name, "fast-sse", "10-0")
    foreign.do(*command)
    await reader.take()
    await reader.take()
    assert [rest for _, *rest in told(facts)] == [[certain, "at least"]]
    fill(21, 29)
    foreign.do("XTRIM", "MAXLEN", 2)
    assert await reader.take() == [28, 29]
    assert told(facts)[1:] == [(f"last read {last_read}-0, next 28-0", 7, "exactly")]


async def test_a_group_without_a_count_gets_one_when_it_is_level(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts
) -> None:
    """Put behind all that was there, it misses nothing; from its first look on it does."""
    fill(1, 20)
    foreign.server.do("XGROUP", "CREATE", foreign.name, "fast-sse", "$")
    assert await reader.take() == []
    fill(21, 30)
    foreign.do("XTRIM", "MAXLEN", 3)
    assert await reader.take() == [28, 29, 30]
    assert told(facts) == [("last read 20-0, next 28-0", 7, "exactly")]


async def test_a_group_put_where_all_is_left_misses_nothing(
    foreign: Queue, fill: Fill, reader: Reader, facts: Facts
) -> None:
    """A trim takes the oldest: while there is something left before the group, none has passed it."""
    fill(1, 25)
    foreign.do("XTRIM", "MAXLEN", 20)
    foreign.server.do("XGROUP", "CREATE", foreign.name, "fast-sse", "10-0")
    assert await reader.take() == list(range(11, 21))
    assert await reader.take() == list(range(21, 26))
    assert told(facts) == []


CLEANED: dict[str, tuple[tuple[str, ...], int, list[tuple[str, int, str]]]] = {
    "trimmed": (("XTRIM", "MAXLEN", "1"), 11, []),
    "deleted": (("XDEL", "1000003", "1000009"), 11, []),
    "emptied": (("XTRIM", "MAXLEN", "0"), 11, [("last read 1000010-0, next 1000011-0", 0, "at least")]),
    "and more": (("XTRIM", "MAXLEN", "1"), 13, [("last read 1000010-0, next 1000013-0", 0, "at least")]),
}


@pytest.mark.parametrize(("clean", "left", "gone"), CLEANED.values(), ids=CLEANED)
async def test_a_group_made_again_does_not_miss_what_was_stored(
    make: Make,
    foreign: Queue,
    fill: Fill,
    facts: Facts,
    clean: tuple[str, ...],
    left: int,
    gone: list[tuple[str, int, str]],
) -> None:
    """It stands five minutes before the last entry stored, and what was cleaned up there was read. Behind it, who knows."""
    fill(1_000_001, 1_000_010)
    source = make()
    await until(lambda: source.figures.taken == 10)
    script = """
        redis.call(unpack(ARGV, 2))
        redis.call('XGROUP', 'DESTROY', KEYS[1], 'fast-sse')
        for at = 11, 15 do redis.call('XADD', KEYS[1], 1000000 + at, 'car0', '{"event_type": "t", "data": 0}') end
        if ARGV[1] ~= '11' then redis.call('XTRIM', KEYS[1], 'MINID', 1000000 + ARGV[1]) end
    """
    command, *words = clean
    foreign.server.do("EVAL", script, 1, foreign.name, left, command, foreign.name, *words)
    await until(lambda: source.figures.taken - source.figures.duplicates == 10 + 16 - left)
    assert told(facts) == gone

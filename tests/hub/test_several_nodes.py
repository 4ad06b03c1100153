"""Dead letters of several nodes on one store: what one hands over no other lets die, and what nobody did dies once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.hub.loops import manual
from tests.hub.several import Shared, cluster, stand_still, vanish
from tests.hub.support import LIMITS, RULES, Bench, bench

from fast_sse.hub.telling import LetterRules
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import HeldError, NotStoredError, RateLimitedError, UnknownOutcomeError
from fast_sse.model.message import Record
from fast_sse.observe.observer import NodeNameAwaited, NodeNameShared, TurnsFailed, TurnsRecovered
from fast_sse.store.letters import Settled, Turn
from fast_sse.store.pace import ByHand

GRACE_S, TURN_S = RULES.grace_s, RULES.turn_s
SOON_S, LATE_S = GRACE_S - 2.0, GRACE_S + 4 * TURN_S
OFF = LetterRules(enabled=False)


async def test_what_one_node_hands_over_no_other_lets_die() -> None:
    """Published on A, subscribed on B, and all three may decide."""
    async with cluster("a", "b", "c") as (store, nodes):
        await nodes["b"].joined("a/t")
        for number in range(500):
            await nodes["a"].publish("a/t" if number % 5 else "b/t", number)
            if not number % 50:
                await manual().elapse(0.3)
        await manual().elapse(2 * LATE_S)
        assert await store.dead() == list(range(1, 501, 5))


async def test_what_nobody_hands_over_dies_once() -> None:
    """On whichever node it is due first; without doubt, since all were heard."""
    async with cluster("a", "b", "c") as (store, nodes):
        for number in range(20):
            await nodes["a"].publish("a/t", number)
            await manual().elapse(0.7)
        await manual().elapse(LATE_S)
        assert await store.dead() == list(range(1, 21))
        assert not any(letter.maybe_delivered for letter in await store.all_letters())
        made = [node.hub.dead_letters.report.made["no_subscriber"] for node in nodes.values()]
        assert sum(made) == 20


class Gate:
    """A store whose log one node's follower takes only while it is open."""

    def __init__(self, store: Shared) -> None:
        self._store = store
        self.is_open = asyncio.Event()

    async def follow(self, after: Cursor) -> AsyncIterator[list[Record]]:
        """The groups, once it is open."""
        async for group in self._store.follow(after):
            await self.is_open.wait()
            yield group


async def test_a_node_that_lags_lets_nothing_die_that_others_handed_over() -> None:
    """It hears of hand-overs of records that it has yet to take from the log."""
    async with cluster("b") as (store, nodes):
        lagging, gate = Bench(store, LIMITS, RULES, "a"), Gate(store)
        follower: Any = lagging.hub._follower
        follower._store = gate
        await lagging.hub.start()
        gate.is_open.set()
        await nodes["b"].publish("b/t", 1)
        gate.is_open.clear()
        await nodes["b"].joined("a/t")
        await nodes["b"].publish("a/t", 2)
        await manual().elapse(3 * TURN_S)
        assert lagging.fanout.handover.ahead == {2: 1}
        await vanish(nodes["b"])
        gate.is_open.set()
        await manual().elapse(2 * LATE_S)
        assert await store.dead() == [1]
        assert lagging.fanout.tail.find(2).elsewhere == 1
        assert not lagging.fanout.handover.ahead
        await lagging.hub.close()


async def test_a_node_that_says_goodbye_leaves_no_doubt() -> None:
    """Its last turn tells what it handed over just before, and from then on it hands over nothing."""
    async with cluster("a") as (store, nodes):
        async with bench(store, node="b") as leaving:
            await leaving.joined("a/t")
            await nodes["a"].publish("a/t", 1)
        await nodes["a"].publish("a/t", 2)
        await manual().elapse(2 * LATE_S)
        (letter,) = await store.all_letters()
        assert (letter.position, letter.maybe_delivered) == (2, False)
        told = [turn for turn in store.turns if turn.node == "b"]
        assert [one.position for turn in told for one in turn.handed] == [1]
        assert told[-1].goodbye


async def test_counts_and_acks_are_of_all_nodes() -> None:
    """At most a turn old; an ack on A is seen on B, and a client acks once wherever it does."""
    async with cluster("a", "b") as (_, nodes):
        a, b = nodes["a"], nodes["b"]
        await a.joined("a/t")
        for _ in range(2):
            await b.joined("a/t")
        (cursor,) = await a.publish("a/t", 1)
        found = await a.hub.delivery.find(cursor.text)
        assert a.hub.delivery.indicator(found).written == 1
        assert a.hub.delivery.ack(found, "x") == (1, False)
        await manual().elapse(2 * TURN_S)
        assert b.hub.delivery.ack(found, "x") == (1, True)
        assert b.hub.delivery.ack(found, "y") == (2, False)
        await b.joined("a/t", after=cursor.at(0).text)
        await manual().elapse(2 * TURN_S)
        assert a.hub.delivery.indicator(found).written == 3, "idle: the look makes it listen"
        await manual().elapse(TURN_S)
        for node in (a, b):
            shown = node.hub.delivery.indicator(found)
            assert (shown.state, shown.written, shown.acked) == ("acked", 4, 2)
            assert list(shown.clients) == ["x", "y"]
            assert (shown.complete, shown.silent) == (True, [])


async def test_what_is_heard_before_it_is_swept_counts_at_once() -> None:
    """A node stood still between its look at the tail and its turn; the answer tells of a message that came meanwhile."""
    async with cluster("a", "b") as (store, nodes):
        a, b = nodes["a"], nodes["b"]
        await a.joined("a/t")
        letters: Any = store.letters
        settle, goes_on = letters.settle, asyncio.Event()

        async def slow(turn: Turn) -> Settled:
            if turn.node == "b":
                await goes_on.wait()
            settled: Settled = await settle(turn)
            return settled

        letters.settle = slow
        await a.publish("a/t", 1)
        await manual().elapse(TURN_S)
        (cursor,) = await a.publish("a/t", 2)
        await manual().elapse(TURN_S)
        goes_on.set()
        await manual().idle()
        assert b.fanout.handover.swept < cursor.position
        shown = b.hub.delivery.indicator(await b.hub.delivery.find(cursor.text))
        assert (shown.state, shown.written, shown.complete) == ("written", 1, True)
        await manual().elapse(2 * TURN_S)
        assert b.hub.delivery.indicator(await b.hub.delivery.find(cursor.text)).written == 1


async def test_a_node_that_has_not_told_yet_is_named() -> None:
    """The counts are a lower bound until it does."""
    async with cluster("a", "b") as (_, nodes):
        await nodes["a"].publish("a/t", 1)
        await manual().elapse(2 * TURN_S)
        for task in nodes["b"].hub.dead_letters._tasks:
            task.cancel()
        (cursor,) = await nodes["a"].publish("a/t", 1)
        await manual().elapse(2 * TURN_S)
        delivery = nodes["a"].hub.delivery
        shown = delivery.indicator(await delivery.find(cursor.text))
        assert (shown.complete, list(shown.silent)) == (False, ["b"])


async def test_more_names_than_a_message_may_have_are_refused() -> None:
    """The next one is told so; one that is there is told that it is."""
    async with bench(ack_names_max=2) as hub:
        (cursor,) = await hub.publish("a/t", 1)
        found = await hub.hub.delivery.find(cursor.text)
        for name in "xy":
            hub.hub.delivery.ack(found, name)
        with pytest.raises(RateLimitedError):
            hub.hub.delivery.ack(found, "z")
        assert hub.hub.delivery.ack(found, "x") == (2, True)


async def test_what_a_node_that_vanished_may_have_handed_over_says_so() -> None:
    """It handed it over, and was gone before it told."""
    async with cluster("a", "b") as (store, nodes):
        await nodes["b"].joined("a/t")
        await manual().elapse(5 * TURN_S)
        await nodes["a"].publish("a/t", 1)
        await vanish(nodes["b"])
        await manual().elapse(2 * LATE_S)
        (letter,) = await store.all_letters()
        assert letter.maybe_delivered


@pytest.mark.parametrize("seconds", [0.5 * GRACE_S, 2 * GRACE_S])
async def test_a_node_that_stands_still_kills_nothing_on_waking(seconds: float) -> None:
    """Shorter than the grace there is no letter; after longer ones in doubt, which go when it tells."""
    async with cluster("a", "b") as (store, nodes):
        await nodes["b"].joined("a/t")
        await nodes["a"].publish("a/t", 1)
        await nodes["b"].publish("b/t", 2)
        peer = await nodes["a"].joined("b/t", after=(await store.bounds()).trimmed.text)
        assert peer.messages == [2]
        await stand_still(nodes["b"], seconds)
        await manual().elapse(3 * TURN_S)
        assert await store.dead() == []
        late = nodes["b"].hub.dead_letters.report.late
        assert late == (1 if seconds > GRACE_S else 0)
        await manual().elapse(LATE_S)
        assert await store.dead() == []


async def test_one_node_that_is_off_among_those_that_are_on() -> None:
    """It tells what it hands over, lets nothing die, and what it lets go the others still decide."""
    half = msgspec.structs.replace(OFF, grace_s=GRACE_S / 2)
    async with cluster("a", "b", rules={"a": half}) as (store, nodes):
        await nodes["a"].joined("a/t")
        await nodes["b"].publish("a/t", 1)
        await nodes["b"].publish("b/t", *range(10))
        await manual().elapse(LATE_S)
        assert await store.dead() == list(range(2, 12))
        assert {turn.decides for turn in store.turns if turn.node == "a"} == {False}


# -- a store that is away ---------------------------------------------------------------------------


async def test_a_store_that_is_away_lets_nothing_die() -> None:
    """The grace stands still meanwhile, what is handed over on return was handed over, and one line says so."""
    async with cluster("a") as (store, nodes):
        hub = nodes["a"]
        (cursor, *_) = await hub.publish("a/t", 1, 2)
        await manual().elapse(5.0)
        store.before_turn = refuse
        await manual().elapse(3 * GRACE_S)
        assert [len(hub.facts.of(kind)) for kind in (TurnsFailed, TurnsRecovered)] == [1, 0]
        store.before_turn = lambda _turn: None
        await manual().elapse(SOON_S - 5.0)
        assert await store.dead() == []
        assert len(hub.facts.of(TurnsRecovered)) == 1
        await hub.joined("a/t", after=cursor.text)
        await manual().elapse(LATE_S)
        assert await store.dead() == [1]


def refuse(_turn: Turn) -> None:
    """The store does not take it."""
    raise NotStoredError("away")


async def test_a_turn_whose_outcome_is_unknown_is_sent_again_as_it_was() -> None:
    """With its number, until it is answered; what happens meanwhile is told next."""
    async with cluster("a") as (store, nodes):
        hub = nodes["a"]
        await hub.joined("a/t")
        await hub.publish("a/t", 1)

        def lose(_turn: Turn) -> None:
            raise UnknownOutcomeError("away")

        store.after_turn = lose
        store.turns.clear()
        await manual().elapse(3 * TURN_S)
        await hub.publish("a/t", 2)
        await hub.publish("b/t", 3)
        store.after_turn = lambda _turn: None
        await manual().elapse(TURN_S)
        told = [
            (turn.number, [tuple(msgspec.structs.astuple(one)) for one in turn.handed])
            for turn in store.turns
        ]
        again = [number for number, _ in told].count(told[0][0])
        assert again >= 3
        assert told[:again] == [told[0]] * again
        assert told[again][1] == [(2, 1)]
        await manual().elapse(2 * LATE_S)
        assert await store.dead() == [3]
        numbers = [turn.number for turn in store.turns][again:]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize("clock_ms", [-3_600_000, 3_600_000])
async def test_a_clock_that_is_set_lets_nothing_die(clock_ms: int) -> None:
    """Grace runs on a clock that nobody sets, from the moment at which this node took the record."""
    offset = 0

    def now_ms() -> int:
        return int(manual().time() * 1000) + offset

    store = Shared()
    store._pace = ByHand(now_ms)
    store._letters._now = store._pace.read
    async with cluster("a", store=store) as (_, nodes):
        await nodes["a"].publish("a/t", 1)
        await manual().elapse(TURN_S)
        offset = clock_ms
        await nodes["a"].publish("a/t", 2)
        await manual().elapse(SOON_S - TURN_S)
        assert await store.dead() == []
        await manual().elapse(2.0 + 4 * TURN_S)
        assert await store.dead() == [1, 2]


async def test_an_idle_node_asks_nothing() -> None:
    """Once all is told and nothing waits, no turn is sent; a look at the indicator is worth one."""
    async with cluster("a", "b") as (store, nodes):
        await nodes["b"].joined("a/t")
        (cursor,) = await nodes["a"].publish("a/t", 1)
        await manual().elapse(10 * TURN_S)
        quiet = len(store.turns)
        await manual().elapse(3600.0)
        assert len(store.turns) == quiet
        nodes["a"].hub.delivery.indicator(await nodes["a"].hub.delivery.find(cursor.text))
        await manual().elapse(5 * TURN_S)
        assert len(store.turns) == quiet + 1


# -- names ------------------------------------------------------------------------------------------


async def test_a_second_process_of_one_name_is_refused() -> None:
    """While the first one lives, as far as its turns show."""
    async with cluster("a") as (store, nodes):
        await nodes["a"].publish("a/t", 1)
        await manual().elapse(2 * TURN_S)
        starting = manual().create_task(Bench(store, LIMITS, RULES, "a").hub.start())
        await manual().elapse(10 * TURN_S)
        with pytest.raises(HeldError, match=r"^node: "):
            await starting


async def test_a_process_that_was_killed_just_now_is_waited_out() -> None:
    """Its name is free after a few turns; one line says why the start takes that long."""
    async with cluster("a") as (store, nodes):
        await nodes["a"].publish("a/t", 1)
        await manual().elapse(2 * TURN_S)
        await vanish(nodes["a"])
        again = Bench(store, LIMITS, RULES, "a")
        starting = manual().create_task(again.hub.start())
        await manual().elapse(TURN_S)
        assert not starting.done()
        await manual().elapse(3 * TURN_S)
        assert starting.done()
        assert len(again.facts.of(NodeNameAwaited)) == 1
        await again.hub.close()


async def test_a_name_that_turns_out_to_be_shared_is_loud() -> None:
    """The first one was idle when the second began: it shows when there is something to tell."""
    async with cluster("a") as (store, nodes):
        await manual().elapse(10 * TURN_S)
        async with bench(store, node="a") as second:
            await manual().elapse(10 * TURN_S)
            await nodes["a"].publish("a/t", *range(3))
            await manual().elapse(15 * TURN_S)
            told = [len(node.facts.of(NodeNameShared)) for node in (nodes["a"], second)]
            assert sum(told) >= 1
            assert max(told) == 1

"""What a turn says: bounded, never more than is so, and nothing when that is nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.hub.support import LIMITS, Bench, bench

from fast_sse.hub import telling
from fast_sse.hub.acks import Acks
from fast_sse.hub.telling import LetterRules, Telling
from fast_sse.store.letters import Begun, Handed, Receipt, Settled, Tally, Turner

TALLY = Tally(by_reason={}, size_bytes=0, oldest_ms=0, dropped={"count": 0, "bytes": 0, "age": 0})


def teller(hub: Bench, rules: LetterRules = LetterRules(), *, shared: bool = True) -> Telling:  # noqa: B008
    """The turns of a process that has loaded what was there before, taken by nobody but the test."""
    handover = hub.fanout.handover
    made = Telling(handover, hub.fanout.tail, Acks(LIMITS), rules, ("n1", "s1"), shared=shared)
    handover.keep(rules.ignored, rules.waiting_max)
    made.begin(Begun(decided=0, newest=0, receipts=(), seen="", letters=(), tally=TALLY))
    handover.loaded()
    return made


def answer(**fields: Any) -> Settled:
    """An answer in which nothing happened, but for these."""
    nothing = Settled(dead=(), late=0, receipts=(), seen="9", more=False, turners=(), tally=TALLY)
    return msgspec.structs.replace(nothing, **fields)


@pytest.mark.parametrize(
    ("grace_s", "turn_s"), [(0.5, 0.1), (2.0, 0.2), (10.0, 1.0), (30.0, 1.0), (3600.0, 1.0)]
)
def test_ten_turns_lie_in_a_grace(grace_s: float, turn_s: float) -> None:
    """And they are a second apart at most."""
    rules = LetterRules(grace_s=grace_s)
    assert rules.turn_s == pytest.approx(turn_s)
    assert rules.wait_s == pytest.approx(grace_s + 2 * turn_s)


async def test_through_never_covers_what_is_still_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn tells only so many hand-overs; the place through which it tells is before the next one."""
    monkeypatch.setattr(telling, "HANDED_MAX", 3)
    async with bench() as hub:
        made = teller(hub)
        await hub.joined("a/t")
        await hub.publish("a/t", *range(5))
        await hub.publish("b/t", 5)
        hub.fanout.handover.sweep_all()
        first = made.next_turn()
        assert first is not None
        assert [one.position for one in first.handed] == [1, 2, 3]
        assert (first.through, first.decided) == (3, 3)
        assert made.settled(first, answer()), "there is more to tell at once"
        second = made.next_turn()
        assert second is not None
        assert (second.number, second.through, second.decided, second.seen) == (first.number + 1, 6, 5, "9")
        assert not made.settled(second, answer())


async def test_a_log_that_lost_its_tail_is_told_of_nothing_that_may_be_untold() -> None:
    """Until what was handed over is told again; longer where the tail does not reach back to what was undecided."""
    begun = Begun(decided=1, newest=3, receipts=(), seen="", letters=(), tally=TALLY)
    for tail_records in (9, 1):
        async with bench(tail_records_max=tail_records) as hub:
            made, handover = teller(hub), hub.fanout.handover
            await hub.joined("a/t")
            (first, *_) = await hub.publish("a/t", 1, 2, 3)
            handover.handed.clear()
            records = [entry.record for entry in hub.fanout.tail.first_after(0, 9)]
            hub.fanout.leap(first.at(3), "lost_tail")
            made.begin(begun)
            assert made._through() == 1
            for record in records:
                handover.load(record)
            handover.loaded()
            turn = made.next_turn()
            assert turn is not None
            assert [one.position for one in turn.handed] == [record.position for record in records]
            assert turn.through == (3 if tail_records == 9 else 1)
            made.settled(turn, answer())
            handover.lived_s += LetterRules().patience_s
            assert made._through() == 3


async def test_hand_overs_that_were_forgotten_are_seen_in_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away for long: the oldest go, and others must not take this node's word for them."""
    monkeypatch.setattr(telling, "UNTOLD_MAX", 3)
    async with bench() as hub:
        made = teller(hub)
        await hub.joined("a/t")
        await hub.publish("a/t", *range(5))
        handover = hub.fanout.handover
        handover.sweep_all()
        turn = made.next_turn()
        assert turn is not None
        assert [one.position for one in turn.handed] == [3, 4, 5]
        assert (turn.through, turn.decided) == (0, 0)
        made.settled(turn, answer())
        handover.lived_s += LetterRules().patience_s
        turn = made.next_turn()
        assert turn is not None
        assert (turn.through, turn.decided) == (5, 5)


async def test_a_turn_that_says_nothing_is_not_made() -> None:
    """Where no other node may tell something, also while messages wait."""
    async with bench() as hub:
        made = teller(hub, shared=False)
        await hub.publish("a/t", 1)
        hub.fanout.handover.sweep_all()
        turn = made.next_turn()
        assert turn is not None
        assert (turn.through, turn.decided, turn.handed) == (1, 0, [])
        made.settled(turn, answer())
        assert made.next_turn() is None
        goodbye = made.next_turn(goodbye=True)
        assert goodbye is not None
        assert goodbye.goodbye


async def test_until_what_was_there_is_loaded_no_place_is_called_decided() -> None:
    """And what is heard meanwhile is remembered for the loading."""
    async with bench() as hub:
        made = teller(hub)
        handover = hub.fanout.handover
        handover.heard = set()
        await hub.publish("a/t", 1)
        handover.sweep_all()
        turn = made.next_turn()
        assert turn is not None
        assert turn.decided is None
        made.settled(turn, answer(receipts=[Receipt(node="n2", handed=[Handed(1, 2)], decided=[7])]))
        assert handover.heard == {1, 7}
        assert (len(handover.waiting), handover.ahead, handover.dead) == (0, {7: 0}, {7})
        (entry,) = hub.fanout.tail.first_after(0, 9)
        assert entry.elsewhere == 2


async def test_a_node_that_lags_far_hears_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it heard of the future is bounded: then the same receipts are asked for again."""
    monkeypatch.setattr(telling, "UNTOLD_MAX", 1)
    async with bench() as hub:
        made = teller(hub)
        handover = hub.fanout.handover
        for seen in ("1", "2"):
            turn = made.next_turn(goodbye=True)
            assert turn is not None
            made.settled(
                turn, answer(seen=seen, receipts=[Receipt(node="n2", handed=[Handed(5, 1), Handed(6, 1)])])
            )
        assert handover.ahead == {5: 1, 6: 1}
        turn = made.next_turn(goodbye=True)
        assert turn is not None
        assert turn.seen == "1"


async def test_who_is_not_heard_in_full_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place says that it told of a message; what it told may lie in the part that is still to be heard."""
    monkeypatch.setattr(telling, "UNTOLD_MAX", 1)
    async with bench() as hub:
        made = teller(hub)
        other, ahead = Turner(node="n2", start="s2", through=9, current=True), hub.fanout.handover.ahead

        def heard(**fields: Any) -> list[str]:
            turn = made.next_turn(goodbye=True)
            assert turn is not None
            made.settled(turn, answer(turners=[other], **fields))
            return made.silent(1)

        assert heard(more=True) == ["n2"]
        assert heard() == []
        ahead.update({5: 1, 6: 1})
        assert heard() == ["n2"], "this node lags far"
        ahead.clear()
        assert heard() == []


async def test_positions_of_letters_that_are_long_gone_are_forgotten() -> None:
    """The newest that may be there stay known."""
    async with bench() as hub:
        made = teller(hub, LetterRules(max_count=10))
        turn = made.next_turn(goodbye=True)
        assert turn is not None
        made.settled(turn, answer(receipts=[Receipt(node="n2", decided=range(1, 1001))]))
        assert hub.fanout.handover.dead == set(range(991, 1001))


async def test_another_node_that_is_about_to_tell_is_waited_for() -> None:
    """One that is current and behind: its counts are to come. One that is gone is not."""
    async with bench() as hub:
        made = teller(hub)
        await hub.joined("a/t")
        await hub.publish("a/t", 1)
        hub.fanout.handover.sweep_all()
        for through, current, listens in ((0, True, True), (0, False, False), (1, True, False)):
            turn = made.next_turn(goodbye=True)
            assert turn is not None
            other = Turner(node="n2", start="s2", through=through, current=current)
            made.settled(turn, answer(turners=[other]))
            assert (made.next_turn() is not None) == listens
            made.under_way = None

"""Who is on the list, and when a letter may have been delivered after all."""

from __future__ import annotations

import pytest
from tests.contract.asserting import put
from tests.contract.backends import Clock, draft
from tests.contract.letters.node import EVERY_MS, SILENT_S, Node, begun

from fast_sse.model.cursor import Cursor
from fast_sse.store.base import Store
from fast_sse.store.letters import Settled

THREE_TURNS_S = 3 * EVERY_MS / 1000


async def maybe(node: Node, cursor: Cursor) -> bool:
    """Make a letter of a record; whether it may have been delivered."""
    settled = await node.tell(cursor, due=[cursor])
    ((position, _, found),) = settled.dead
    assert position == cursor.position
    letter = await node.letters.get(cursor.text)
    assert letter is not None
    assert letter.maybe_delivered is found
    return found


def listed(settled: Settled) -> list[tuple[str, str, bool]]:
    return [(turner.node, turner.start, turner.current) for turner in settled.turners]


async def test_a_node_that_told_all_leaves_no_doubt(store: Store) -> None:
    """Current, and through the position: what it handed over is known."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    await other.tell(cursor)
    assert not await maybe(one, cursor)


@pytest.mark.parametrize(("after_s", "doubt"), [(THREE_TURNS_S, False), (THREE_TURNS_S + 0.001, True)])
async def test_a_node_is_current_for_three_of_its_turns(
    store: Store, clock: Clock, after_s: float, doubt: bool
) -> None:
    """Exactly at three turns it still is; later it may have handed over by catch-up what it had looked at before."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    await other.tell(cursor)
    clock.pass_s(after_s)
    settled = await one.tell(cursor)
    assert listed(settled) == [("a", "1", True), ("b", "1", not doubt)]
    assert await maybe(one, cursor) is doubt


async def test_a_node_that_did_not_look_that_far_leaves_doubt(store: Store) -> None:
    """Its last turn is new, but it was through less."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft())
    await other.tell(cursors[0])
    assert not await maybe(one, cursors[0])
    assert await maybe(one, cursors[1])


async def test_a_process_that_only_began_leaves_doubt(store: Store) -> None:
    """It is on the list before its first turn: it may hand over, and die."""
    one, _ = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    assert listed(await one.tell()) == [("a", "1", True), ("b", "1", False)]
    assert await maybe(one, cursor)


async def test_the_next_process_closes_the_one_before(store: Store) -> None:
    """What was published before `begin` the one before may have handed over; what came later it cannot have."""
    await begun(store, "a")
    before = await put(store, draft(), draft())
    newer = Node(store, "a", "2")
    assert (await newer.begin()).newest == before[-1].position
    after = await put(store, draft())
    assert await maybe(newer, before[0])
    assert await maybe(newer, before[1])
    assert not await maybe(newer, after[0])


async def test_who_is_closed_stays_closed_where_it_was(store: Store) -> None:
    """A third process closes the second one, and leaves the first, and one that took its leave, as they are."""
    await begun(store, "a")
    second, third = Node(store, "a", "2"), Node(store, "a", "3")
    await put(store, draft())
    await second.begin()
    (cursor,) = await put(store, draft())
    await second.tell(cursor, goodbye=True)
    await third.begin()
    assert listed(await third.tell(cursor)) == [("a", "1", False), ("a", "3", True)]
    assert not await maybe(third, cursor)


async def test_the_same_process_may_begin_twice(store: Store) -> None:
    """A `begin` of unknown outcome that is done again closes nothing."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    again = await node.begin()
    assert again.newest == cursor.position
    (later,) = await put(store, draft())
    other = Node(store, "b")
    await other.begin()
    await other.tell(later)
    assert await maybe(other, later)


async def test_another_name_closes_nothing(store: Store) -> None:
    """A process of another node is another process."""
    _, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    assert await maybe(other, cursor)


async def test_a_closed_one_leaves_when_all_that_it_had_is_decided(store: Store) -> None:
    """At its last place exactly; below it, it stays."""
    await begun(store, "a")
    cursors = await put(store, draft(), draft())
    newer = Node(store, "a", "2")
    await newer.begin()
    assert listed(await newer.tell(cursors[1], decided=cursors[0])) == [("a", "1", False), ("a", "2", True)]
    assert listed(await newer.tell(cursors[1], decided=cursors[1])) == [("a", "2", True)]


async def test_with_its_goodbye_a_process_leaves(store: Store) -> None:
    """It has told all: it leaves no doubt, and is on no list."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    assert listed(await other.tell(goodbye=True)) == [("a", "1", False)]
    assert not await maybe(one, cursor)


@pytest.mark.parametrize(("silent_s", "doubt"), [(SILENT_S - 0.001, True), (SILENT_S, False)])
async def test_who_is_silent_while_the_log_goes_on_leaves(
    store: Store, clock: Clock, silent_s: float, doubt: bool
) -> None:
    """After 2 grace + 60 s, counted from when another one was further."""
    one, other = await begun(store, "a", "b")
    await other.tell()
    cursors = await put(store, draft(), draft())
    await one.tell(cursors[0])
    clock.pass_s(silent_s)
    assert await maybe(one, cursors[1]) is doubt
    assert [turner.node for turner in (await one.tell()).turners] == (["a", "b"] if doubt else ["a"])


async def test_who_is_idle_with_all_others_stays(store: Store, clock: Clock) -> None:
    """It had nothing to tell for a day; then it hands over and vanishes before its turn: the letter says so."""
    one, other = await begun(store, "a", "b")
    await other.tell()
    await one.tell()
    clock.pass_s(86_400)
    (cursor,) = await put(store, draft())
    await one.tell(cursor)
    clock.pass_s(32)
    assert await maybe(one, cursor)


async def test_a_process_that_begins_further_begins_the_silence(store: Store, clock: Clock) -> None:
    """A node that is gone does not mark the letters of its successor, under another name, for ever."""
    await begun(store, "a")
    (cursor,) = await put(store, draft())
    other = Node(store, "b")
    await other.begin()
    clock.pass_s(SILENT_S)
    assert not await maybe(other, cursor)


async def test_a_turn_ends_the_silence(store: Store, clock: Clock) -> None:
    """It is counted anew from the next time that another one is further."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft(), draft())
    await one.tell(cursors[0])
    clock.pass_s(SILENT_S - 1)
    await other.tell(cursors[0])
    await one.tell(cursors[1])
    clock.pass_s(SILENT_S - 1)
    assert await maybe(one, cursors[1])


async def test_who_left_and_tells_again_is_back(store: Store, clock: Clock) -> None:
    """A zombie that wakes is on the list again, and removes the letters of what it had handed over."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    await one.tell(cursor)
    clock.pass_s(2 * SILENT_S)
    assert not await maybe(one, cursor)
    settled = await other.tell(cursor, handed=[cursor])
    assert (settled.late, [turner.node for turner in settled.turners]) == (1, ["a", "b"])
    assert settled.tally.total == 0


BACK_S = -3600


async def test_after_a_step_back_who_died_is_current_for_three_turns(store: Store, clock: Clock) -> None:
    """And not until the clock is where it was: a catch-up after its last turn is told by nobody, and leaves doubt."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft())
    await other.tell(cursors[1])
    clock.pass_s(BACK_S)
    assert listed(await one.tell(cursors[1])) == [("a", "1", True), ("b", "1", True)]
    assert not await maybe(one, cursors[0])
    clock.pass_s(THREE_TURNS_S + 0.001)
    assert listed(await one.tell()) == [("a", "1", True), ("b", "1", False)]
    assert await maybe(one, cursors[1])


async def test_after_a_step_back_who_died_leaves_after_its_silence(store: Store, clock: Clock) -> None:
    """Which begins anew with the step, at the latest: the list names it no hour longer."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft())
    await other.tell(cursors[0])
    await one.tell(cursors[1])  # who sees that the other one is silent
    clock.pass_s(BACK_S)
    assert [turner.node for turner in (await one.tell()).turners] == ["a", "b"]
    clock.pass_s(SILENT_S)
    assert not await maybe(one, cursors[1])
    assert [turner.node for turner in (await one.tell()).turners] == ["a"]


async def test_after_a_step_back_who_lives_is_on_the_list(store: Store, clock: Clock) -> None:
    """Each turn says so by the clock of that moment."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    await other.tell(cursor)
    clock.pass_s(BACK_S)
    for _ in range(5):
        clock.pass_s(EVERY_MS / 1000)
        await other.tell(cursor, acks=[(cursor, "phone")])
        assert listed(await one.tell(cursor)) == [("a", "1", True), ("b", "1", True)]

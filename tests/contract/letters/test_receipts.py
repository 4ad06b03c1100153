"""What nodes hear of one another, and letters of what was handed over late (rules 2, 4 and 5 of `store.letters`)."""

from __future__ import annotations

import pytest
from tests.contract.asserting import put
from tests.contract.backends import Clock, draft
from tests.contract.letters.node import EVERY_MS, Node, begun, heard, ids, tally

from fast_sse.model.errors import StoreClosedError
from fast_sse.store import letters as contract
from fast_sse.store.base import Store
from fast_sse.store.letters import Ack, Handed


async def test_the_others_hear_what_was_handed_over(store: Store) -> None:
    """Counts, acks and the name of the node; once each, and never one's own."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft())
    mine = await one.tell(cursors[1], handed={cursors[0]: 2, cursors[1]: 5}, acks=[(cursors[0], "phone")])
    assert mine.receipts == []
    (receipt,) = (await other.tell(cursors[1])).receipts
    assert receipt.node == "a"
    assert list(receipt.handed) == [Handed(cursors[0].position, 2), Handed(cursors[1].position, 5)]
    assert list(receipt.acks) == [Ack(cursors[0].position, "phone")]
    assert (await other.tell(cursors[1])).receipts == []


async def test_the_others_hear_what_nothing_waits_for_any_more(store: Store, clock: Clock) -> None:
    """A receipt that lies wholly at the decided place is heard by whoever tells within three turns."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    await one.tell(cursor, handed=[cursor], decided=cursor)
    clock.pass_s(3 * EVERY_MS / 1000)
    await one.tell(cursor, acks=[(cursor, "phone")])
    settled = await other.tell(cursor)
    assert heard(settled.receipts) == {"a": [(cursor.position, 1)]}
    assert [list(receipt.acks) for receipt in settled.receipts] == [[], [Ack(cursor.position, "phone")]]


async def test_receipts_at_the_decided_place_go_after_three_turns(store: Store, clock: Clock) -> None:
    """Then only those with a position above it are kept."""
    one, other = await begun(store, "a", "b")
    below, above = await put(store, draft(), draft())
    await one.tell(above, handed=[below], decided=below)
    await one.tell(above, handed=[above])
    clock.pass_s(3 * EVERY_MS / 1000 + 0.001)
    await one.tell(above, decided=below)
    assert heard((await other.tell(above)).receipts) == {"a": [(above.position, 1)]}


async def test_a_lone_process_keeps_no_receipts_at_the_decided_place(store: Store) -> None:
    """There is nobody to hear of them; what is above it is kept for the next process."""
    (node,) = await begun(store, "a")
    below, above = await put(store, draft(), draft())
    await node.tell(above, handed=[below], decided=below)
    await node.tell(above, handed=[above])
    await node.tell(above, acks=[(below, "phone")])
    found = await Node(store, "b").begin()
    assert heard(found.receipts) == {"a": [(above.position, 1)]}
    assert [list(receipt.acks) for receipt in found.receipts] == [[]]


async def test_what_the_last_other_process_told_is_heard_before_it_goes(store: Store) -> None:
    """It said goodbye, and the next turn of the one that is left moves the decided place over all that it told."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft())
    await one.tell(cursors[1], handed=cursors[:1], acks=[(cursors[0], "phone")])
    await one.tell(cursors[1], handed=cursors[1:], goodbye=True)
    settled = await other.tell(cursors[1], decided=cursors[1])
    assert heard(settled.receipts) == {"a": [(cursor.position, 1) for cursor in cursors]}
    await other.tell(cursors[1], decided=cursors[1])
    assert (await Node(store, "c").begin()).receipts == []


async def test_a_process_that_begins_hears_what_is_above_the_decided_place(store: Store) -> None:
    """In the receipts of `begin`, also of its own earlier process; then only of what comes later."""
    one, _ = await begun(store, "a", "b")
    cursors = await put(store, *(draft() for _ in range(3)))
    await one.tell(cursors[1], handed=cursors[:1], decided=cursors[0])
    await one.tell(cursors[1], handed=cursors[1:2])
    newer = Node(store, "a", "2")
    found = await newer.begin()
    assert heard(found.receipts) == {"a": [(cursors[1].position, 1)]}
    await one.tell(cursors[2], handed=cursors[2:])
    assert heard((await newer.tell(cursors[2])).receipts) == {"a": [(cursors[2].position, 1)]}


async def test_a_receipt_stays_as_long_as_one_of_its_positions_is_above(store: Store, clock: Clock) -> None:
    """Wholly at or below: exactly at the last of its positions it may go, one below not."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft())
    await one.tell(cursors[1], handed=cursors)
    await one.tell(cursors[1], decided=cursors[0])
    clock.pass_s(60)
    await one.tell(cursors[1])
    assert len((await Node(store, "c").begin()).receipts) == 1
    await one.tell(cursors[1], decided=cursors[1])
    clock.pass_s(60)
    await one.tell(cursors[1])
    assert (await other.tell(cursors[1])).receipts == []


async def test_more_receipts_than_one_answer_holds_come_with_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`more` says so; each is heard once and in order, one at least a turn; those not yet heard make what is due void."""
    monkeypatch.setattr(contract, "RECEIPT_BYTES_MAX", 1)
    one, other = await begun(store, "a", "b")
    cursors = await put(store, *(draft() for _ in range(4)))
    for cursor in cursors[:3]:
        await one.tell(cursors[-1], handed=[cursor])
    found = []
    first = await other.tell(cursors[-1], due=cursors)
    assert [position for position, *_ in first.dead] == [cursors[3].position]
    settled = first
    while True:
        found += [one.position for receipt in settled.receipts for one in receipt.handed]
        if not settled.more:
            break
        assert len(settled.receipts) == 1
        settled = await other.tell(cursors[-1])
    assert found == [cursor.position for cursor in cursors[:3]]


# -- late -----------------------------------------------------------------------------------------------


async def test_a_hand_over_that_is_told_late_removes_the_letter(store: Store) -> None:
    """By whichever node: the letter of a handed position goes, and is counted as late."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft())
    await one.tell(cursors[1], due=cursors)
    settled = await other.tell(cursors[1], handed=[cursors[0]])
    assert (settled.late, settled.tally.total) == (1, 1)
    assert await ids(store) == [cursors[1].text]
    assert (await other.tell(cursors[1], handed=[cursors[0]])).late == 0


async def test_late_ids_remove_letters(store: Store) -> None:
    """Those that are there are counted, others pass."""
    (node,) = await begun(store, "a")
    cursors = await put(store, draft(), draft())
    await node.tell(cursors[1], due=cursors)
    settled = await node.tell(cursors[1], late=[cursors[0].text, cursors[0].text, "s1.none"])
    assert settled.late == 1
    assert await ids(store) == [cursors[1].text]


async def test_a_late_hand_over_at_the_decided_place_removes_the_letter(store: Store) -> None:
    """However old the letter is."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    await node.tell(cursor, due=[cursor], decided=cursor)
    assert (await node.tell(cursor, handed=[cursor])).late == 1
    assert (await tally(node)).total == 0


async def test_a_process_that_begins_knows_where_letters_are(store: Store) -> None:
    """The positions of the letters that are there, so that it knows a late hand-over when it makes one."""
    (node,) = await begun(store, "a")
    cursors = await put(store, *(draft() for _ in range(3)))
    await node.tell(cursors[-1], due=cursors)
    await node.letters.drop([cursors[1].text])
    found = await Node(store, "b").begin()
    assert sorted(found.letters) == [cursors[0].position, cursors[2].position]
    assert found.tally.total == 2


async def test_after_close_every_call_is_refused(store: Store) -> None:
    """StoreClosedError, as from the store itself."""
    (node,) = await begun(store, "a")
    await store.close()
    letters = node.letters
    for call in (
        lambda: letters.begin("a", "2"),
        lambda: letters.settle(node.turn()),
        lambda: letters.drop([]),
        lambda: letters.drop(["x"]),
        lambda: letters.get("x"),
        lambda: letters.list(contract.Wanted(), "", 1),
    ):
        with pytest.raises(StoreClosedError):
            await call()

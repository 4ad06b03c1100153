"""What becomes a dead letter, and what does not (rules 1, 3 and 5 of `store.letters`)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.contract.asserting import put, trim_all
from tests.contract.backends import Clock, draft
from tests.contract.conftest import Opener
from tests.contract.letters.node import GRACE_S, Node, begun, every_letter, heard, ids, letters_of, texts
from tests.contract.places import DurablePlace, Place

from fast_sse.model.channel import Channel
from fast_sse.model.letter import Letter
from fast_sse.store.base import Retention, Store
from fast_sse.store.letters import Due


async def test_what_is_due_and_was_told_by_no_node_becomes_a_letter(store: Store, clock: Clock) -> None:
    """The letter is a copy of the record, with what is to be known about it."""
    (node,) = await begun(store, "a")
    published_ms = clock.ms
    (cursor,) = await put(store, draft("c", "t", b'{"x":1}', meta=b'{"event_name":"n"}'))
    clock.pass_s(32)
    settled = await node.tell(cursor, due=[cursor], decided=cursor)
    assert settled.dead == [(cursor.position, "no_subscriber", False)]
    assert settled.late == 0
    assert settled.tally.total == 1
    assert settled.tally.oldest_ms == clock.ms
    whole = await letters_of(store).get(cursor.text)
    assert whole == Letter(
        id=cursor.text,
        position=cursor.position,
        channel=Channel("c", "t"),
        reason="no_subscriber",
        description=f"nobody was handed it within {GRACE_S:g} s",
        published_ms=published_ms,
        dead_ms=clock.ms,
        first_ms=published_ms,
        attempts=1,
        original=cursor.text,
        maybe_delivered=False,
        node="a",
        size_bytes=len(b'{"x":1}{"send_time":"x"}'),
        record=await store.get(cursor.position),
    )
    assert await every_letter(store) == [replace(whole, record=None)]


@pytest.mark.parametrize(("after_s", "reason"), [(4.999, "no_subscriber"), (5, "expired")])
async def test_a_ttl_that_has_passed_is_the_reason(
    store: Store, clock: Clock, after_s: float, reason: str
) -> None:
    """`expired` from the very moment on that the record would no longer be delivered, by store time."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft(ttl_ms=5000))
    clock.pass_s(after_s)
    assert (await node.tell(cursor, due=[cursor])).dead == [(cursor.position, reason, False)]
    letter = await letters_of(store).get(cursor.text)
    assert letter is not None
    assert letter.description.startswith("its time to live" if reason == "expired" else "nobody")


async def test_what_another_node_told_is_void(store: Store) -> None:
    """A receipt that the sender has not seen makes what it calls due void; what is in none dies."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft(), draft())
    await other.tell(cursors[-1], handed=[cursors[0], cursors[2]])
    settled = await one.tell(cursors[-1], due=cursors)
    assert [position for position, *_ in settled.dead] == [cursors[1].position]
    assert await ids(store) == [cursors[1].text]


async def test_what_the_turn_itself_hands_over_is_void(store: Store) -> None:
    """What a turn hands over does not die of the same turn."""
    (node,) = await begun(store, "a")
    cursors = await put(store, draft(), draft())
    settled = await node.tell(cursors[-1], due=cursors, handed=cursors[1:])
    assert [position for position, *_ in settled.dead] == [cursors[0].position]


async def test_what_is_at_or_below_the_decided_place_is_void(store: Store) -> None:
    """Exactly at it, too: a node that slept and wakes kills nothing. The first one above it dies."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, *(draft() for _ in range(4)))
    await one.tell(cursors[-1], decided=cursors[2])
    settled = await other.tell(cursors[-1], due=cursors)
    assert [position for position, *_ in settled.dead] == [cursors[3].position]


async def test_two_nodes_make_one_letter(store: Store) -> None:
    """Whoever is second with the same record finds it a letter already."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    assert len((await one.tell(cursor, due=[cursor])).dead) == 1
    assert (await other.tell(cursor, due=[cursor])).dead == []
    assert (await one.tell(cursor, due=[cursor, cursor])).dead == []
    assert await ids(store) == [cursor.text]


async def test_the_same_record_twice_in_one_turn_is_one_letter(store: Store) -> None:
    """A turn that names a record twice makes one letter of it."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    assert len((await node.tell(cursor, due=[cursor, cursor])).dead) == 1


async def test_what_is_gone_from_the_log_is_void(store: Store) -> None:
    """What was erased while it waited becomes no letter."""
    (node,) = await begun(store, "a")
    gone, kept = await put(store, draft("x"), draft("y"))
    await store.erase(Channel("x", "t"))
    settled = await node.tell(kept, due=[gone, kept])
    assert [position for position, *_ in settled.dead] == [kept.position]


async def test_a_place_of_which_no_record_was_ever_is_void(store: Store) -> None:
    """A due position above the newest one makes no letter and no error."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    beyond = cursor.at(cursor.position + 10, cursor.fingerprint)
    assert (await node.tell(cursor, due=[beyond])).dead == []


async def test_another_record_at_the_same_place_is_void(store: Store) -> None:
    """The fingerprint says which record was waited for; another one there is not it."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    turn = replace(node.turn(cursor), due=[Due(cursor.position, "zzzzzzz")])
    assert (await node.letters.settle(turn)).dead == []
    assert await ids(store) == []


async def test_a_letter_that_was_purged_never_comes_back(store: Store) -> None:
    """Its decision is in a receipt, so another node that still waits for it makes it no letter again."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    await one.tell(cursor, due=[cursor])
    assert await one.letters.drop([cursor.text]) == 1
    settled = await other.tell(cursor, due=[cursor])
    assert settled.dead == []
    assert [list(receipt.decided) for receipt in settled.receipts] == [[cursor.position]]
    assert await ids(store) == []


async def test_a_process_that_begins_knows_what_was_purged(store: Store) -> None:
    """The decision is among the receipts that a new process is given, and above the place from which it reads."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    await node.tell(cursor, due=[cursor])
    await node.letters.drop([cursor.text])
    found = await Node(store, "a", "2").begin()
    assert found.decided < cursor.position
    assert [list(receipt.decided) for receipt in found.receipts] == [[cursor.position]]


async def test_what_is_read_at_a_replay_carries_its_lineage(store: Store) -> None:
    """Attempts, the first id and its time are those that the meta of the replayed message says."""
    (node,) = await begun(store, "a")
    meta = b'{"replay":{"of":"b","original":"first","first_ms":7,"attempts":3}}'
    (cursor,) = await put(store, draft(meta=meta))
    await node.tell(cursor, due=[cursor])
    letter = await letters_of(store).get(cursor.text)
    assert letter is not None
    assert (letter.attempts, letter.original, letter.first_ms) == (3, "first", 7)


# -- the decided place ----------------------------------------------------------------------------------


async def test_on_a_log_without_dead_letters_all_is_decided(store: Store) -> None:
    """The first `begin` finds the newest place decided: switching on floods nothing."""
    cursors = await put(store, draft(), draft())
    node = Node(store)
    found = await node.begin()
    assert (found.decided, found.newest) == (cursors[-1].position, cursors[-1].position)
    assert (list(found.receipts), list(found.letters), found.tally.total) == ([], [], 0)
    assert (await node.tell(cursors[-1], due=cursors)).dead == []


async def test_the_decided_place_never_moves_back(store: Store) -> None:
    """A turn that says less leaves it where it is."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft(), draft())
    await one.tell(cursors[-1], decided=cursors[1])
    await other.tell(cursors[-1], decided=cursors[0])
    assert (await Node(store, "c").begin()).decided == cursors[1].position


async def test_a_turn_without_a_decided_place_does_not_move_it(store: Store) -> None:
    """A node that is still loading what waits says none."""
    (node,) = await begun(store, "a")
    first = await node.begin()
    (cursor,) = await put(store, draft())
    await node.tell(cursor)
    assert (await Node(store, "c").begin()).decided == first.decided


async def test_a_node_that_does_not_decide_moves_nothing_beside_one_that_does(store: Store) -> None:
    """What it lets go another one still makes a letter of."""
    one, off = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    await one.tell(cursor)
    await off.tell(cursor, decided=cursor, decides=False)
    assert len((await one.tell(cursor, due=[cursor])).dead) == 1


async def test_a_process_that_only_began_counts_as_one_that_decides(store: Store) -> None:
    """It may still be loading what waits."""
    off, _ = await begun(store, "a", "b")
    first = await off.begin()
    (cursor,) = await put(store, draft())
    await off.tell(cursor, decided=cursor, decides=False)
    assert (await Node(store, "c").begin()).decided == first.decided


async def test_where_no_node_decides_the_place_moves(store: Store) -> None:
    """So dead letters that are switched on later begin with what is published then."""
    (off,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    await off.tell(cursor, decided=cursor, decides=False)
    assert (await Node(store, "a", "2").begin()).decided == cursor.position


async def test_trimming_keeps_what_waits(open_store: Opener, place: Place) -> None:
    """No record after `keep_after` goes, whatever retention says; without it they go."""
    if not place.keeps_what_waits:
        pytest.skip("the backend trims alone")
    store = await open_store(Retention(max_age_s=None, max_bytes=None, max_messages=1))
    cursors = await put(store, *(draft() for _ in range(5)))
    while await store.trim(cursors[1].position):
        pass
    assert await store.get(cursors[1].position) is None
    assert await store.get(cursors[2].position) is not None
    assert (await store.bounds()).trimmed.position == cursors[1].position
    await trim_all(store)
    assert await store.get(cursors[3].position) is None


# -- the same turn again --------------------------------------------------------------------------------


async def test_a_turn_that_comes_again_changes_nothing(store: Store) -> None:
    """Its letters are not made twice, its receipts not told twice, and the answer names its dead as the first one did."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft())
    turn = one.turn(cursors[-1], due=cursors[:1], handed={cursors[1]: 3})
    first = await one.letters.settle(turn)
    again = await one.letters.settle(turn)
    assert again.dead == first.dead != []
    assert again.tally.total == 1
    told = await other.tell(cursors[-1])
    assert [(one.position, one.count) for receipt in told.receipts for one in receipt.handed] == [
        (cursors[1].position, 3)
    ]


async def test_a_turn_that_comes_again_after_a_later_one_changes_nothing(store: Store) -> None:
    """A purged letter does not come back by it, and nothing is told a second time."""
    one, other = await begun(store, "a", "b")
    cursors = await put(store, draft(), draft(), draft())
    turn = one.turn(cursors[1], due=cursors[:1], handed=[cursors[1]])
    later = one.turn(cursors[2], handed=[cursors[2]])
    await one.letters.settle(turn)
    await one.letters.settle(later)
    await one.letters.drop([cursors[0].text])
    again = await one.letters.settle(turn)
    assert (again.dead, again.tally.total) == ([], 0)
    told = heard((await other.tell(cursors[-1])).receipts)
    assert told == {"a": [(cursors[1].position, 1), (cursors[2].position, 1)]}


async def test_a_goodbye_that_comes_again_changes_nothing(store: Store) -> None:
    """Although its process is no more on the list."""
    one, other = await begun(store, "a", "b")
    (cursor,) = await put(store, draft())
    goodbye = one.turn(cursor, handed=[cursor], goodbye=True)
    await one.letters.settle(goodbye)
    settled = await one.letters.settle(goodbye)
    assert [turner.node for turner in settled.turners] == ["b"]
    assert len((await other.tell(cursor)).receipts) == 1


# -- another epoch --------------------------------------------------------------------------------------


async def test_in_a_new_epoch_letters_stay_and_nothing_dies_of_it(
    open_store: Opener, place: Place, store: Store
) -> None:
    """What waited is decided, what was told is gone, and old letters are listed; a hand-over of the same number removes none."""
    if not isinstance(place, DurablePlace) or not place.keeps_records_without_identity:
        pytest.skip("a log of this store ends with its identity")
    (node,) = await begun(store, "a")
    dead, waiting = await put(store, draft(), draft())
    await node.tell(waiting, due=[dead])
    await place.lose_identity(store, place.identity_damages[0])
    store = await open_store()
    newer = Node(store, "a", "2")
    found = await newer.begin()
    assert found.decided == found.newest
    assert (list(found.receipts), list(found.letters), found.tally.total) == ([], [], 1)
    here = (await store.bounds()).newest
    settled = await newer.tell(here, due=[here.at(waiting.position)], handed=[here.at(dead.position)])
    assert (settled.dead, settled.late) == ([], 0)
    assert [turner.start for turner in settled.turners] == ["2"]
    assert await ids(store) == texts([dead])
    assert await letters_of(store).get(dead.text) is not None
    assert dead.epoch != here.epoch

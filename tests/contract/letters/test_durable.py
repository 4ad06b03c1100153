"""What outlives the store: letters, receipts, the decided place and the list, after a clean end and after none."""

from __future__ import annotations

import pytest
from tests.contract.asserting import put
from tests.contract.backends import Backend, draft
from tests.contract.conftest import Opener
from tests.contract.letters.node import Node, begun, every_letter, heard, letters_of, poison
from tests.contract.places import DurablePlace, Place

from fast_sse.store.base import Store


@pytest.fixture(autouse=True)
def durable(backend: Backend) -> None:
    if not backend.durable:
        pytest.skip("not durable")


async def end(place: Place, store: Store, how: str) -> None:
    if how == "kill":
        assert isinstance(place, DurablePlace)
        await place.kill(store)
    else:
        await store.close()


@pytest.mark.parametrize("how", ["close", "kill"])
async def test_what_was_told_and_decided_outlives_the_store(
    open_store: Opener, place: Place, store: Store, how: str
) -> None:
    """Every call that was answered: letters of messages and of poison, receipts, the decided place, who was on the list."""
    one, _ = await begun(store, "a", "b")
    cursors = await put(store, *(draft() for _ in range(4)))
    await one.tell(cursors[3], due=cursors[:2], decided=cursors[1])
    await one.tell(cursors[3], handed={cursors[2]: 3}, acks=[(cursors[2], "phone")])
    await one.letters.keep(poison())
    await one.letters.drop([cursors[0].text])
    before = await every_letter(store)
    whole = [await one.letters.get(letter.id) for letter in before]
    await end(place, store, how)
    store = await open_store()
    assert await every_letter(store) == before
    assert [await letters_of(store).get(letter.id) for letter in before] == whole
    newer = Node(store, "a", "2")
    found = await newer.begin()
    assert found.decided == cursors[1].position
    assert sorted(found.letters) == [cursors[1].position]
    assert heard(found.receipts) == {"a": [(cursors[2].position, 3)]}
    settled = await newer.tell(cursors[3], due=[*cursors[:2], cursors[3]])
    assert settled.dead == [(cursors[3].position, "no_subscriber", True)]
    assert [(turner.node, turner.start) for turner in settled.turners] == [("a", "1"), ("a", "2"), ("b", "1")]


@pytest.mark.parametrize("how", ["close", "kill"])
async def test_a_turn_whose_answer_was_lost_is_known_after_the_end(
    open_store: Opener, place: Place, store: Store, how: str
) -> None:
    """A turn that was applied and comes again to another store on the same place changes nothing."""
    (node,) = await begun(store, "a")
    cursors = await put(store, draft(), draft())
    turn = node.turn(cursors[1], due=cursors[:1], handed=cursors[1:])
    first = await node.letters.settle(turn)
    await end(place, store, how)
    store = await open_store()
    again = await letters_of(store).settle(turn)
    assert (again.dead, again.tally.total) == (first.dead, 1)
    assert len((await Node(store, "b").begin()).receipts) == 1

"""What is particular to the dead letters of the memory store; the rules are proved in tests/contract/letters."""

from __future__ import annotations

import pytest
from tests.contract.asserting import put
from tests.contract.backends import Clock, draft
from tests.contract.letters.node import begun, ids

from fast_sse.store.letters import LetterBounds
from fast_sse.store.memory.store import MemoryStore
from fast_sse.store.rows.letters import LetterRows


async def test_a_defect_in_a_turn_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rolled back as on a disk: the letters, and what was counted as dropped."""
    store = MemoryStore(now_ms=Clock(), letters=LetterBounds(max_count=1))
    await store.open()
    (node,) = await begun(store, "a")
    cursors = await put(store, draft(), draft())
    turn = node.turn(cursors[1], due=cursors)
    bound = LetterRows.bound

    def fails(rows: LetterRows, paced_ms: int, came: int) -> None:
        bound(rows, paced_ms, came)
        raise ZeroDivisionError

    monkeypatch.setattr(LetterRows, "bound", fails)
    with pytest.raises(ZeroDivisionError):
        await node.letters.settle(turn)
    monkeypatch.undo()
    assert await ids(store) == []
    assert (await node.letters.settle(turn)).tally.dropped["count"] == 1
    await store.close()


async def test_letters_go_with_the_store() -> None:
    """Each store has its own; closing twice is nothing."""
    one, other = MemoryStore(), MemoryStore()
    await one.open()
    await other.open()
    (node,) = await begun(one, "a")
    (cursor,) = await put(one, draft())
    await node.tell(cursor, due=[cursor])
    assert (len(await ids(one)), len(await ids(other))) == (1, 0)
    assert not one.letters.shared
    for store in (one, one, other):
        await store.close()

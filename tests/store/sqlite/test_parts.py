"""Large appends, committed part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.contract.asserting import everything
from tests.contract.backends import draft
from tests.store.conftest import Opener

from fast_sse.model.errors import NotStoredError
from fast_sse.model.message import Draft
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.sqlite.parts import PART_ROWS, Answer, Parts, is_large


def test_keys_count_as_rows() -> None:
    """What fits into one part is none of several."""
    assert not is_large([draft()] * PART_ROWS)
    assert is_large([draft()] * (PART_ROWS + 1))
    assert not is_large([draft(keys=("k",))] * (PART_ROWS // 2))
    assert is_large([draft(keys=("k",))] * (PART_ROWS // 2 + 1))


async def test_parts_follow_one_another_and_a_closed_store_ends_them() -> None:
    """The next part is queued when the one before is answered; what a closed store does not take is certainly not stored."""
    queued: list[tuple[int, Answer]] = []
    loop = asyncio.get_running_loop()
    closed = False

    def submit(some: Sequence[Draft]) -> Answer | None:
        if closed:
            return None
        queued.append((len(some), loop.create_future()))
        return queued[-1][1]

    whole: Answer = loop.create_future()
    Parts([draft()] * (2 * PART_ROWS + 5), whole, submit)
    assert [size for size, _ in queued] == [PART_ROWS]
    stored: list[Outcome] = [NotStoredError("one")] * PART_ROWS
    queued[0][1].set_result(stored)
    await asyncio.sleep(0)
    assert [size for size, _ in queued] == [PART_ROWS, PART_ROWS]
    closed = True
    queued[1][1].set_result(stored)
    outcomes = await whole
    assert [str(one) for one in outcomes[-6:]] == ["one"] + ["the store is closed"] * 5


async def test_parts_of_a_large_append_let_others_in(open_store: Opener) -> None:
    """Whoever publishes beside ten thousand lines waits for a part of them; the lines keep their order, and their keys count."""
    store = await open_store()
    lines = [draft(data=b"%d" % number, keys=(f"k{number % 900}",), body=b"x") for number in range(1000)]
    large = store.append(lines)
    (small,) = await store.append([draft("b")])
    assert not large.done()
    outcomes = await large
    stored = [one for one in outcomes if isinstance(one, Appended)]
    assert len(stored) == 1000
    assert [one.duplicate for one in stored] == [False] * 900 + [True] * 100
    positions = [one.cursor.position for one in stored[:900]]
    assert positions == sorted(positions)
    assert isinstance(small, Appended)
    assert positions[0] < small.cursor.position < positions[-1]


async def test_close_finishes_a_large_append(open_store: Opener) -> None:
    """What was appended before the end is committed, in parts or not."""
    store = await open_store()
    large = store.append([draft(keys=(f"k{number}",)) for number in range(1000)])
    await store.close()
    assert all(isinstance(one, Appended) for one in await large)
    store = await open_store()
    assert len(await everything(store)) == 1000

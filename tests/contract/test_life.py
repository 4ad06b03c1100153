"""Opening, closing, and what is there after opening again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.contract.asserting import EVERYTHING, everything, page, put, trim_all
from tests.contract.backends import FOREVER, Backend, Clock, draft
from tests.contract.conftest import Opener
from tests.contract.places import Place

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import StoreClosedError
from fast_sse.store.base import Appended, Retention, Store, Windows

_ANYWHERE = Cursor("m1", "0" * 13, 0)


async def _follow(store: Store) -> None:
    await anext(store.follow(_ANYWHERE))


CALLS: dict[str, Callable[[Store], Awaitable[object]]] = {
    "append": lambda store: store.append([draft()]),
    "append nothing": lambda store: store.append([]),
    "read": lambda store: store.read(EVERYTHING, _ANYWHERE, 1, 1),
    "last": lambda store: store.last(EVERYTHING, 1),
    "since": lambda store: store.since(1),
    "get": lambda store: store.get(1),
    "follow": _follow,
    "bounds": lambda store: store.bounds(),
    "trim": lambda store: store.trim(),
    "ping": lambda store: store.ping(),
}


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_after_close_raises(store: Store, name: str) -> None:
    """A closed store answers nothing: every call raises StoreClosedError."""
    await store.close()
    with pytest.raises(StoreClosedError):
        await CALLS[name](store)


@pytest.mark.parametrize("name", CALLS)
async def test_every_call_before_open_raises(place: Place, name: str) -> None:
    """A store that was never opened answers nothing either."""
    store = place.make(FOREVER, Windows(), Clock())
    with pytest.raises(StoreClosedError):
        await CALLS[name](store)
    await store.close()


async def test_a_store_is_opened_once(store: Store) -> None:
    """One object is one life: neither while it is open nor once it was closed does another one begin."""
    for _ in range(2):
        with pytest.raises(StoreClosedError):
            await store.open()
        await store.close()


async def test_close_is_idempotent(store: Store) -> None:
    """Closing twice is closing once."""
    await store.close()
    await store.close()


async def test_close_finishes_what_was_appended(open_store: Opener, backend: Backend) -> None:
    """What was queued when the store was closed is stored and answered."""
    store = await open_store()
    futures = [store.append([draft(data=b"%d" % number)]) for number in range(100)]
    await store.close()
    for future in futures:
        assert isinstance(future.result()[0], Appended)
    if backend.durable:
        assert len(await everything(await open_store())) == 100


async def test_what_was_answered_survives_reopening(open_store: Opener, backend: Backend) -> None:
    """Records, their cursors and the epoch are the same after closing and opening."""
    if not backend.durable:
        pytest.skip("not durable")
    store = await open_store()
    cursors = await put(store, *(draft(data=b"%d" % number) for number in range(10)))
    before = await everything(store)
    await store.close()
    store = await open_store()
    assert await everything(store) == before
    found = await page(store, cursors[4])
    assert (found.gap, len(found.records)) == (None, 5)
    assert (await page(store, cursors[-1])).gap is None


async def test_positions_go_on_above_after_reopening(open_store: Opener, backend: Backend) -> None:
    """A position is never used twice, also when everything was trimmed before closing."""
    if not backend.durable:
        pytest.skip("not durable")
    last = 0
    for _ in range(4):
        store = await open_store(Retention(max_age_s=None, max_bytes=None, max_messages=0))
        (cursor,) = await put(store, draft())
        assert cursor.position > last
        last = cursor.position
        await trim_all(store)
        await store.close()


async def test_retention_counts_on_after_reopening(open_store: Opener, backend: Backend) -> None:
    """What is retained is measured rightly by a store that was opened again."""
    if not backend.durable:
        pytest.skip("not durable")
    for _ in range(4):
        store = await open_store(Retention(max_age_s=None, max_bytes=None, max_messages=5))
        await put(store, *(draft() for _ in range(4)))
        await trim_all(store)
        await store.close()
    store = await open_store()
    assert len(await everything(store)) == 5


async def test_a_clean_close_leaves_no_gap(open_store: Opener, backend: Backend) -> None:
    """The newest cursor of a run that ended well continues in the next, and so does every one before it."""
    if not backend.durable:
        pytest.skip("not durable")
    store = await open_store()
    cursors = [(await store.bounds()).newest]
    for _ in range(3):
        cursors += await put(store, draft(), draft())
        await store.close()
        store = await open_store()
        cursors.append((await store.bounds()).newest)
    assert [(await page(store, cursor)).gap for cursor in cursors] == [None] * len(cursors)

"""What is particular to the memory store; the contract is proved in tests/contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.contract.backends import draft

from fast_sse.store.base import Retention
from fast_sse.store.memory.store import MemoryStore

Opened = Callable[..., Awaitable[MemoryStore]]


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Opens stores. All are closed after the test: each has a database of letters."""
    stores: list[MemoryStore] = []

    async def make(**options: Any) -> MemoryStore:
        stores.append(MemoryStore(**options))
        await stores[-1].open()
        return stores[-1]

    yield make
    for store in stores:
        await store.close()


async def test_the_epoch_may_be_given(opened: Opened) -> None:
    """Tests name the epoch, so that ids are the same in every run; otherwise each store has its own."""
    stores = [await opened(epoch="0123456789abc"), await opened(), await opened()]
    epochs = [(await store.bounds()).newest.epoch for store in stores]
    assert epochs[0] == "0123456789abc"
    assert len(set(epochs)) == 3


async def test_an_append_is_done_at_once(opened: Opened) -> None:
    """The future is resolved when it is returned: nothing is ever pending in memory."""
    store = await opened()
    assert store.append([draft()]).done()


async def test_memory_is_bounded_by_default() -> None:
    """Without any setting the log holds 256 MiB, not whatever the process has."""
    assert MemoryStore()._retention == Retention(max_bytes=256 << 20)


async def test_one_turn_is_not_all_one_groups(opened: Opened) -> None:
    """What is appended in one turn of the loop reaches followers in groups of bounded size."""
    store = await opened()
    follower = store.follow((await store.bounds()).newest)
    for _ in range(600):
        store.append([draft()])
    assert [len(await anext(follower)) for _ in range(3)] == [256, 256, 88]

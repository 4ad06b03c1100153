"""What is particular to the memory store; the contract is proved in tests/contract."""

from __future__ import annotations

from tests.contract.backends import draft

from fast_sse.store.base import Retention
from fast_sse.store.memory.store import MemoryStore


async def test_the_epoch_may_be_given() -> None:
    """Tests name the epoch, so that ids are the same in every run; otherwise each store has its own."""
    stores = [MemoryStore(epoch="0123456789abc"), MemoryStore(), MemoryStore()]
    for store in stores:
        await store.open()
    epochs = [(await store.bounds()).newest.epoch for store in stores]
    assert epochs[0] == "0123456789abc"
    assert len(set(epochs)) == 3


async def test_an_append_is_done_at_once() -> None:
    """The future is resolved when it is returned: nothing is ever pending in memory."""
    store = MemoryStore()
    await store.open()
    assert store.append([draft()]).done()


async def test_memory_is_bounded_by_default() -> None:
    """Without any setting the log holds 256 MiB, not whatever the process has."""
    assert MemoryStore()._retention == Retention(max_bytes=256 << 20)


async def test_one_turn_is_not_all_one_groups() -> None:
    """What is appended in one turn of the loop reaches followers in groups of bounded size."""
    store = MemoryStore()
    await store.open()
    follower = store.follow((await store.bounds()).newest)
    for _ in range(600):
        store.append([draft()])
    assert [len(await anext(follower)) for _ in range(3)] == [256, 256, 88]

"""Idempotency keys (guarantee G3): the same message once, within its window, whatever else happens."""

from __future__ import annotations

import pytest
from tests.contract.asserting import everything, put, trim_all
from tests.contract.backends import Backend, Clock, draft
from tests.contract.conftest import Opener

from fast_sse.model.errors import KeyConflictError
from fast_sse.store.base import Appended, Retention, Store, Windows


async def test_the_same_key_and_body_is_the_same_message(store: Store) -> None:
    """A repeat is answered with the earlier cursor, marked as a duplicate, and stored once."""
    (first,) = await put(store, draft(keys=("k",)))
    assert await store.append([draft(keys=("k",))]) == [Appended(first, duplicate=True)]
    assert len(await everything(store)) == 1


async def test_the_same_key_with_another_body_fails_alone(store: Store) -> None:
    """A conflict fails its own entry; its neighbours are stored."""
    await put(store, draft(keys=("k",)))
    outcomes = await store.append([draft(data=b"2"), draft(data=b"3", keys=("k",)), draft(data=b"4")])
    assert isinstance(outcomes[1], KeyConflictError)
    assert isinstance(outcomes[0], Appended)
    assert isinstance(outcomes[2], Appended)
    assert [record.data for record in await everything(store)] == [b"1", b"2", b"4"]


async def test_a_repeat_within_one_call_is_a_duplicate(store: Store) -> None:
    """Keys are resolved between entries of one call too."""
    one = draft(keys=("k",))
    first, second, third = await store.append([one, one, draft(data=b"other", keys=("k",))])
    assert isinstance(first, Appended)
    assert second == Appended(first.cursor, duplicate=True)
    assert isinstance(third, KeyConflictError)


async def test_repeats_that_wait_together_are_one_message(store: Store) -> None:
    """Calls that end up in one group are resolved against each other."""
    futures = [store.append([draft(keys=("k",))]) for _ in range(20)]
    outcomes = [(await future)[0] for future in futures]
    assert all(isinstance(outcome, Appended) for outcome in outcomes)
    assert len({outcome.cursor for outcome in outcomes if isinstance(outcome, Appended)}) == 1
    assert [outcome.duplicate for outcome in outcomes if isinstance(outcome, Appended)] == [False] + [
        True
    ] * 19
    assert len(await everything(store)) == 1


async def test_any_known_key_makes_it_a_duplicate(store: Store) -> None:
    """Of several keys one known is enough, and the others then stand for the earlier message too."""
    (first,) = await put(store, draft(keys=("k1",)))
    for keys in (("k2", "k1"), ("k2",), ("k3", "k2"), ("k3",)):
        assert await store.append([draft(keys=keys)]) == [Appended(first, duplicate=True)]


async def test_a_key_past_its_window_is_remembered_beside_a_known_one(
    open_store: Opener, clock: Clock
) -> None:
    """It stands for what the known one stands for from then on, as a key does that was never given before."""
    store = await open_store(windows=Windows(key_window_s=100))
    await put(store, draft(keys=("old",)))
    clock.pass_s(101)
    (first,) = await put(store, draft(keys=("known",)))
    for keys in (("known", "old"), ("old",)):
        assert await store.append([draft(keys=keys)]) == [Appended(first, duplicate=True)]


async def test_calls_that_wait_together_give_a_key_past_its_window_anew(
    open_store: Opener, clock: Clock
) -> None:
    """The first of them wins it, and the second, known by another key, contradicts it."""
    store = await open_store(windows=Windows(key_window_s=100))
    await put(store, draft(keys=("old",)))
    clock.pass_s(101)
    await put(store, draft(keys=("known",)))
    calls = [store.append([draft(data=b"2", keys=("old",))]), store.append([draft(keys=("known", "old"))])]
    (new,), (clash,) = [await call for call in calls]
    assert isinstance(new, Appended)
    assert not new.duplicate
    assert isinstance(clash, KeyConflictError)


async def test_a_conflict_on_any_key_is_a_conflict(store: Store) -> None:
    """One key with the same body does not outweigh another with a different one, and nothing is remembered."""
    await put(store, draft(keys=("k1",)), draft(data=b"2", keys=("k2",)))
    (outcome,) = await store.append([draft(keys=("k1", "k2", "k3"))])
    assert isinstance(outcome, KeyConflictError)
    (new,) = await store.append([draft(data=b"3", keys=("k3",))])
    assert isinstance(new, Appended)
    assert not new.duplicate


async def test_one_key_given_twice_is_one_key(store: Store) -> None:
    """A draft that names a key twice is not its own duplicate."""
    (outcome,) = await store.append([draft(keys=("k", "k"))])
    assert isinstance(outcome, Appended)
    assert not outcome.duplicate


async def test_keys_outlive_trimming(open_store: Opener, clock: Clock) -> None:
    """A message that is gone is still known by its key."""
    store = await open_store(Retention(max_age_s=10, max_bytes=None), Windows(key_window_s=1000))
    (first,) = await put(store, draft(keys=("k",)))
    clock.pass_s(500)
    await trim_all(store)
    assert await everything(store) == []
    assert await store.append([draft(keys=("k",))]) == [Appended(first, duplicate=True)]


@pytest.mark.parametrize("trimmed", [False, True], ids=["untouched", "trimmed"])
async def test_a_key_ends_with_its_window(open_store: Opener, clock: Clock, trimmed: bool) -> None:
    """Past its window a key is new again, with any body, whether or not it was cleared away."""
    store = await open_store(windows=Windows(key_window_s=100))
    (first,) = await put(store, draft(keys=("k",)))
    clock.pass_s(99)
    assert await store.append([draft(keys=("k",))]) == [Appended(first, duplicate=True)]
    clock.pass_s(2)
    if trimmed:
        assert await trim_all(store) == 1
    (again,) = await store.append([draft(data=b"2", keys=("k",))])
    assert isinstance(again, Appended)
    assert not again.duplicate
    assert await store.append([draft(data=b"2", keys=("k",))]) == [Appended(again.cursor, duplicate=True)]
    clock.pass_s(101)
    assert await trim_all(store) == 1


async def test_a_key_may_bring_its_own_window(open_store: Opener, clock: Clock) -> None:
    """A key's own window beats the store's, shorter or longer."""
    store = await open_store(windows=Windows(key_window_s=100))
    await put(store, draft(keys=("short",), window_ms=10_000), draft(keys=("long",), window_ms=10**6))
    clock.pass_s(200)
    short, long = await store.append([draft(keys=("short",)), draft(keys=("long",))])
    assert isinstance(short, Appended)
    assert isinstance(long, Appended)
    assert (short.duplicate, long.duplicate) == (False, True)


async def test_the_number_of_keys_is_bounded(open_store: Opener) -> None:
    """Above keys_max the keys that would end first are forgotten in small steps, and counted."""
    store = await open_store(windows=Windows(keys_max=100))
    await put(store, *(draft(keys=(f"k{number}",), window_ms=10**6 + number) for number in range(1300)))
    steps = []
    while step := await store.trim():
        steps.append(step)
    assert sum(steps) == 1200
    assert max(steps) <= 500
    assert store.keys_cut == 1200
    oldest, newest = await store.append([draft(keys=("k0",)), draft(keys=("k1299",))])
    assert isinstance(oldest, Appended)
    assert isinstance(newest, Appended)
    assert (oldest.duplicate, newest.duplicate) == (False, True)


async def test_a_renewed_key_counts_once(open_store: Opener, clock: Clock) -> None:
    """A key given anew after its window is one key, not two."""
    store = await open_store(windows=Windows(key_window_s=10, keys_max=1))
    for _ in range(3):
        await put(store, draft(keys=("k",)))
        clock.pass_s(11)
    await put(store, draft(keys=("k",)))
    assert await trim_all(store) == 0
    assert store.keys_cut == 0


async def test_keys_survive_reopening(open_store: Opener, backend: Backend) -> None:
    """On a durable store a retry after a restart is still the same message."""
    if not backend.durable:
        pytest.skip("not durable")
    store = await open_store()
    (first,) = await put(store, draft(keys=("k",)))
    await store.close()
    store = await open_store()
    assert await store.append([draft(keys=("k",))]) == [Appended(first, duplicate=True)]

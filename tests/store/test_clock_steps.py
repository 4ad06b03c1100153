"""What a step of the wall clock does to a log of this machine: nothing that could not be put right (guarantee G3)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.contract.asserting import everything, put, trim_all
from tests.contract.backends import draft
from tests.store.test_pace import DAY_MS, PATIENCE_S, START_MS, Machine

from fast_sse.store.base import Appended, Clocked, Retention, Windows
from fast_sse.store.memory.store import MemoryStore
from fast_sse.store.sqlite.store import SqliteStore

A_DAY = Retention(max_age_s=86_400, max_bytes=None)
WINDOW_S = 3600
STEPS = pytest.mark.parametrize("step_s", [3720, 2 * 86_400, -3600, 56 * 365 * 86_400])

AnyStore = MemoryStore | SqliteStore


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture(params=["memory", "sqlite"])
async def opened(
    request: pytest.FixtureRequest, machine: Machine, tmp_path: Path
) -> AsyncIterator[Callable[[], Awaitable[AnyStore]]]:
    stores: list[AnyStore] = []

    async def open_store() -> AnyStore:
        windows = Windows(key_window_s=WINDOW_S)
        store: AnyStore
        if request.param == "memory":
            store = MemoryStore(A_DAY, windows)
        else:
            store = SqliteStore(tmp_path / "log", A_DAY, windows, ballast_bytes=4096)
        store._pace = machine.unopened()
        await store.open()
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        await store.close()


async def duplicate(store: AnyStore) -> bool:
    """Whether the key is known."""
    (outcome,) = await store.append([draft(keys=("k",))])
    assert isinstance(outcome, Appended)
    return outcome.duplicate


@STEPS
async def test_no_step_deletes_a_message_or_forgets_a_key(
    opened: Callable[[], Awaitable[AnyStore]], machine: Machine, step_s: int
) -> None:
    """However far and however long the wall clock is off, and also once that is believed."""
    store = await opened()
    assert not await duplicate(store)
    machine.step_s(step_s)
    for _ in range(3):
        assert await trim_all(store) == 0
        assert await duplicate(store)
        await put(store, draft())
        machine.pass_s(PATIENCE_S + 1)
    assert abs(store.now_ms() - machine.wall_ms) <= 1000, "it was believed"
    assert len(await everything(store)) == 4


@STEPS
async def test_age_and_windows_end_all_the_same(
    opened: Callable[[], Awaitable[AnyStore]], machine: Machine, step_s: int
) -> None:
    """By the clock that nobody sets: an hour for the key, a day for the message, wherever the wall clock stands."""
    store = await opened()
    await duplicate(store)
    machine.step_s(step_s)
    store.now_ms()
    machine.pass_s(WINDOW_S - 1)
    assert await duplicate(store)
    machine.pass_s(1)
    assert not await duplicate(store)
    machine.pass_s(86_400 - WINDOW_S)
    assert await trim_all(store) == 1
    machine.pass_s(1)
    assert await trim_all(store) == 1
    machine.pass_s(WINDOW_S)
    assert await trim_all(store) == 1
    assert await everything(store) == []


@STEPS
async def test_times_of_records_follow_what_is_believed(
    opened: Callable[[], Awaitable[AnyStore]], machine: Machine, step_s: int
) -> None:
    """Not before ten minutes, and never below the record before."""
    store = await opened()
    assert isinstance(store, Clocked)
    await put(store, draft())
    machine.step_s(step_s)
    store.now_ms()
    machine.pass_s(1)
    await put(store, draft())
    machine.pass_s(PATIENCE_S)
    await put(store, draft())
    shown = START_MS + 1000 + PATIENCE_S * 1000 + step_s * 1000
    times = [record.time_ms for record in await everything(store)]
    assert times == [START_MS, START_MS + 1000, max(START_MS + 1000, shown)]


async def test_a_process_that_follows_goes_on_at_the_same_time(tmp_path: Path, machine: Machine) -> None:
    """While nobody wrote the wall clock was set two days ahead: the log is as old as it is, and its key is known."""
    windows = Windows(key_window_s=WINDOW_S)

    async def run(off_s: float) -> tuple[bool, int]:
        store = SqliteStore(tmp_path, A_DAY, windows, ballast_bytes=4096)
        store._pace = machine.unopened()
        await store.open()
        known, gone = await duplicate(store), await trim_all(store)
        await store.close()
        machine.pass_s(off_s)
        return known, gone

    assert await run(600) == (False, 0)
    machine.step_s(2 * 86_400)
    assert await run(WINDOW_S) == (True, 0)
    assert await run(0) == (False, 0)


async def test_a_machine_that_was_off_forgets_nothing_of_today(tmp_path: Path, machine: Machine) -> None:
    """Off for two days: what is older goes after ten minutes, and what was published since stays for its day, key included."""
    store = SqliteStore(tmp_path, A_DAY, Windows(key_window_s=WINDOW_S), ballast_bytes=4096)
    store._pace = machine.unopened()
    await store.open()
    await put(store, draft(data=b"old"))
    await store.close()
    machine.start_anew(off_s=2 * 86_400)
    store = SqliteStore(tmp_path, A_DAY, Windows(key_window_s=WINDOW_S), ballast_bytes=4096)
    store._pace = machine.unopened()
    await store.open()
    assert await trim_all(store) == 0
    await duplicate(store)
    assert (await everything(store))[-1].time_ms == START_MS + 2 * DAY_MS
    store.now_ms()
    machine.pass_s(PATIENCE_S)
    assert await trim_all(store) == 1
    assert await duplicate(store)
    assert len(await everything(store)) == 1
    await store.close()

"""A place, a clock and a way to open stores on it; whatever a test leaves open is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.contract.backends import BACKENDS, FOREVER, Backend, Clock
from tests.contract.places import BOUNDS, Place

from fast_sse.store.base import Retention, Store, Windows
from fast_sse.store.letters import LetterBounds

Opener = Callable[..., Awaitable[Store]]


@pytest.fixture(params=BACKENDS, ids=[backend.name for backend in BACKENDS])
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def place(backend: Backend, tmp_path: Path) -> AsyncIterator[Place]:
    found = backend.place(tmp_path / "log")
    yield found
    await found.clear()


@pytest.fixture
async def open_store(place: Place, clock: Clock) -> AsyncIterator[Opener]:
    opened: list[Store] = []

    async def open_store(
        retention: Retention = FOREVER, windows: Windows | None = None, letters: LetterBounds = BOUNDS
    ) -> Store:
        store = place.make(retention, windows or Windows(), clock, letters)
        await store.open()
        opened.append(store)
        return store

    yield open_store
    for store in opened:
        await store.close()


@pytest.fixture
async def store(open_store: Opener) -> Store:
    return await open_store()

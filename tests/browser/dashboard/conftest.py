"""One hub for the tests of a worker that let it live, each on channels of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, expect
from tests.browser.conftest import need, watched
from tests.browser.dashboard.operators import KEY, XSS, Operated, Operator


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """On SQLite, in a directory of a hostile name: its settings are shown, too."""
    need("chromium")
    directory = tmp_path_factory.mktemp("operated")
    with Operated(directory, settings={"FAST_SSE_DATA_DIR": str(directory / XSS)}) as hub:
        yield hub


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Operated]:
    """A hub that the test may kill and start again at the same place."""
    need("chromium")
    with Operated(tmp_path) as hub:
        yield hub


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(chromium: Browser, hub: Operated) -> AsyncIterator[BrowserContext]:
    """A browser whose operator is signed in, and which keeps the pages' files as browsers do."""
    context = await chromium.new_context()
    answer = await context.request.post(f"{hub.origin}/v1/session", data={"key": KEY})
    assert answer.ok, await answer.text()
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def operator(desk: BrowserContext, hub: Operated, complaints: list[str]) -> AsyncIterator[Operator]:
    """One who sees the overview; its numbers may be yet to come."""
    page = await desk.new_page()
    watched(page, complaints)
    operator = Operator(page, hub)
    await page.goto(hub.origin)
    await expect(page.locator("h1")).to_be_attached()
    yield operator
    await page.close()

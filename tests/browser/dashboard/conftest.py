"""One hub for the tests of a worker that let it live, each on channels of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from tests.browser.conftest import OpenPage, need
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
async def signed_in(chromium: Browser, hub: Operated) -> Any:
    """The cookies of a session, for contexts that are not about signing in."""
    context = await chromium.new_context()
    answer = await context.request.post(f"{hub.origin}/v1/session", data={"key": KEY})
    assert answer.ok, await answer.text()
    state = await context.storage_state()
    await context.close()
    return state


@pytest_asyncio.fixture(loop_scope="session")
async def operator(open_page: OpenPage, hub: Operated, signed_in: Any) -> Operator:
    """One who is signed in and sees the overview; its numbers may be yet to come."""
    operator = Operator(await open_page(storage_state=signed_in), hub)
    await operator.page.goto(hub.origin)
    await expect(operator.page.locator("h1")).to_be_attached()
    return operator

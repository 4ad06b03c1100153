"""One hub for the tests of a worker that let it live, each on channels of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.browser.conftest import OpenPage, need
from tests.browser.dashboard.operators import Operated, Operator


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """On SQLite."""
    need("chromium")
    with Operated(tmp_path_factory.mktemp("operated")) as hub:
        yield hub


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Operated]:
    """A hub that the test may kill and start again at the same place."""
    need("chromium")
    with Operated(tmp_path) as hub:
        yield hub


@pytest_asyncio.fixture(loop_scope="session")
async def operator(open_page: OpenPage, hub: Operated) -> Operator:
    """One who has signed in and sees the overview."""
    return await Operator.at(await open_page(), hub)

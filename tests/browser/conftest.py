"""A real Chromium, one for all tests of a worker, and a demo for each file.

Pages are watched: what the console, the policy or an uncaught error says is kept, and a test can ask that it be
nothing. Pictures go to FAST_SSE_ARTEFACTS, or to a directory that is printed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect
from tests.browser.demo import Demo

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
CHROMIUM = "/usr/bin/chromium"
EXPECT_MS = 20_000

#: `await open_page(**options)`: a page in a context of its own, with Playwright's options for contexts.
OpenPage = Callable[..., Awaitable[Page]]


def need(*programs: str) -> None:
    """Skip, saying so, where a program is missing; in CI nothing may be skipped for want of one."""
    missing = [
        name for name in programs if shutil.which(name) is None and not Path("/usr/sbin", name).exists()
    ]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing, f"not installed: {', '.join(missing)}; see scripts/setup-test-packages"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser that the system has; Playwright brings none."""
    need("chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        expect.set_options(timeout=EXPECT_MS)
        yield browser
        await browser.close()


def watched(page: Page, complaints: list[str]) -> Page:
    """Keep what a page complains of."""
    page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    return page


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium: Browser, complaints: list[str]) -> AsyncIterator[OpenPage]:
    """Pages whose complaints are kept; all are closed after the test."""
    contexts = []

    async def open_page(**options: Any) -> Page:
        context = await chromium.new_context(**options)
        contexts.append(context)
        return watched(await context.new_page(), complaints)

    yield open_page
    for context in contexts:
        await context.close()


@pytest.fixture
def complaints() -> list[str]:
    """All that the pages of a test have complained of. A violation of the policy is an error on the console."""
    return []


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for all tests of a file that let it live."""
    need("chromium")
    with Demo(tmp_path_factory.mktemp("demo"), port=0) as demo:
        yield demo


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Demo]:
    """A demo that the test may kill and start again at the same place."""
    need("chromium")
    with Demo(tmp_path) as demo:
        yield demo


@pytest.fixture(scope="session")
def artefacts(pytestconfig: pytest.Config) -> Path:
    """Where pictures are kept, outside the repository; said on standard error, whatever pytest captures."""
    named = os.environ.get("FAST_SSE_ARTEFACTS")
    directory = Path(named or tempfile.mkdtemp(prefix="fast-sse-artefacts-"))
    directory.mkdir(parents=True, exist_ok=True)
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stderr.write(f"\npictures of the demo page: {directory}\n")
    return directory

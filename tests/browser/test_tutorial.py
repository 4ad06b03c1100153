"""docs/tutorial.md, followed in a real browser: its files, its commands, a login, and a kill -9 amid the shopping."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import OpenPage, need
from tests.docs.shell import DOCS, blocks
from tests.support.kernel import eventually
from tests.support.server import ROOT, stable_port

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.timeout(120),
]

PAGE = (DOCS / "tutorial.md").read_text()
START_S = 20


class Reader:
    """Somebody with a terminal in the folder of the shop, who pastes what the page shows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = stable_port()
        (folder / "backend.py").write_text(*blocks(PAGE, "python"))
        (folder / "page.html").write_text(*blocks(PAGE, "html"))
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        _, self.start, self.kill, self.again = blocks(PAGE, "sh")
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
        self.shell = subprocess.Popen(
            ["bash", "-u"],
            cwd=folder,
            env={**kept, "PYTHONPATH": str(ROOT / "src"), "FAST_SSE_LIMITS__RETRY_MS": "40"},
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def paste(self, block: str) -> None:
        """Type a block, on a port that is free on this machine."""
        assert self.shell.stdin is not None
        self.shell.stdin.write(block.replace("8000", str(self.port)))
        self.shell.stdin.flush()

    async def listening(self, *, wanted: bool = True) -> None:
        """Wait until the shop listens, or until it does not any more."""
        await eventually(lambda: self._listens() is wanted, START_S, f"a shop that listens: {wanted}")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def die_earlier(self) -> None:
        """Leave the database as a shop does that died before it marked one change, and published another."""
        message = json.dumps({"added": "chair", "cart": {"lamp": 1, "chair": 1}})
        with closing(sqlite3.connect(self.folder / "shop.db")) as db, db:
            db.execute("UPDATE changes SET published = 0")
            db.execute("INSERT INTO changes (request, user, message) VALUES ('r', 'ada', ?)", (message,))

    def end(self) -> None:
        """Kill the shell and whatever it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.communicate()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """The shop of a reader who has come to the end of chapter 3."""
    need("chromium")
    reader = Reader(tmp_path)
    yield reader
    reader.end()


async def log_in(page: Page, reader: Reader, name: str, password: str) -> None:
    """Open the shop and fill the form."""
    await page.goto(f"http://127.0.0.1:{reader.port}/")
    await page.fill("[name=name]", name)
    await page.fill("[name=password]", password)
    await page.click("#login button")
    await expect(page.locator("#state")).to_have_text("live")


async def shows(page: Page, history: list[str], cart: list[str]) -> None:
    """Wait until a page shows exactly this."""
    await expect(page.locator("#history li")).to_have_text(history)
    await expect(page.locator("#cart li")).to_have_text(cart)


@pytest.mark.asyncio(loop_scope="session")
async def test_shopping_goes_on_over_a_kill(open_page: OpenPage, reader: Reader) -> None:
    """Both windows of a user show every change once and in one order over a kill -9; another user sees none of them."""
    reader.paste(reader.start)
    await reader.listening()
    first, second, stranger = [await open_page() for _ in range(3)]
    for page in (first, second):
        await log_in(page, reader, "ada", "lovelace")
    await log_in(stranger, reader, "grace", "hopper")
    await first.click("[data-sku=lamp]")
    for page in (first, second):
        await shows(page, ["added a lamp"], ["1 × lamp"])

    reader.paste(reader.kill)
    await reader.listening(wanted=False)
    await expect(first.locator("#state")).to_have_text("down")
    await first.click("[data-sku=lamp]")
    reader.die_earlier()
    reader.paste(reader.again)
    await expect(first.locator("#history li")).to_have_count(3)
    await second.click("[data-sku=chair]")
    history = ["added a lamp", "added a chair", "added a lamp", "added a chair"]
    for page in (first, second):
        await shows(page, history, ["2 × lamp", "2 × chair"])
    await shows(stranger, [], [])


@pytest.mark.asyncio(loop_scope="session")
async def test_a_stream_is_its_users_own(open_page: OpenPage, reader: Reader) -> None:
    """A session opens the stream of its own cart and no other one, and without a session there is none."""
    reader.paste(reader.start)
    await reader.listening()
    page = await open_page()
    await log_in(page, reader, "grace", "hopper")
    statuses = await page.evaluate(
        """async () => {
          const stream = (user, credentials) => {
            const stop = new AbortController();
            return fetch(`/sse/v1/subscribe/events/${user}/types/cart`, { credentials, signal: stop.signal })
              .then(({ status }) => (stop.abort(), status));
          };
          const cart = await fetch("/cart", { credentials: "omit" });
          const asked = [["grace", "include"], ["ada", "include"], ["*", "include"], ["grace", "omit"]];
          return [...(await Promise.all(asked.map((one) => stream(...one)))), cart.status];
        }"""
    )
    assert statuses == [200, 401, 401, 401, 401]
    wrong = await page.evaluate(
        """async () => {
          const body = JSON.stringify({ name: "ada", password: "hopper" });
          const headers = { "Content-Type": "application/json" };
          return (await fetch("/login", { method: "POST", headers, body })).status;
        }"""
    )
    assert wrong == 401


def test_the_files_of_the_page_are_those_of_the_repository() -> None:
    """Each program of the page stands in examples/shop, character for character, and no other file stands there."""
    shop = ROOT / "examples" / "shop"
    shown = dict(re.findall(r"^Save this as `([\w.]+)`.*\n\n```\w+\n((?:.*\n)*?)```\n", PAGE, re.MULTILINE))
    assert shown == {file.name: file.read_text() for file in shop.iterdir() if file.is_file()}

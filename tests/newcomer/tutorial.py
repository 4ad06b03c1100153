"""docs/tutorial.md on a newcomer's machine: all that it shows is pasted, and its shop is used in the windows it asks for.

The browser runs on this machine, and not on the newcomer's: a page comes over the same address to both.
"""

from __future__ import annotations

import time

from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.docs.shell import DOCS
from tests.newcomer.machine import Machine
from tests.newcomer.terminal import Terminal, typed

PAGE = DOCS / "tutorial.md"
SHOP_PORT = 8000
#: What a reader does who has started the shop: wait until it is there, and read its log if it is gone.
WAIT = "until grep -qs ' running on ' shop.log; do kill -0 $! || { cat shop.log; exit 1; }; sleep 0.2; done"
#: A page comes back after some seconds, and asks again after a pause that grows.
EXPECT_MS = 60_000


def tutorial(newcomer: Machine) -> float:
    """Seconds from the empty folder until all windows show what was bought while the shop was dead."""
    began_s = time.monotonic()
    pasted = typed(PAGE.read_text())
    (kill,) = (number for number, block in enumerate(pasted) if "kill -9" in block)
    expect.set_options(timeout=EXPECT_MS)
    with Terminal(newcomer) as terminal, sync_playwright() as playwright:
        for block in pasted[:kill]:
            terminal.paste(block)
        terminal.paste(WAIT)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        windows = Windows(browser)
        windows.open()
        windows.shop()
        terminal.paste(pasted[kill])
        windows.shop_while_it_is_dead()
        for block in pasted[kill + 1 :]:
            terminal.paste(block)
        windows.have_it_all()
        browser.close()
    return time.monotonic() - began_s


class Windows:
    """Two windows of Ada's, and a private one of Grace's."""

    def __init__(self, browser: Browser) -> None:
        ada, grace = browser.new_context(), browser.new_context()
        self.first, self.second, self.private = ada.new_page(), ada.new_page(), grace.new_page()

    def open(self) -> None:
        """Ada logs in once: her second window has the session already."""
        for window in (self.first, self.second, self.private):
            window.goto(f"http://127.0.0.1:{SHOP_PORT}/")
            if window is not self.second:
                name, password = ("ada", "lovelace") if window is self.first else ("grace", "hopper")
                window.fill("[name=name]", name)
                window.fill("[name=password]", password)
                window.click("#login button")
            expect(window.locator("#state")).to_have_text("live")

    def shop(self) -> None:
        """Both windows of Ada's show a change that was made in one."""
        self.first.click("[data-sku=lamp]")
        for window in (self.first, self.second):
            shows(window, ["added a lamp"], ["1 × lamp"])

    def shop_while_it_is_dead(self) -> None:
        """Every window says so, and Ada's shopping goes on."""
        for window in (self.first, self.second, self.private):
            expect(window.locator("#state")).to_have_text("down")
        self.first.click("[data-sku=lamp]")
        self.first.click("[data-sku=chair]")

    def have_it_all(self) -> None:
        """Both windows show each change once, in one order. The last one comes after all that could be there twice."""
        expect(self.first.locator("#history li")).to_have_count(3)
        self.second.click("[data-sku=chair]")
        expect(self.first.locator("#history li")).to_have_count(4)
        history = self.first.locator("#history li").all_text_contents()
        assert sorted(history) == ["added a chair"] * 2 + ["added a lamp"] * 2
        for window in (self.first, self.second):
            shows(window, history, ["2 × lamp", "2 × chair"])
        shows(self.private, [], [])
        expect(self.private.locator("#state")).to_have_text("live")


def shows(window: Page, history: list[str], cart: list[str]) -> None:
    """Wait until a window shows exactly this."""
    expect(window.locator("#history li")).to_have_text(history)
    expect(window.locator("#cart li")).to_have_text(cart)

"""A viewer who stays: through a kill of the node, a stall, another key. No number is ever shown as newer than it is."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time

import pytest
from playwright.async_api import BrowserContext, Page, expect
from tests.browser.conftest import OpenPage
from tests.browser.dashboard.operators import KEY, Operated, Operator
from tests.support.http1 import request_bytes

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

CHANNEL = ("watched", "hub")
#: Three seconds are fresh, one more may pass until the page looks again, and half a one for a busy machine.
SHOWN_FRESH_MS = 4500

#: Notes how old the last frame was, whenever the page showed its numbers as fresh, by what the browser itself received.
#: A look that comes late is none: whatever held it up held up the page, which looks right after it.
_WATCH = """() => {
  const Native = window.EventSource;
  window.heard = 0;
  window.oldest = 0;
  let looked = Date.now();
  window.EventSource = class extends Native {
    constructor(url) {
      super(url);
      this.addEventListener("frame", () => { window.heard = Date.now(); });
    }
  };
  setInterval(() => {
    const late = Date.now() - looked > 200;
    looked = Date.now();
    if (late) return;
    const shown = document.querySelector("#fresh")?.dataset.phase === "live" && !document.body.classList.contains("stale");
    if (shown && window.heard) window.oldest = Math.max(window.oldest, Date.now() - window.heard);
  }, 50);
}"""


async def watched(page: Page, hub: Operated) -> Operator:
    """An operator whose page is watched for false freshness."""
    await page.add_init_script(f"({_WATCH})()")
    return await Operator.at(page, hub)


async def never_false(page: Page) -> None:
    """Whenever a number was shown as fresh, its frame was."""
    assert 0 < await page.evaluate("window.oldest") < SHOWN_FRESH_MS


async def test_a_viewer_outlives_a_kill(open_page: OpenPage, mortal: Operated) -> None:
    """Killed, the node's last numbers are grey and have an age; started again, the page is back by itself, and says so."""
    page = await open_page()
    operator = await watched(page, mortal)
    subscriber = mortal.subscriber(CHANNEL).start()
    await subscriber.ready()
    await mortal.publish(CHANNEL, 1)
    await expect(operator.figure("Streams")).to_have_text("1")
    fresh_colour = await operator.figure("Streams").evaluate("(value) => getComputedStyle(value).color")
    await subscriber.stop()
    mortal.kill_now()
    killed_s = time.time()
    await mortal.await_exit()
    await expect(page.locator("#fresh")).to_contain_text("reconnecting")
    await expect(page.locator("#fresh")).to_have_text(
        re.compile(r"^last update ([2-9]|\d\d) s ago, reconnecting$")
    )
    await expect(operator.text("#state")).to_contain_text("No news from")
    await expect(operator.figure("Streams")).not_to_have_css("color", fresh_colour)
    await expect(page.locator('section[aria-label="Streams"] .age')).to_have_text(re.compile(r"^\d+ s old$"))
    await mortal.astart()
    await operator.is_live()
    await expect(operator.text("#state")).to_contain_text("It was restarted")
    await expect(operator.figure("Streams")).to_have_text("0")
    await expect(operator.figure("Streams")).to_have_css("color", fresh_colour)
    holes = await page.evaluate(
        "import('/static/live.js').then(({ past }) => past.at.flatMap((at, i) => i && at - past.at[i - 1] > 2.5 * past.step ? [[past.at[i - 1], at]] : []))"
    )
    assert any(before <= killed_s <= after for before, after in holes), (
        "what was before the kill is still shown, and the time without a node is a hole"
    )
    await never_false(page)
    mortal.kill_now()
    await operator.click("Sign out")
    await operator.told("You are still signed in.")


async def test_a_node_that_stands_still_is_seen(open_page: OpenPage, mortal: Operated) -> None:
    """Stopped, the node keeps its connections and says nothing: the page shows the age, and is live again when it goes on."""
    page = await open_page()
    operator = await watched(page, mortal)
    os.kill(mortal.pid, signal.SIGSTOP)
    try:
        await expect(page.locator("#fresh")).to_have_text(re.compile(r"^last update ([4-9]|\d\d) s ago$"))
        await expect(operator.text("#state")).to_contain_text("The connection is open, but nothing arrives.")
    finally:
        os.kill(mortal.pid, signal.SIGCONT)
    await operator.is_live()
    await never_false(page)


async def test_another_key_asks_for_it(open_page: OpenPage, mortal: Operated) -> None:
    """Started again with another key, the node ends the session: the page asks for the key, and goes on where it was."""
    page = await open_page()
    await Operator.at(page, mortal, "publish")  # a page that asks for nothing by itself
    mortal.kill_now()
    await mortal.await_exit()
    mortal.change_key(f"{KEY}, another one")
    await mortal.astart()
    await page.get_by_label("Admin key").fill(f"{KEY}, another one")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#fresh")).to_have_text("live")
    await expect(page.locator("h1")).to_have_text("Publish")


async def test_one_viewer_too_many_is_told(desk: BrowserContext, hub: Operated) -> None:
    """Where as many pages are open as a node allows, the next one says so and tries again later, instead of showing nothing."""
    target = request_bytes("GET", "/v1/live", {"Authorization": f"Bearer {KEY}"})
    others, first = [], b"history"
    try:
        while first == b"history":
            reader, writer = await asyncio.open_connection(*hub.admin)
            others.append(writer)
            writer.write(target)
            await reader.readuntil(b"event: ")
            first = (await reader.readline()).strip()
        page = await desk.new_page()
        await page.goto(hub.origin)
        await expect(page.locator("#fresh")).to_have_text("too many viewers; trying again in 15 s")
        await expect(page.locator("#state")).to_contain_text("too many viewers")
        await page.close()
    finally:
        for writer in others:
            writer.close()
            await writer.wait_closed()

"""The demo page can be read: on a desk and on a phone, by day and by night, dropped, resumed and with a gap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from tests.browser.conftest import OpenPage
from tests.browser.demo import Demo

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
#: WCAG 2.2, 1.4.3: what normal text needs against what is behind it.
CONTRAST_MIN = 4.5
#: WCAG 2.2, 2.5.8: the least side of what a finger should hit.
TARGET_PX_MIN = 24

_FAINT = """(least) => {
  const channel = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const shown = (element) => element.checkVisibility() && element.getClientRects().length
    && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const every = [...document.body.querySelectorAll("*")].filter(shown);
  const faint = [];
  for (const element of every) {
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < least) faint.push(`${ratio.toFixed(2)} ${element.tagName}.${element.className}: ${element.textContent.slice(0, 40)}`);
  }
  return { looked: every.length, faint };
}"""

_SMALL = """(least) => [...document.querySelectorAll("button, select, textarea")]
  .filter((control) => control.checkVisibility())
  .filter((control) => { const box = control.getBoundingClientRect(); return Math.min(box.width, box.height) < least; })
  .map((control) => control.id || control.textContent)"""


#: What is not inside its station, and pairs in it that lie on each other.
_MISPLACED = """() => {
  const wrong = [];
  for (const station of document.querySelectorAll(".station")) {
    const outer = station.getBoundingClientRect();
    const parts = [...station.querySelectorAll("h2, .count, p.small, .state, .waits, .waits .tray, button")]
      .filter((part) => part.checkVisibility())
      .map((part) => ({ part, box: part.getBoundingClientRect(), name: part.id || part.textContent }));
    for (const { part, box, name } of parts) {
      if (box.left < outer.left || box.right > outer.right || box.top < outer.top || box.bottom > outer.bottom
          || part.scrollWidth > part.clientWidth + 1) wrong.push(`${name} sticks out of ${station.id}`);
      for (const other of parts) {
        if (part.contains(other.part) || other.part.contains(part) || name >= other.name) continue;
        const apart = box.right <= other.box.left || other.box.right <= box.left
          || box.bottom <= other.box.top || other.box.bottom <= box.top;
        if (!apart) wrong.push(`${name} lies on ${other.name}`);
      }
    }
  }
  return wrong;
}"""


async def expect_readable(page: Page) -> None:
    """Nothing is wider than the window, no text is faint, no control is tiny."""
    assert await page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    found: dict[str, Any] = await page.evaluate(_FAINT, CONTRAST_MIN)
    assert found["looked"] > 20
    assert found["faint"] == []
    assert await page.evaluate(_SMALL, TARGET_PX_MIN) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_the_page_is_readable(
    open_page: OpenPage, demo: Demo, artefacts: Path, size: str, scheme: str
) -> None:
    """In each state nothing overflows, all text has a contrast of 4.5, and controls are big enough to hit."""
    page = await open_page(viewport=SIZES[size], color_scheme=scheme)

    async def keep(state: str) -> None:
        await expect_readable(page)
        await page.screenshot(path=artefacts / f"demo-{size}-{scheme}-{state}.png", full_page=True)

    await page.goto(demo.origin)
    await expect(page.locator("#state-a")).to_have_text("live")
    await page.click("#publish-five")
    await expect(page.locator("#arrived-a")).to_have_text("5")
    await page.click("#drop-a")
    await page.click("#publish-five")
    await expect(page.locator("#waiting-a")).to_have_text("5")
    await keep("dropped")
    await page.click("#resume-a")
    await expect(page.locator("#replayed-a")).to_have_text("5")
    await keep("resumed")
    await page.click("#drop-a")
    await page.click("#resume-broken-a")
    await expect(page.locator("#gaps-a")).to_have_text("1")
    await keep("gap")
    await page.evaluate("document.getElementById('hub').dataset.state = 'killed'")
    await keep("killed")


async def test_on_a_phone_the_arrival_is_seen_where_one_taps(open_page: OpenPage, demo: Demo) -> None:
    """Publish, the count of what arrived and the message itself are in one screen of a phone, without scrolling."""
    page = await open_page(viewport=SIZES["phone"], has_touch=True, is_mobile=True)
    await page.goto(demo.origin)
    await expect(page.locator("#state-a")).to_have_text("live")
    await page.tap("#publisher button.main")
    await expect(page.locator("#arrived-a")).to_have_text("1")
    for seen in ("#publisher button.main", "#arrived-a", "#arrived-b", "#kill", "#guide", "#log-a .message"):
        await expect(page.locator(seen)).to_be_in_viewport(ratio=1)
    assert await page.evaluate("scrollY") == 0


async def test_a_narrow_phone_has_room(open_page: OpenPage, demo: Demo) -> None:
    """At 320 px, the least that WCAG 2.2 (1.4.10) asks for, nothing is wider than the window and no control is tiny."""
    page = await open_page(viewport={"width": 320, "height": 700})
    await page.goto(demo.origin)
    await expect(page.locator("#state-a")).to_have_text("live")
    await expect_readable(page)


@pytest.mark.parametrize("width", [320, 390, 700, 820, 1217])
async def test_nothing_sticks_out_of_its_place(open_page: OpenPage, demo: Demo, width: int) -> None:
    """At any width the parts of a station are inside it and none lies on another, also with five waiting at a dead hub."""
    page = await open_page(viewport={"width": width, "height": 900})
    await page.goto(demo.origin)
    for state in ("#state-a", "#state-b"):
        await expect(page.locator(state)).to_have_text("live")
    await page.click("#drop-a")
    await page.click("#publish-five")
    await expect(page.locator("#tray-a .dot")).to_have_count(5)
    assert await page.evaluate(_MISPLACED) == []
    await page.evaluate(
        """() => {
          document.getElementById("hub").dataset.state = "killed";
          document.getElementById("hub-state").textContent = "process 4194304 was killed";
        }"""
    )
    assert await page.evaluate(_MISPLACED) == []


async def test_a_faint_text_would_be_seen(open_page: OpenPage, demo: Demo) -> None:
    """The measure of contrast is no ornament: grey text on white is found."""
    page = await open_page()
    await page.goto(demo.origin)
    await page.evaluate("document.querySelector('h2').style.color = '#999'")
    [faint] = (await page.evaluate(_FAINT, CONTRAST_MIN))["faint"]
    assert faint.startswith("2.85 H2")

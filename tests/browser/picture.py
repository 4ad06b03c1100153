"""Pictures of the demo page: what waited for a subscriber pours out. Two widths, two schemes.

    .venv/bin/python -m tests.browser.picture docs/images

The files depend on the machine's fonts; with Debian's fonts-inter installed they look as those that are there.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Literal, NamedTuple

from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.demo import Demo


class Picture(NamedTuple):
    """A file, the size of its window, and its scheme."""

    name: str
    size: ViewportSize
    scheme: Literal["light", "dark"]


DESK, PHONE = ViewportSize(width=1280, height=640), ViewportSize(width=390, height=720)
PICTURES = (
    Picture("demo.png", DESK, "light"),
    Picture("demo-dark.png", DESK, "dark"),
    Picture("demo-phone.png", PHONE, "light"),
    Picture("demo-phone-dark.png", PHONE, "dark"),
)


async def play(page: Page) -> None:
    """One arrives at both, five are published while A is away, and A comes back."""
    for state in ("#state-a", "#state-b"):
        await expect(page.locator(state)).to_have_text("live")
    await publish(page, 1)
    await expect(page.locator("#arrived-a")).to_have_text("1")
    await page.click("#drop-a")
    for quantity in range(2, 7):
        await publish(page, quantity)
    await expect(page.locator("#waiting-a")).to_have_text("5")
    await expect(page.locator(".lane .dot")).to_have_count(0)
    await page.click("#resume-a")
    await page.evaluate("document.activeElement.blur()")
    await page.locator("#lane-a .dot").nth(2).wait_for(state="attached")


async def publish(page: Page, quantity: int) -> None:
    """One message of its own, and the hub's answer to it."""
    await page.fill("#data", f'{{"sku": "SKU-45678", "quantity": {quantity}, "price": 299.99}}')
    await page.click("#publisher button.main")
    await expect(page.locator("#published")).to_have_text(str(quantity))


async def draw(browser: Browser, picture: Picture, directory: Path) -> None:
    """Play the scene in a demo of its own and keep the screen."""
    with tempfile.TemporaryDirectory() as scratch, Demo(Path(scratch)) as demo:
        page = await browser.new_page(viewport=picture.size, color_scheme=picture.scheme)
        await page.goto(demo.origin)
        await play(page)
        await page.evaluate(
            "document.getAnimations().forEach((run) => { if (run.playState === 'running') run.pause(); })"
        )
        await page.screenshot(path=directory / picture.name)
        await page.close()


async def main(directory: Path) -> None:
    """All pictures."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for picture in PICTURES:
            await draw(browser, picture, directory)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

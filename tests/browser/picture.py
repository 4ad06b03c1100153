"""The picture of the demo page in the README: some messages live, some published while the connection was dropped.

    .venv/bin/python -m tests.browser.picture docs/images/demo.png

The file depends on the machine's fonts; with Debian's fonts-inter installed it looks as the one that is there.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, ViewportSize, async_playwright, expect
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.demo import Demo

SIZE: ViewportSize = {"width": 1180, "height": 790}


async def play(page: Page) -> None:
    """One arrives, two are published while the connection is dropped and come after it, and one more arrives."""
    await expect(page.locator("#state")).to_have_text("live")
    await publish(page, 1)
    await expect(page.locator("#arrived")).to_have_text("1")
    await page.click("#drop")
    await publish(page, 2)
    await publish(page, 3)
    await expect(page.locator("#waiting")).to_have_text("2")
    await page.click("#resume")
    await expect(page.locator("#replayed")).to_have_text("2")
    await publish(page, 4)
    await expect(page.locator("#arrived")).to_have_text("4")
    await page.evaluate("document.activeElement.blur()")


async def publish(page: Page, quantity: int) -> None:
    """One message of its own, and the hub's answer to it."""
    await page.fill("#data", f'{{"sku": "SKU-45678", "quantity": {quantity}, "price": 299.99}}')
    await page.click("#publish button.main")
    await expect(page.locator("#published")).to_have_text(str(quantity))


async def draw(picture: Path) -> None:
    """Play the scene in a demo of its own and keep the screen."""
    with tempfile.TemporaryDirectory() as directory, Demo(Path(directory)) as demo:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            page = await browser.new_page(viewport=SIZE, color_scheme="light")
            await page.goto(demo.origin)
            await play(page)
            picture.parent.mkdir(parents=True, exist_ok=True)
            await page.screenshot(path=picture)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1])))

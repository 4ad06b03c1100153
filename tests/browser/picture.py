"""The picture of the demo page in the README: messages live, others published while the connection was dropped.

    .venv/bin/python -m tests.browser.picture docs/images/demo.png

The file depends on the machine's fonts; with Debian's fonts-inter installed it looks as the one that is there.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.demo import Demo

SIZE = {"width": 1180, "height": 720}


async def play(page: Page) -> None:
    """Two arrive, three are published while the connection is dropped, and come after it."""
    await expect(page.locator("#state")).to_have_text("live")
    for n in (1, 2):
        await page.click("#publish button.main")
        await expect(page.locator("#arrived")).to_have_text(str(n))
    await page.click("#drop")
    for n in (1, 2, 3):
        await page.fill("#data", f'{{"sku": "SKU-45678", "quantity": {n}, "price": 299.99}}')
        await page.click("#publish button.main")
        await expect(page.locator("#waiting")).to_have_text(str(n))
    await page.click("#resume")
    await expect(page.locator("#replayed")).to_have_text("3")
    await page.evaluate("document.activeElement.blur()")


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

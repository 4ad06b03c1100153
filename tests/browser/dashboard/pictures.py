"""The pictures of docs/dashboard.md: a real node with something to do, seen by day, by night and on a phone.

    .venv/bin/python -m tests.browser.dashboard.pictures docs/images [MINUTES]

The charts show the last 15 minutes, so it works that long unless it is told less. The files depend on the machine's
fonts; with Debian's fonts-inter installed they look as they are meant to.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.dashboard.operators import Operated, Operator

KINDS = ("cart_changed", "price_changed", "stock_changed")
CHANNELS = [(f"carid{number:06}", kind) for number in range(1, 9) for kind in KINDS]
#: Nobody listens here: what is published becomes dead letters.
VOID = ("carid000009", "cart_changed")
SETTINGS = {"FAST_SSE_DEAD_LETTERS__GRACE_S": "2", "FAST_SSE_NODE": "hub-1"}
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}


async def customers(hub: Operated) -> None:
    """Publish as carts do: sometimes more, sometimes less, for ever."""
    weights = [1 / rank for rank in range(1, len(CHANNELS) + 1)]
    for turn in itertools.count():
        channel = VOID if turn % 700 == 300 else random.choices(CHANNELS, weights)[0]
        await hub.publish(
            channel, {"sku": f"SKU-{random.randint(10_000, 99_999)}", "quantity": random.randint(1, 5)}
        )
        await asyncio.sleep(random.expovariate(1) * (0.06 + 0.035 * math.sin(turn / 260)))


async def visit(browser: Browser, hub: Operated, **options: Any) -> Page:
    """The overview, with its numbers."""
    page = await browser.new_page(**options)
    await Operator.at(page, hub)
    await expect(page.locator(".figure canvas").first).to_be_visible()
    await page.wait_for_timeout(3000)
    return page


async def draw(directory: Path, minutes: float) -> None:
    """Let a node work, and keep what an operator sees of it."""
    with tempfile.TemporaryDirectory() as place, Operated(Path(place), settings=SETTINGS) as hub:
        listeners = [hub.subscriber(channel) for channel in CHANNELS for _ in range(random.randint(1, 4))]
        for listener in listeners:
            await listener.start().ready()
        publishers = [asyncio.ensure_future(customers(hub)) for _ in range(2)]
        await asyncio.wait(publishers, timeout=minutes * 60)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            for name, options in (
                ("light", {"viewport": DESK, "color_scheme": "light"}),
                ("dark", {"viewport": DESK, "color_scheme": "dark"}),
                ("phone", {"viewport": PHONE, "color_scheme": "light", "device_scale_factor": 2}),
            ):
                page = await visit(browser, hub, **options)
                await page.screenshot(path=directory / f"dashboard-{name}.png")
                await page.close()
            await browser.close()
        for each in publishers:
            each.cancel()
        await asyncio.gather(*publishers, return_exceptions=True)
        for listener in listeners:
            await listener.stop()


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 15.0))

"""The dashboard can be read and hit: by axe-core's rules, by day and by night, on a desk and on a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect
from tests.browser.conftest import OpenPage
from tests.browser.dashboard.looks import complaints_of, serious
from tests.browser.dashboard.operators import Operated, Operator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

CHANNEL = ("looks", "cart_changed")
#: Each pairs a size with a scheme, so that both schemes and both sizes are seen without seeing all four.
SIGHTS: dict[str, dict[str, Any]] = {
    "desk-light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "phone-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}


@pytest.mark.parametrize("sight", SIGHTS)
async def test_every_page_is_readable(
    open_page: OpenPage, hub: Operated, artefacts: Path, sight: str
) -> None:
    """No serious violation of axe-core's rules, nothing wider than the window, no control too small to hit."""
    ids = [await hub.publish(CHANNEL, {"sku": "SKU-45678", "quantity": n}) for n in range(5)]

    async def dead() -> bool:
        return (await hub.operate("GET", f"/v1/dead-letters/{ids[0]}")).status == 200

    page = await open_page(**SIGHTS[sight])
    operator = await Operator.at(page, hub)
    await operator.until(dead)
    subscriber = hub.subscriber(CHANNEL).start()
    try:
        await subscriber.ready()
        for route, shows in {
            "overview": ".figure canvas",
            "channels": "tbody tr",
            "channels/looks/cart_changed": ".tail li",
            "channels/looks/cart_changed?view=kept": ".tail li",
            "streams": "tbody tr",
            "messages": ".word",
            f"messages/{ids[0]}": ".road",
            "dead-letters": "tbody tr",
            f"dead-letters/{ids[0]}": "pre",
            "publish": "form",
            "settings": "tbody tr",
            "nodes": ".word",
        }.items():
            await operator.go(route)
            await expect(operator.text(shows).first).to_be_visible()
            assert await complaints_of(page) == [], route
            name = route.replace(ids[0], "one").replace("/", "-").partition("?")
            await page.screenshot(path=artefacts / f"dashboard-{sight}-{name[0]}{name[2]}.png")
    finally:
        await subscriber.stop()


@pytest.mark.parametrize("sight", SIGHTS)
async def test_dialogs_and_bad_news_are_readable(
    open_page: OpenPage, mortal: Operated, artefacts: Path, sight: str
) -> None:
    """The same holds for the log-in, a dialog, a refusal, and numbers that are old."""
    page = await open_page(**SIGHTS[sight])
    await page.goto(mortal.origin)
    key = page.get_by_label("Admin key")
    await key.fill("wrong")
    await key.press("Enter")
    await expect(page.get_by_role("alert")).to_be_visible()
    assert await complaints_of(page) == []
    operator = await Operator.at(page, mortal)
    await operator.go("channels/looks/cart_changed")
    await operator.click("Erase…")
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await serious(page) == []
    await page.keyboard.press("Escape")
    await operator.go("overview")
    await expect(operator.figure("Memory")).not_to_have_text("–")
    mortal.kill_now()
    await expect(page.locator("#fresh")).to_contain_text("reconnecting")
    assert await complaints_of(page) == []
    await page.screenshot(path=artefacts / f"dashboard-{sight}-stale.png")
    await operator.go("settings")
    await expect(operator.text("[role=alert]")).to_contain_text("does not answer")
    assert await complaints_of(page) == []


async def test_a_fault_would_be_seen(operator: Operator) -> None:
    """The measures are no ornament: grey on white, a button without a name and a wide table are found."""
    await operator.page.evaluate("document.querySelector('.figure h2').style.color = '#bbb'")
    await operator.page.evaluate("document.querySelector('main').append(document.createElement('button'))")
    await operator.page.evaluate("document.querySelector('main').style.minWidth = '3000px'")
    found = "\n".join(await complaints_of(operator.page))
    assert "color-contrast" in found
    assert "button-name" in found
    assert "wider than the window" in found

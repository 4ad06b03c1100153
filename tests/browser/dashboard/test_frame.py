"""Around the pages: who is let in, where one is, and what a keyboard and a browser without a pointer need."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.browser.conftest import OpenPage
from tests.browser.dashboard.operators import KEY, Operated, Operator
from tests.support.server import UNSET

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_the_key_opens_the_page_that_was_asked_for(open_page: OpenPage, hub: Operated) -> None:
    """A wrong key is refused in words; the right one leads to the page of the address; signing out ends the session."""
    page = await open_page()
    await page.goto(f"{hub.origin}/#/publish")
    key = page.get_by_label("Admin key")
    await expect(key).to_be_focused()
    await key.fill("not the key")
    await key.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("That is not the key")
    await key.fill(KEY)
    await key.press("Enter")
    await expect(page.get_by_role("heading", name="Publish")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Publish")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(key).to_be_visible()
    await page.reload()
    await expect(key).to_be_visible()


async def test_without_a_key_nobody_is_asked(
    open_page: OpenPage, tmp_path_factory: pytest.TempPathFactory, complaints: list[str]
) -> None:
    """A listener on loopback without a key shows its pages at once, and no way out."""
    with Operated(tmp_path_factory.mktemp("open"), key=UNSET) as hub:
        page = await open_page()
        await page.goto(hub.origin)
        await expect(page.locator("#fresh")).to_have_text("live")
        await expect(page.locator("#sign-out")).to_be_hidden()
        assert complaints == []


async def test_an_address_leads_to_its_page(operator: Operator, complaints: list[str]) -> None:
    """Back and forward, a reload and a typed address lead where they say; one that is no page says so."""
    page = operator.page
    for name in ("Channels", "Streams", "Messages", "Dead letters", "Publish", "Settings", "Nodes"):
        await page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        await expect(page.locator("h1")).to_contain_text(name)
        await expect(page.locator("nav [aria-current=page]")).to_have_text(name)
        await expect(page).to_have_title(f"{name} · Fast SSE")
    await page.go_back()
    await expect(page.locator("h1")).to_contain_text("Settings")
    await operator.go("nowhere")
    await operator.says("No such page")
    assert complaints == []


async def test_a_keyboard_is_enough(operator: Operator, complaints: list[str]) -> None:
    """The first Tab offers the way past the links, a new page has the focus on its heading, Escape leaves a dialog."""
    page = operator.page
    await page.reload()
    await operator.is_live()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused()
    await operator.go("channels/keys/pressed")
    await expect(page.locator("h1")).to_be_focused()
    erase = page.get_by_role("button", name="Erase…")
    await erase.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(erase).to_be_focused()

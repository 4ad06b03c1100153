"""Whatever strangers put into a field is shown letter for letter on every page, and runs nowhere (CWE-79)."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from playwright.async_api import expect
from tests.browser.dashboard.operators import KEY, XSS, Operated, Operator
from tests.support.http1 import request

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

CHANNEL = (XSS, XSS)
ROUTE = f"{quote(XSS, safe='')}/{quote(XSS, safe='')}"


async def inert(operator: Operator, *, shown: int = 1) -> None:
    """The text stands in the page so many times at least, and made no element, ran nothing and broke no policy."""
    page = operator.page

    async def stands() -> bool:
        return (await page.locator("main").inner_text()).count(XSS) >= shown

    await operator.until(stands)
    assert await page.locator("main img, dialog img, #toast img").count() == 0
    assert await page.evaluate("window.pwned") is None


async def test_hostile_text_stays_text_in_every_field(
    hub: Operated, operator: Operator, complaints: list[str]
) -> None:
    """In channel, data, headers, event, event name, user, key, queue, poison, search, address and errors."""
    page = operator.page
    extra = {"headers": {"x-hostile": XSS}, "event_name": XSS, "user": {XSS: XSS}, "dead_letter": True}
    subscriber = hub.subscriber(CHANNEL).start()
    try:
        await subscriber.ready()
        message = await hub.publish(CHANNEL, {XSS: XSS}, **extra)
        for route, shown in (
            (f"channels?search={quote(XSS)}", 1),
            (f"channels/{ROUTE}", 3),
            (f"channels/{ROUTE}?view=kept", 3),
            ("channels/*/*?view=kept", 3),
            (f"streams?channel={quote(XSS)}/{quote(XSS)}", 2),
            (f"messages/{message}", 8),
        ):
            await operator.go(route)
            await inert(operator, shown=shown)
    finally:
        await subscriber.stop()
    await operator.go(f"channels/{ROUTE}")
    await operator.click("Erase…")
    await expect(page.get_by_role("dialog")).to_contain_text(XSS)
    await page.keyboard.press("Escape")
    assert await page.locator("main img, dialog img").count() == 0
    assert await page.evaluate("window.pwned") is None
    assert complaints == []


async def test_hostile_letters_stay_text(hub: Operated, operator: Operator, complaints: list[str]) -> None:
    """A letter of a hostile message, and poison of a hostile queue: in the list, alone, and in its dialogs."""
    extra = {"headers": {"x-hostile": XSS}, "event_name": XSS, "user": {XSS: XSS}}
    letter = await hub.publish((XSS, "letter"), {XSS: XSS}, **extra)
    raw = base64.b64encode(f"<b>{XSS}".encode()).decode()
    body = json.dumps(
        {"items": [{"kind": "redis_stream", "queue": XSS, "place": "1-1", "raw": raw}]}
    ).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    assert (await request(hub.admin, "POST", "/v1/dead-letters/import", headers, body)).status == 200

    async def all_dead() -> bool:
        found = await hub.operate("GET", f"/v1/dead-letters?event_id={quote(XSS)}")
        return len(found.json()["data"]["items"]) == 1

    await operator.until(all_dead)
    await operator.go("dead-letters")
    await inert(operator, shown=2)
    await operator.go(f"dead-letters/{letter}")
    await inert(operator, shown=6)
    await operator.go("dead-letters?reason=poison")
    await operator.text("tbody tr").filter(has_text=XSS).get_by_role("link").first.click()
    await operator.says(f"<b>{XSS}")
    await inert(operator, shown=2)
    await operator.go(f"dead-letters?event_id={quote(XSS)}")
    await expect(operator.text("tbody tr")).to_have_count(1)
    await operator.click("Purge all of these…")
    await expect(operator.page.get_by_role("dialog")).to_contain_text(XSS)
    assert await operator.page.locator("main img, dialog img").count() == 0
    assert await operator.page.evaluate("window.pwned") is None
    assert complaints == []


async def test_a_hostile_address_and_a_hostile_form_stay_text(operator: Operator) -> None:
    """What a link or a hand puts into the address or a form comes back as text, from the page and from the node's errors."""
    page = operator.page
    await operator.go(f"messages/{quote(XSS, safe='')}")
    await expect(operator.text(".word")).to_be_visible()
    await operator.go(f"dead-letters/{quote(XSS, safe='')}")
    await expect(operator.text(".word")).to_be_visible()
    await operator.go(f"{quote(XSS, safe='')}?{quote(XSS)}={quote(XSS)}")
    await operator.says("No such page")
    await operator.go(f"publish?event_id={quote(XSS)}&event_type={quote(XSS)}")
    await page.get_by_label("Data, any JSON value").fill(f'"{XSS}')
    await operator.click("Publish")
    await operator.says("Data is not JSON")
    await page.get_by_label("Data, any JSON value").fill(f'"{XSS}"')
    await page.get_by_text("More").click()
    await page.get_by_label("Headers, one name: value a line").fill(XSS)
    await operator.click("Publish")
    await operator.says("does not have the form name: value")
    await page.get_by_label("Headers, one name: value a line").fill("")
    await page.get_by_label("Event", exact=True).fill(XSS)
    await operator.click("Publish")
    await expect(operator.text(".tail li")).to_contain_text(f"{XSS}/{XSS}")
    assert await page.locator("main img").count() == 0
    assert await page.evaluate("window.pwned") is None


async def test_hostile_settings_stay_text(operator: Operator, complaints: list[str]) -> None:
    """A node whose own settings hold markup shows it as text: here its directory is called so."""
    await operator.go("settings")
    await operator.page.get_by_label("Search").fill(XSS)
    await expect(operator.text("tbody tr")).to_have_count(1)
    await expect(operator.text("tbody tr")).to_contain_text("data_dir")
    await inert(operator)
    assert complaints == []


async def test_the_policy_stops_what_escaping_would_miss(operator: Operator, complaints: list[str]) -> None:
    """Were such markup ever parsed, the policy would keep its handler from running, and the watchers would tell."""
    page = operator.page
    async with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        await page.evaluate("(text) => document.body.insertAdjacentHTML('beforeend', text)", XSS)
    assert await page.evaluate("window.pwned") is None
    assert complaints

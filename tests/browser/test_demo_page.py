"""The demo page as a newcomer uses it: publish, arrive, drop, publish meanwhile, resume, and see what was missed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.async_api import Locator, Page, expect
from tests.browser.conftest import OpenPage, need
from tests.browser.demo import CART, Demo
from tests.support.publisher import publish_once

from fast_sse import __version__

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

PUBLISH = "#publisher button.main"
XSS = "<img src=x onerror=window.pwned=1>"


async def visit(page: Page, demo: Demo, source: str = "carid000001 / cart_changed") -> Page:
    """The page with both streams open; `source` is what A listens to."""
    await page.goto(demo.origin)
    if source != "carid000001 / cart_changed":
        await page.select_option("#source-a", label=source)
    await both_live(page)
    await expect(page.locator("#guide")).to_contain_text("Press Publish")
    return page


async def both_live(page: Page) -> None:
    """Wait until both streams are open."""
    for state in ("#state-a", "#state-b"):
        await expect(page.locator(state)).to_have_text("live")


async def shows(page: Page, **counts: int) -> None:
    """Wait until the page shows these numbers."""
    for name, count in counts.items():
        await expect(page.locator(f"#{name.replace('_', '-')}")).to_have_text(str(count))


async def ids(rows: Locator) -> list[str]:
    """The ids that rows show, oldest first."""
    return [text.removeprefix("id: ") for text in reversed(await rows.locator(".id").all_inner_texts())]


async def pid(page: Page) -> str:
    """The process that the page says the hub is, once the hub answers."""
    await expect(page.locator("#hub")).to_have_attribute("data-state", "up")
    return (await page.locator("#hub-state").inner_text()).rsplit(" ", 1)[-1]


async def test_what_is_published_arrives(open_page: OpenPage, demo: Demo, complaints: list[str]) -> None:
    """A published message is answered with an id and arrives at both subscribers under it, with its data and its time."""
    page = await visit(await open_page(), demo)
    await page.get_by_role("button", name="Publish", exact=True).click()
    await shows(page, published=1, arrived_a=1, arrived_b=1, waiting_a=0, replayed_a=0, gaps_a=0, twice_a=0)
    await expect(page.locator("#outbox .verdict")).to_have_text("stored (fsync)")
    for log in ("#log-a", "#log-b"):
        row = page.locator(f"{log} .message")
        await expect(row.locator(".badge")).to_have_text("live")
        await expect(row.locator(".number")).to_have_text("#1")
        await expect(row.locator(".latency")).to_have_text(re.compile(r"^\d+ ms$"))
        assert json.loads(await row.locator(".data").inner_text()) == json.loads(
            await page.input_value("#data")
        )
        assert await ids(row) == await ids(page.locator("#outbox li"))
    assert complaints == []


async def count_dots(page: Page) -> None:
    """Count the dots that start on each lane from now on."""
    await page.evaluate(
        """() => {
          for (const lane of document.querySelectorAll(".lane")) {
            lane.dataset.dots = 0;
            const count = (changes) => { for (const { addedNodes } of changes) lane.dataset.dots = Number(lane.dataset.dots) + addedNodes.length; };
            new MutationObserver(count).observe(lane, { childList: true });
          }
        }"""
    )


async def dots(page: Page, **counts: int) -> None:
    """Wait until so many dots have run on these lanes."""
    for lane, count in counts.items():
        await expect(page.locator(f"#lane-{lane}")).to_have_attribute("data-dots", str(count))


async def test_a_dot_runs_for_each_message(open_page: OpenPage, demo: Demo) -> None:
    """One runs from the publisher to the hub, and one to each subscriber; all are gone when they are there."""
    page = await visit(await open_page(), demo)
    await count_dots(page)
    await page.click(PUBLISH)
    await dots(page, out=1, a=1, b=1)
    await expect(page.locator(".lane .dot")).to_have_count(0)
    await dots(page, out=1, a=1, b=1)


async def test_what_waited_pours_out(open_page: OpenPage, demo: Demo) -> None:
    """The pile of a dropped subscriber runs out dot by dot when it resumes."""
    page = await visit(await open_page(), demo)
    await page.click("#drop-a")
    await page.click("#publish-five")
    await expect(page.locator("#tray-a .dot")).to_have_count(5)
    await count_dots(page)
    await page.click("#resume-a")
    await dots(page, a=5)
    await expect(page.locator("#tray-a .dot")).to_have_count(0)


async def test_who_prefers_less_motion_sees_none(open_page: OpenPage, demo: Demo) -> None:
    """With prefers-reduced-motion no dot ever runs; what waits is still a pile."""
    page = await visit(await open_page(reduced_motion="reduce"), demo)
    await count_dots(page)
    await page.click("#drop-a")
    await page.click("#publish-five")
    await expect(page.locator("#tray-a .dot")).to_have_count(5)
    await page.click("#resume-a")
    await shows(page, arrived_a=5, arrived_b=5)
    await expect(page.locator("#tray-a .dot")).to_have_count(0)
    await dots(page, out=0, a=0, b=0)


async def test_what_was_missed_is_replayed(open_page: OpenPage, demo: Demo, complaints: list[str]) -> None:
    """Dropped before anything arrived, A resumes to exactly what was published meanwhile, and B missed nothing of it."""
    page = await visit(await open_page(), demo)
    await page.click("#drop-a")
    await expect(page.locator("#state-a")).to_have_text("dropped by you")
    await page.click("#publish-five")
    await shows(page, published=5, waiting_a=5, arrived_a=0, waiting_b=0, arrived_b=5)
    await expect(page.locator("#tray-a .dot")).to_have_count(5)
    elsewhere = (await publish_once(demo.public, CART, "elsewhere")).json()["data"]["message_id"]
    await page.click("#resume-a")
    await shows(page, waiting_a=0, arrived_a=6, replayed_a=6, gaps_a=0, twice_a=0)
    await expect(page.locator("#guide")).to_contain_text(
        re.compile(r"^A is back after \d+\.\d s: 6 messages replayed, none missing\.")
    )
    replayed = page.locator("#log-a .message.replayed")
    assert await ids(replayed) == [*await ids(page.locator("#outbox li")), elsewhere]
    assert await ids(page.locator("#log-b .message.live")) == await ids(replayed)
    await expect(replayed.locator(".number")).to_have_text(["from elsewhere", "#5", "#4", "#3", "#2", "#1"])
    await expect(page.locator("#tray-a .dot")).to_have_count(0)
    await page.click(PUBLISH)
    await shows(page, arrived_a=7, replayed_a=6, replayed_b=0)
    await expect(page.locator("#log-a .message.live .number")).to_have_text("#6")
    assert complaints == []


async def test_the_page_kills_the_hub_and_loses_nothing(open_page: OpenPage, demo: Demo) -> None:
    """A killed hub comes back as another process; what was queued meanwhile is stored once and reaches both subscribers."""
    page = await visit(await open_page(), demo)
    first = await pid(page)
    await page.click(PUBLISH)
    await shows(page, arrived_a=1, arrived_b=1)
    with stopped(demo.pid):  # until all has been looked at, its parent starts no other
        await page.click("#kill")
        await expect(page.locator("#hub-state")).to_have_text(f"process {first} was killed")
        await expect(page.locator("#guide")).to_contain_text("The hub is dead")
        await page.click("#publish-five")
        await shows(page, queued=5)
        await expect(page.locator("#tray-out .dot")).to_have_count(5)
        await expect(page.locator("#outbox .queued .verdict")).to_have_text(["queued"] * 4)
        await expect(page.locator("#outbox .retrying .verdict")).to_contain_text("with the same key")
    await expect(page.locator("#hub-state")).to_contain_text("new process")
    assert await pid(page) != first
    await shows(
        page, published=6, queued=0, arrived_a=6, arrived_b=6, gaps_a=0, twice_a=0, gaps_b=0, twice_b=0
    )
    await both_live(page)
    sent = await ids(page.locator("#outbox li"))
    assert await ids(page.locator("#log-a .message")) == await ids(page.locator("#log-b .message")) == sent
    await expect(page.locator("#guide")).to_contain_text(re.compile(r"A is back after \d+\.\d s: .*\."))
    with pytest.raises(ProcessLookupError):
        os.kill(int(first), 0)


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """A process stands still inside."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


async def test_a_subscriber_listens_to_a_channel_of_its_own(open_page: OpenPage, demo: Demo) -> None:
    """B on another channel gets nothing of A's, and waits for nothing of it."""
    page = await visit(await open_page(), demo)
    await page.select_option("#source-b", label="carid000002 / cart_changed")
    await both_live(page)
    await page.click(PUBLISH)
    await shows(page, arrived_a=1)
    await page.select_option("#target", label="carid000002 / cart_changed")
    await page.click(PUBLISH)
    await shows(page, arrived_b=1, arrived_a=1, waiting_b=0)
    await expect(page.locator("#log-b .number")).to_have_text(["#2"])


async def test_an_unreadable_id_is_a_loud_gap(open_page: OpenPage, demo: Demo, complaints: list[str]) -> None:
    """Resumed with an id that nobody gave out, the page shows the hub's gap, says it aloud, and goes on from now."""
    page = await visit(await open_page(), demo)
    await page.click("#drop-a")
    await page.click(PUBLISH)
    await shows(page, waiting_a=1)
    await page.click("#resume-broken-a")
    gap = page.locator("#log-a .gap")
    await expect(gap).to_contain_text("Gap: unreadable")
    await expect(gap).to_contain_text('"from":"not-an-id"')
    await expect(page.get_by_role("alert").filter(has_text="unreadable")).to_have_count(1)
    await shows(page, gaps_a=1, waiting_a=0, arrived_a=0)
    await page.click(PUBLISH)
    await shows(page, arrived_a=1, replayed_a=0)
    assert complaints == []


async def test_a_lost_log_is_a_gap_after_the_browsers_own_reconnect(
    open_page: OpenPage, mortal: Demo
) -> None:
    """When the hub comes back with another log, the browser's own reconnect is answered with a gap, which the page shows."""
    page = await visit(await open_page(), mortal)
    await page.click(PUBLISH)
    await shows(page, arrived_a=1)
    mortal.kill_now()
    await mortal.await_exit()
    for entry in mortal.data.iterdir():
        if entry.name != "secret":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    await mortal.astart()
    await expect(page.locator("#log-a .gap")).to_contain_text("Gap: epoch")
    await page.click(PUBLISH)
    await shows(page, arrived_a=2, gaps_a=1, waiting_a=0)


async def test_a_publish_to_a_dead_hub_becomes_one_message(open_page: OpenPage, mortal: Demo) -> None:
    """What is published while the hub is dead is kept, tried again with one key, and arrives once it lives."""
    page = await visit(await open_page(), mortal)
    mortal.kill_now()
    await mortal.await_exit()
    await expect(page.locator("#state-a")).to_have_attribute("data-state", "retrying")
    await page.click(PUBLISH)
    await expect(page.locator("#outbox .verdict")).to_contain_text("trying again with the same key")
    await mortal.astart()
    await both_live(page)
    await shows(page, published=1, arrived_a=1, waiting_a=0, gaps_a=0, twice_a=0)
    await expect(page.locator("#log-a .turn").first).to_contain_text("Back after")


async def test_a_refusal_is_final_and_said(open_page: OpenPage, mortal: Demo) -> None:
    """A hub with another secret refuses the page's signatures, and the page says so instead of trying for ever."""
    page = await visit(await open_page(), mortal)
    mortal.kill_now()
    await mortal.await_exit()
    (mortal.data / "secret").write_text("another secret of thirty-two bytes")
    await mortal.astart()
    await expect(page.locator("#state-a")).to_contain_text("refused")
    await page.select_option("#source-a", label="* / *")
    await expect(page.locator("#guide")).to_contain_text("refused the signature")
    await page.click(PUBLISH)
    await expect(page.locator("#outbox .verdict")).to_have_text("refused: unauthorized")
    await expect(page.locator("#drop-a")).to_be_disabled()


async def test_hostile_text_stays_text(open_page: OpenPage, demo: Demo, complaints: list[str]) -> None:
    """Markup in data, in a header, in an event id and type is shown letter for letter, and makes no element (CWE-79)."""
    page = await visit(await open_page(), demo, "* / *")
    headers = {"published-by": f"{XSS} {XSS}", "published-at": XSS, "x-other": XSS}
    reply = await publish_once(demo.public, (XSS, XSS), {XSS: XSS}, headers=headers)
    assert reply.status == 200
    row = page.locator("#log-a .message")
    await expect(row.locator(".data")).to_have_text(json.dumps({XSS: XSS}, separators=(",", ":")))
    await expect(row.locator(".channel")).to_have_text(f"{XSS} / {XSS}")
    assert await page.locator("img").count() == 0
    assert await page.evaluate("window.pwned") is None
    assert complaints == []


async def test_the_policy_stops_what_escaping_would_miss(
    open_page: OpenPage, demo: Demo, complaints: list[str]
) -> None:
    """Were such markup ever parsed, the policy would keep its handler from running, and the watchers would tell."""
    page = await visit(await open_page(), demo)
    async with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        await page.evaluate("(text) => document.body.insertAdjacentHTML('beforeend', text)", XSS)
    assert await page.evaluate("window.pwned") is None
    assert complaints


async def test_a_stream_shows_its_channels_alone(
    open_page: OpenPage, demo: Demo, complaints: list[str]
) -> None:
    """A channel's stream gets nothing of another id and waits for nothing of it; a wildcard's says which it is."""
    page = await visit(await open_page(), demo)
    await page.select_option("#target", label="carid000002 / cart_changed")
    await page.click(PUBLISH)
    await shows(page, published=1, waiting_a=0)
    await page.select_option("#target", label="carid000001 / cart_changed")
    await page.click(PUBLISH)
    await shows(page, arrived_a=1)
    await expect(page.locator("#log-a .message .number")).to_have_text(["#2"])
    await visit(page, demo, "carid000001 / *")
    await page.select_option("#target", label="carid000001 / price_changed")
    await page.click(PUBLISH)
    await expect(page.locator("#log-a .channel")).to_have_text("carid000001 / price_changed")
    assert complaints == []


async def test_text_that_is_not_json_is_not_sent(
    open_page: OpenPage, demo: Demo, complaints: list[str]
) -> None:
    """Bad data is refused in the page, where it was typed, and nothing is published until it is mended."""
    page = await visit(await open_page(), demo)
    await page.fill("#data", '{"sku": }')
    await page.click(PUBLISH)
    await expect(page.locator("#data-error")).to_contain_text("Not JSON")
    await expect(page.locator("#data")).to_have_attribute("aria-invalid", "true")
    await page.fill("#data", "7")
    await page.click(PUBLISH)
    await expect(page.locator("#data-error")).to_be_empty()
    await shows(page, published=1, arrived_a=1)
    assert complaints == []


async def test_a_keyboard_is_enough(open_page: OpenPage, demo: Demo, complaints: list[str]) -> None:
    """Publish, drop and resume without a pointer: each control is reached by Tab, and focus stays with the action."""
    page = await visit(await open_page(), demo)

    async def tab_to(control: str) -> None:
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await page.locator(f"{control}:focus-visible").count():
                return
        raise AssertionError(f"{control} is not reached by Tab")

    await tab_to(PUBLISH)
    await page.keyboard.press("Enter")
    await shows(page, arrived_a=1)
    await tab_to("#drop-a")
    await page.keyboard.press("Enter")
    await expect(page.locator("#resume-a")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#drop-a")).to_be_focused()
    await expect(page.locator("#state-a")).to_have_text("live")
    assert complaints == []


async def test_the_curl_lines_do_the_same(open_page: OpenPage, demo: Demo, complaints: list[str]) -> None:
    """The line that the page shows, pasted into a shell, publishes that very data, quotes and all."""
    need("curl")
    page = await visit(await open_page(), demo)
    await page.fill("#data", json.dumps({"it's": '$HOME `id` \\ "'}))
    line = await page.locator("#curl-publish").inner_text()
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"{line} --silent --show-error"), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await shell.communicate()
    assert json.loads(said)["code"] == "ok"
    row = page.locator("#log-a .message")
    await expect(row.locator(".number")).to_have_text("from elsewhere")
    assert json.loads(await row.locator(".data").inner_text()) == {"it's": '$HOME `id` \\ "'}
    assert await ids(row) == [json.loads(said)["data"]["message_id"]]
    assert complaints == []


async def test_the_page_leads_on(open_page: OpenPage, demo: Demo) -> None:
    """It says its version, and each document that it leads to opens; a dashboard on no known port is not offered."""
    page = await visit(await open_page(), demo)
    await expect(page.locator("#version")).to_have_text(__version__)
    await expect(page.locator("#dashboard")).to_be_hidden()
    links = page.locator(".onward a:visible")
    texts = await links.all_inner_texts()
    assert texts == ["Tutorial", "Quick start", "Deploy", "All documents"]
    for text in texts:
        await page.click(f".onward a:text-is('{text}')")
        await expect(page.locator("body")).to_contain_text("# ")
        await page.go_back()

"""Channels and streams: which are busy, what comes, what is kept, who listens; and the end of either."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.async_api import expect
from tests.browser.dashboard.operators import Operator

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

#: By the browser's own measure: a digit more is some 0.00003, a longer sentence at the top some 0.003, a missing tile 0.26.
SHIFT_MAX = 0.01


async def test_the_overview_counts_what_happens(operator: Operator, complaints: list[str]) -> None:
    """What is published and delivered moves the figures within a second or two, and each has its chart."""
    channel = ("overview", "counts")
    subscriber = operator.hub.subscriber(channel).start()
    try:
        await subscriber.ready()
        for number in range(20):
            await operator.hub.publish(channel, number)
        await expect(operator.figure("Published")).not_to_have_text("0")
        await expect(operator.figure("Delivered")).not_to_have_text("0")
        await expect(operator.figure("Latency").first).not_to_have_text("–")
        await expect(operator.figure("Streams")).to_have_text("1")
        await expect(operator.text("#state")).to_contain_text(
            "is ready, with 1 stream open. Every acknowledged message is on disk."
        )
        await expect(operator.text(".figure canvas")).to_have_count(12)
        await expect(operator.text('.chart[aria-label^="Published, last 15 minutes: from "]')).to_have_count(
            1
        )
    finally:
        await subscriber.stop()
    assert complaints == []


async def test_nothing_jumps_while_numbers_move(operator: Operator) -> None:
    """From the first numbers on, through publishes, growing digits and a late stream, no part of the overview moves."""
    await operator.is_live()
    await operator.page.evaluate(
        """() => {
          window.shifted = 0;
          const add = (list) => { for (const { value } of list.getEntries()) window.shifted += value; };
          new PerformanceObserver(add).observe({ type: "layout-shift" });
        }"""
    )
    subscriber = operator.hub.subscriber(("jumps", "none")).start()
    try:
        await subscriber.ready()
        for number in range(120):
            await operator.hub.publish(("jumps", "none"), number, dead_letter=False)
        await expect(operator.figure("Streams")).to_have_text("1")
        await expect(operator.figure("Published")).to_have_text(re.compile(r"^\d\d"))
    finally:
        await subscriber.stop()
    await expect(operator.figure("Streams")).to_have_text("0")
    assert await operator.page.evaluate("window.shifted") < SHIFT_MAX


async def test_the_top_is_ordered_and_searched(operator: Operator, complaints: list[str]) -> None:
    """By rate the busiest is first, by subscribers the one with the most; a quiet one is opened by its name."""
    busy, heard = ("top", "busy"), ("top", "heard")
    subscriber = operator.hub.subscriber(heard).start()
    try:
        await subscriber.ready()
        for number in range(30):
            await operator.hub.publish(busy, number)
        await operator.go("channels?search=TOP/")
        rows = operator.text("tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("top/busy")
        await expect(rows.first.locator('[data-label="Published"]')).to_contain_text("/s")
        await operator.click("By subscribers")
        await expect(rows.first).to_contain_text("top/heard")
        await expect(rows.first.locator('[data-label="Named by"]')).to_have_text("1 stream")
        search = operator.page.get_by_label("Search, or id/type to open")
        await search.fill("top/quiet")
        await operator.page.get_by_role("link", name="Open top/quiet").click()
        await expect(operator.page.locator("h1")).to_have_text("top/quiet")
        await operator.go("channels")
        await search.fill("top/busy")
        await search.press("Enter")
        await expect(operator.page.locator("h1")).to_have_text("top/busy")
    finally:
        await subscriber.stop()
    assert complaints == []


async def test_a_tail_shows_what_comes_and_can_pause(operator: Operator, complaints: list[str]) -> None:
    """The last ones stand there, new ones come by themselves; what comes in a pause is counted, and shown after it."""
    channel = ("tail", "live")
    await operator.hub.publish(channel, "before")
    await operator.go("channels/tail/live")
    rows = operator.text(".tail li")
    await expect(rows.locator(".data")).to_have_text(['"before"'])
    await operator.hub.publish(channel, {"big": 12345678901234567890})
    await expect(rows.locator(".data")).to_have_text(['{"big": 12345678901234567890}', '"before"'])
    await operator.click("Pause")
    await operator.hub.publish(channel, "held")
    await operator.says("3 messages, 1 more wait")
    await expect(rows).to_have_count(2)
    await operator.click("Go on")
    await expect(rows.locator(".data").first).to_have_text('"held"')
    await operator.click("Clear")
    await operator.says("Nothing yet.")
    assert complaints == []


async def test_what_is_kept_is_found_by_time_and_id(operator: Operator, complaints: list[str]) -> None:
    """Retained messages are paged from the newest, the beginning, a time, up to a time, or behind an id."""
    channel = ("kept", "here")
    ids = [await operator.hub.publish(channel, number) for number in range(60)]
    await operator.go("channels/kept/here?view=kept")
    rows = operator.text(".tail li .data")
    await expect(rows).to_have_count(50)
    await expect(rows.last).to_have_text("59")
    begin = operator.page.get_by_label("Begin at")
    await begin.select_option("earliest")
    await operator.click("Show")
    await expect(rows.first).to_have_text("0")
    await operator.click("Later ones")
    await expect(rows).to_have_count(60)
    await begin.select_option("id")
    await operator.page.get_by_label("Id", exact=True).fill(ids[57])
    await operator.click("Show")
    await expect(rows).to_have_text(["58", "59"])
    await begin.select_option("time")
    long_ago = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 3600))
    await operator.page.get_by_label("From (your clock)").fill(long_ago)
    await operator.click("Show")
    await expect(rows.first).to_have_text("0")
    await operator.page.get_by_label("Up to (your clock)").fill(long_ago)
    await operator.click("Show")
    await operator.says("No message is kept here.")
    assert complaints == []


async def test_an_erasure_asks_for_the_name(operator: Operator, complaints: list[str]) -> None:
    """Nothing is erased before the name is typed again; then the history is gone, and its count is told."""
    channel = ("erase", "me")
    for number in range(3):
        await operator.hub.publish(channel, number, dead_letter=False)
    await operator.go("channels/erase/me?view=kept")
    await expect(operator.text(".tail li")).to_have_count(3)
    await operator.click("Erase…")
    yes = operator.page.get_by_role("button", name="Erase it")
    await expect(yes).to_be_disabled()
    await operator.page.get_by_label("Type erase/me to confirm").fill("erase/m")
    await expect(yes).to_be_disabled()
    await operator.page.get_by_label("Type erase/me to confirm").fill("erase/me")
    await yes.click()
    await operator.told("3 messages and 0 dead letters erased.")
    await operator.says("No message is kept here.")
    assert complaints == []


async def test_streams_are_filtered_and_ended(operator: Operator, complaints: list[str]) -> None:
    """A stream is listed with its channel, found by what it gets, and ended; its client comes back."""
    channel = ("streams", "one")
    subscriber = operator.hub.subscriber(channel).start()
    try:
        await subscriber.ready()
        await operator.go("streams?channel=streams/one")
        rows = operator.text("tbody tr")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("streams/one")
        await expect(rows.locator(".badge")).to_have_text("live")
        await operator.click("Slow")
        await operator.says("No stream in this list gets messages of streams/one.")
        await operator.click("Lagging")
        await operator.click("Oldest")
        await rows.get_by_role("button", name="End…").click()
        await operator.click("End it")
        await operator.told("The stream is ended.")
        await subscriber.ready(2)
        await operator.page.get_by_label("Of a channel, id/type").fill("streams/other")
        await operator.click("Filter")
        await operator.says("No stream in this list gets messages of streams/other.")
    finally:
        await subscriber.stop()
    assert complaints == []


async def test_who_is_slow_is_seen(operator: Operator, complaints: list[str]) -> None:
    """A peer that takes nothing stands among the slow, with what waits for it."""
    channel = ("slow", "peer")
    subscriber = operator.hub.subscriber(channel, receive_bytes=4096).start()
    try:
        await subscriber.ready()
        subscriber.pause()
        for _ in range(8):
            await operator.hub.publish(channel, json.dumps("x" * 400_000))
        await operator.go("streams?order=slow")
        row = operator.text("tbody tr").filter(has_text="slow/peer")
        await expect(row.locator('[data-label="Waiting"]')).to_contain_text("B")
    finally:
        await subscriber.stop()
    assert complaints == []

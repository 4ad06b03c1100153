"""Messages and dead letters: published by the form, looked up, replayed here and elsewhere, purged, one and many."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect
from tests.browser.dashboard.operators import Operator
from tests.support.publisher import Pair

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]


async def dead(operator: Operator, channel: Pair, count: int) -> list[str]:
    """Publish into the void, wait until all of it is dead letters, and show them; their ids."""
    ids = [await operator.hub.publish(channel, number) for number in range(count)]

    async def all_dead() -> bool:
        reply = await operator.hub.operate(
            "GET", f"/v1/dead-letters?event_id={channel[0]}&event_type={channel[1]}"
        )
        return len(reply.json()["data"]["items"]) == count

    await operator.until(all_dead)
    await operator.go(f"dead-letters?event_id={channel[0]}&event_type={channel[1]}")
    await expect(operator.text("tbody tr")).to_have_count(count)
    return ids


async def test_a_message_is_published_and_looked_up(operator: Operator, complaints: list[str]) -> None:
    """The form publishes every field as typed; its answer leads to the message, which says how far it has come."""
    channel = ("form", "all")
    subscriber = operator.hub.subscriber(channel).start()
    try:
        await subscriber.ready()
        page = operator.page
        await operator.go("publish?event_id=form&event_type=all")
        await page.get_by_label("Data, any JSON value").fill('{"n": }')
        await operator.click("Publish")
        await operator.says("Data is not JSON")
        await page.get_by_label("Data, any JSON value").fill('{"n": 12345678901234567890}')
        await page.get_by_text("More").click()
        await page.get_by_label("Event", exact=True).fill("changed")
        await page.get_by_label("Lives for, in seconds").fill("600")
        await page.get_by_label("Idempotency key").fill("once")
        await page.get_by_label("Headers, one name: value a line").fill("no colon")
        await operator.click("Publish")
        await operator.says("“no colon” does not have the form name: value")
        await page.get_by_label("Headers, one name: value a line").fill("color: blue")
        await operator.click("Publish")
        await operator.click("Publish")
        answers = operator.text(".tail li")
        await expect(answers).to_have_count(2)
        await expect(answers.last).to_contain_text("stored (fsync)")
        await expect(answers.first).to_contain_text("stored before")
        await subscriber.count(1)
        await answers.first.get_by_role("link").last.click()
        await operator.says("It was handed to sockets")
        await expect(page.get_by_role("region", name="Data")).to_contain_text('"n": 12345678901234567890')
        await expect(page.get_by_role("region", name="Headers")).to_contain_text('"color": "blue"')
        await expect(page.get_by_role("region", name="Envelope")).to_contain_text("12345678901234567890")
        await operator.says("changed")
        await page.get_by_label("Id of a message").fill("nonsense")
        await operator.click("Look up")
        await expect(operator.text(".word.look")).to_be_visible()
    finally:
        await subscriber.stop()


async def test_a_letter_is_shown_and_replayed(operator: Operator) -> None:
    """A letter says why it died and what it was; replayed, it is a new message, here or elsewhere."""
    first, second = await dead(operator, ("letter", "replay"), 2)
    page = operator.page
    await operator.go(f"dead-letters/{first}")
    await operator.says("nobody was handed it within 0.5 s")
    await expect(page.get_by_role("region", name="Data")).to_have_text("0")
    await operator.click("Replay…")
    await operator.click("Replay")
    await operator.told("Replayed: this is the new message.")
    await operator.says("letter/replay")
    await operator.go(f"dead-letters/{first}")
    await operator.says("There is no such dead letter")
    await operator.go(f"dead-letters/{second}")
    await operator.click("Replay…")
    await page.get_by_label("To another channel, id/type").fill("no channel")
    await operator.click("Replay")
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text(
        "A channel is written id/type"
    )
    await page.get_by_label("To another channel, id/type").fill("letter2/elsewhere")
    await operator.click("Replay")
    await operator.told("Replayed: this is the new message.")
    await expect(operator.text("dd a").first).to_have_text("letter2/elsewhere")
    await operator.go(f"messages/{second}")
    await operator.says("letter/replay")


async def test_a_letter_is_purged(operator: Operator) -> None:
    """Purged after a question, a letter is gone; its bytes are a file until then."""
    (only,) = await dead(operator, ("letter", "purge"), 1)
    await operator.go(f"dead-letters/{only}")
    async with operator.page.expect_download() as saving:
        await operator.page.get_by_role("link", name="Download its bytes").click()
    assert (await (await saving.value).path()).read_bytes() == b"0"
    await operator.click("Purge…")
    await operator.click("Purge")
    await operator.told("The dead letter is purged.")
    await operator.go("dead-letters?event_id=letter&event_type=purge")
    await operator.says("No dead letter matches this filter.")


async def test_many_are_replayed_at_a_rate_and_stopped(operator: Operator) -> None:
    """A run goes at its rate, shows how far it is, stops when it is told to, and goes on from there."""
    count = 20  # at one a second a busy machine has long to stop it
    await dead(operator, ("many", "replay"), count)
    page = operator.page
    dialog = page.get_by_role("dialog")
    await operator.click("Replay all of these…")
    await expect(dialog).to_contain_text("All dead letters with event id many, event type replay.")
    await page.get_by_label("Dead letters a second, 0 for no limit").fill("1")
    await page.get_by_label("To another channel, id/type").fill("many2/elsewhere")
    await dialog.get_by_role("button", name="Replay").click()
    await expect(dialog.get_by_role("status")).to_have_text(re.compile(r"^\d+ replayed so far\.$"))
    await expect(page.get_by_role("progressbar")).to_be_visible()
    await page.keyboard.press("Escape")
    await dialog.get_by_role("button", name="Stop").click()
    await expect(dialog.get_by_role("status")).to_contain_text("Stopped: ")
    stopped = re.match(r"Stopped: (\d+) replayed\. ", await dialog.get_by_role("status").inner_text())
    assert stopped
    left = count - int(stopped[1])
    assert 0 < left < count
    await dialog.get_by_role("button", name="Close").click()
    await expect(operator.text("tbody tr")).to_have_count(left)
    await operator.click("Replay all of these…")
    await page.get_by_label("Dead letters a second, 0 for no limit").fill("0")
    await page.get_by_label("To another channel, id/type").fill("many2/elsewhere")
    await dialog.get_by_role("button", name="Replay").click()
    await expect(dialog.get_by_role("status")).to_have_text(f"Done: {left} replayed.")
    await dialog.get_by_role("button", name="Close").click()
    await operator.says("No dead letter matches this filter.")


async def test_many_are_purged(operator: Operator) -> None:
    """What a filter finds is purged after a question; what it does not find stays."""
    await dead(operator, ("many3", "purge"), 3)
    (kept,) = await dead(operator, ("many4", "purge"), 1)
    await operator.go("dead-letters?event_id=many3&reason=no_subscriber")
    await expect(operator.text("tbody tr")).to_have_count(3)
    await operator.click("Purge all of these…")
    dialog = operator.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Purge them").click()
    await expect(dialog.get_by_role("status")).to_have_text("Done: 3 purged.")
    await dialog.get_by_role("button", name="Close").click()
    await operator.says("No dead letter matches this filter.")
    await operator.go(f"dead-letters/{kept}")
    await operator.says("nobody was handed it")


async def test_settings_are_searched(operator: Operator, complaints: list[str]) -> None:
    """Each setting stands there with where it is from; no secret does."""
    page = operator.page
    await operator.go("settings")
    row = operator.text("tbody tr").filter(has=page.get_by_text("dead_letters.grace_s", exact=True))
    await expect(row).to_contain_text("0.5")
    await expect(row).to_contain_text("FAST_SSE_DEAD_LETTERS__GRACE_S")
    await page.get_by_label("only settings that are not the default").check()
    await page.get_by_label("Search").fill("admin.key")
    await expect(operator.text("tbody tr")).to_have_count(1)
    await expect(operator.text("tbody tr")).to_contain_text("(set)")
    await page.get_by_label("Search").fill("no such setting")
    await operator.says("No setting has this in its name or value.")
    assert complaints == []


async def test_a_node_with_a_log_of_its_own_is_alone(operator: Operator, complaints: list[str]) -> None:
    """On SQLite there are no others, and the page says so."""
    await operator.go("nodes")
    await operator.says("This node has a log of its own")
    assert complaints == []

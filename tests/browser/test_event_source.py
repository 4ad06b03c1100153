"""The hub through a real browser's own EventSource: received, resumed, shared.

Every message is numbered, so that a loss, a repetition and a swap each show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing

import pytest
from tests.browser.conftest import OpenPage
from tests.browser.demo import BLANK, CART, Demo, stream_target
from tests.browser.tab import Tab
from tests.support.kernel import eventually
from tests.support.proxy import Proxy
from tests.support.publisher import Publisher, publish_once

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

COUNT = 200


async def _again(demo: Demo) -> None:
    await demo.await_exit()
    await demo.astart()


@pytest.mark.parametrize("end", [Demo.kill_now, Demo.terminate_now], ids=["kill -9", "SIGTERM"])
async def test_a_restart_loses_and_repeats_nothing(
    open_page: OpenPage, mortal: Demo, end: Callable[[Demo], None]
) -> None:
    """A hub that ends amid 200 publishes, with one unanswered, and starts again costs a native EventSource nothing."""
    tab = await Tab.on(await open_page(), mortal.origin + BLANK)
    await tab.listen("a", stream_target(CART))
    with closing(Publisher("p0", mortal.public)) as publisher:
        for _ in range(COUNT // 2):
            await publisher.publish_surely(CART)
        await tab.until("a", "seen", 1)

        def strike() -> None:
            publisher.on_sent = None
            end(mortal)

        publisher.on_sent = strike
        restart = asyncio.create_task(_again(mortal))
        for _ in range(COUNT // 2):
            await publisher.publish_surely(CART)
        await restart
    had = await tab.until("a", "seen", COUNT)
    assert had.seen == [f"p0-{n}" for n in range(COUNT)]
    assert had.ids == [message.message_id for message in publisher.history]
    assert (had.gaps, had.state) == ([], 1)
    assert had.opens >= 2, "the restart never reached the stream"
    assert mortal.starts == 2


async def test_a_drop_before_the_first_event_loses_nothing(open_page: OpenPage, demo: Demo) -> None:
    """A stream that was cut before it carried any event resumes where it began: the id that opens a stream counts."""
    channel = ("primed", "then_cut")
    async with Proxy(demo.public) as proxy:
        tab = await Tab.on(await open_page(), f"http://{proxy.address[0]}:{proxy.address[1]}{BLANK}")
        await tab.listen("a", stream_target(channel))
        proxy.mode = "cut_reply"
        proxy.cut()
        await tab.until("a", "errors", 1)
        for n in range(5):
            assert (await publish_once(demo.public, channel, n)).status == 200
        await eventually(lambda: proxy.replies_cut > 0, 10, "a reconnect that is cut again")
        proxy.mode = "pass"
        had = await tab.until("a", "seen", 5)
        await tab.page.close()
    assert (had.seen, had.gaps) == ([0, 1, 2, 3, 4], [])


async def test_two_tabs_both_get_everything(open_page: OpenPage, demo: Demo) -> None:
    """Two tabs on one channel see the same messages under the same ids in the same order."""
    channel = ("two", "tabs")
    tabs = [await Tab.on(await open_page(), demo.origin + BLANK) for _ in range(2)]
    for tab in tabs:
        await tab.listen("a", stream_target(channel))
    with closing(Publisher("p0", demo.public)) as publisher:
        for _ in range(50):
            await publisher.publish_surely(channel)
    first, second = [await tab.until("a", "seen", 50) for tab in tabs]
    assert first.seen == second.seen == [f"p0-{n}" for n in range(50)]
    assert first.ids == second.ids == [message.message_id for message in publisher.history]

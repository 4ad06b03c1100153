"""What the modules of the dashboard make of values, asked of them in the browser that runs them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Page
from tests.browser.conftest import OpenPage
from tests.browser.dashboard.operators import Operated

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]


async def called(page: Page, module: str, name: str, *arguments: Any) -> Any:
    """What a function of a module returns."""
    return await page.evaluate(
        "([module, name, args]) => import(`/static/${module}.js`).then((all) => all[name](...args))",
        [module, name, list(arguments)],
    )


async def test_values_are_written_as_they_are(open_page: OpenPage, hub: Operated) -> None:
    """JSON is indented and cut out with every number as it was; a hole in time is a hole; an unknown number is a dash."""
    page = await open_page()
    await page.goto(hub.origin)
    big = '{"n":12345678901234567890,"x":[1.50,{},[]],"s":"a\\"{:,}"}'
    assert json.loads(await called(page, "exact", "indented", big), parse_float=str) == json.loads(
        big, parse_float=str
    )
    assert '"n": 12345678901234567890' in await called(page, "exact", "indented", big)
    assert await called(page, "exact", "indented", "no json") == "no json"
    whole = f'{{"code":"ok","data":{{"headers":{{"data":"not this"}},"data":{big},"user":null}}}}'
    assert await called(page, "exact", "part", whole, ["data", "data"]) == big
    assert await called(page, "exact", "part", whole, ["data", "user"]) == "null"
    assert await called(page, "chart", "columns", [10, 15, 60, 65], [[1, 2, 3, None]], 5) == [
        [10, 15, 37.5, 60, 65],
        [1, 2, None, 3, None],
    ]
    for name, number, said in (
        ("rate", 0.04, "< 0.1 /s"),
        ("rate", 12.4, "12 /s"),
        ("count", 1234567, "1,234,567"),
        ("took", 0.00042, "420 µs"),
        ("took", 0.0042, "4.2 ms"),
        ("took", 1.5, "1.5 s"),
        ("bytes", 1536, "1.5 KiB"),
        ("bytes", None, "–"),
        ("took", None, "–"),
    ):
        parts = await called(page, "format", name, number)
        assert f"{parts['value']} {parts['unit']}".strip() == said
    for seconds, said in ((4.9, "4 s"), (600, "10 min"), (11100, "3 h 05 min"), (187200, "2 d 4 h")):
        assert await called(page, "format", "ago", seconds) == said


async def test_a_channel_is_read_as_it_is_written(open_page: OpenPage, hub: Operated) -> None:
    """`id/type` with a slash or a percent sign in a part is escaped, and comes back the same."""
    page = await open_page()
    await page.goto(hub.origin)
    for channel in (["a", "b"], ["a/b", "c%d"], ["%2F", "ü x"], ["*", "*"]):
        assert (
            await called(page, "routes", "channelOf", await called(page, "routes", "channelText", *channel))
            == channel
        )
    assert await called(page, "routes", "channelOf", "only") is None


async def test_each_state_has_its_sentence(open_page: OpenPage, hub: Operated) -> None:
    """The worst that is so is said, with what to do; what is not known is not said to be well."""
    page = await open_page()
    await page.goto(hub.origin)
    store = {
        "name": "redis",
        "durability": "redis-always+wait2",
        "up": True,
        "following": True,
        "damaged": False,
    }
    frame = {
        "node": "n0",
        "state": "ready",
        "at_ms": 0,
        "store": store,
        "values": {"streams": 1, "dead_letters": 0},
    }

    async def said(*, phase: str = "live", restarted: int = 0, **different: Any) -> tuple[str, str]:
        now = {"phase": phase, "why": "", "restartedMs": restarted, "frame": {**frame, **different}}
        words = await called(page, "words", "stateWords", now, 12, 100_000)
        return words["kind"], words["text"]

    assert await said() == (
        "",
        "n0 is ready, with 1 stream open. Every acknowledged message is on the disk of Redis, and on 2 replicas.",
    )
    kind, text = await said(phase="lost")
    assert (kind, text.split(":")[0]) == ("look", "No news from n0 for 12 s")
    for kind, words, different in (
        ("act", "publishes are refused", {"store": {**store, "up": False}}),
        ("act", "cannot read from Redis", {"store": {**store, "following": False}}),
        ("act", "unreadable", {"store": {**store, "damaged": True}}),
        ("look", "draining", {"state": "draining"}),
        ("look", "starting", {"state": "starting"}),
    ):
        found, text = await said(**different)
        assert found == kind
        assert words in text
    assert (await said(restarted=88_000))[1].endswith("It was restarted 12 s ago.")
    nothing = await called(
        page, "words", "stateWords", {"phase": "connecting", "why": "", "frame": None}, None, 0
    )
    assert nothing["kind"] == "off"

"""HTTP/2 at the proxy lifts the browser's limit of six streams: the recipe of deploy/nginx in front of a demo."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page
from tests.browser.conftest import OpenPage, need
from tests.browser.demo import BLANK, CART, Demo, stream_target
from tests.browser.tab import Tab
from tests.deploy.nginx import Nginx
from tests.deploy.proxy import Certificate
from tests.support.publisher import publish_once

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

STREAMS = 20
#: Connections that Chromium opens to one host over HTTP/1.1.
HTTP1_STREAMS = 6


@pytest.fixture
def nginx(demo: Demo, tmp_path: Path) -> Iterator[Nginx]:
    """The recipe, with TLS by a certificate that signed itself."""
    need("nginx", "openssl")
    with Nginx(tmp_path, demo.public, Certificate(tmp_path)) as nginx:
        yield nginx


async def answers(page: Page) -> list[dict[str, Any]]:
    """Every answer that the page gets from now on, as the browser's own network log has it."""
    kept: list[dict[str, Any]] = []
    network = await page.context.new_cdp_session(page)
    network.on("Network.responseReceived", lambda event: kept.append(event["response"]))
    await network.send("Network.enable")
    return kept


async def test_twenty_streams_share_one_connection(open_page: OpenPage, demo: Demo, nginx: Nginx) -> None:
    """Twenty EventSources are live at once over a single HTTP/2 connection, and each gets the message."""
    page = await open_page(ignore_https_errors=True)
    tab = await Tab.on(page, nginx.url(BLANK))
    kept = await answers(page)
    names = [f"s{n}" for n in range(STREAMS)]
    for name in names:
        await tab.listen(name, stream_target(CART))
    assert (await publish_once(demo.public, CART, "to all")).status == 200
    had = [await tab.until(name, "seen", 1) for name in names]
    assert [stream.seen for stream in had] == [["to all"]] * STREAMS
    assert [(stream.opens, stream.errors, stream.state) for stream in had] == [(1, 0, 1)] * STREAMS
    streams = [answer for answer in kept if answer["mimeType"] == "text/event-stream"]
    assert len(streams) == STREAMS
    assert {answer["protocol"] for answer in streams} == {"h2"}
    assert len({answer["connectionId"] for answer in streams}) == 1


async def test_without_it_the_seventh_stream_waits(open_page: OpenPage, demo: Demo) -> None:
    """Over plain HTTP/1.1 six streams are live and the seventh has not even begun: what the recipe is for."""
    channel = ("only", "six")
    tab = await Tab.on(await open_page(), demo.origin + BLANK)
    names = [f"s{n}" for n in range(HTTP1_STREAMS)]
    for name in names:
        await tab.listen(name, stream_target(channel))
    await tab.listen("seventh", stream_target(channel), opened=False)
    assert (await publish_once(demo.public, channel, "to six")).status == 200
    for name in names:
        await tab.until(name, "seen", 1)
    seventh = await tab.seen("seventh")
    assert (seventh.opens, seventh.state) == (0, 0)
    await tab.page.evaluate("() => window.streams.s0.source.close()")
    await tab.until("seventh", "opens", 1)

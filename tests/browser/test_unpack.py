"""examples/unpack.mjs in a real browser, on a stream in payload mode."""

from __future__ import annotations

import json

import pytest
from tests.browser.conftest import OpenPage
from tests.browser.demo import BLANK, CART, Demo, stream_target
from tests.support.publisher import publish_once
from tests.support.server import ROOT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.wire,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="session"),
]

MODULE = ROOT / "examples" / "unpack.mjs"

_LISTEN = """async (url) => {
  const { inOrder } = await import("/unpack.mjs");
  const source = new EventSource(url);
  window.raw = [];
  window.seen = [];
  let told;
  window.all = new Promise((done) => { told = done; });
  const listen = inOrder(({ data }, { lastEventId }) => {
    if (window.seen.push([lastEventId, data]) === 30) told();
  });
  const both = (event) => { window.raw.push(event.data.length); listen(event); };
  source.onmessage = both;
  source.addEventListener("cart", both);
  await new Promise((done) => { source.onopen = done; });
}"""


async def test_a_page_reads_packed_messages_in_their_order(open_page: OpenPage, demo: Demo) -> None:
    """Long and short, packed and not, with a name and without: each once, as it was published, under its id."""
    page = await open_page()
    await page.route(
        "**/unpack.mjs", lambda route: route.fulfill(path=MODULE, content_type="text/javascript")
    )
    await page.goto(demo.origin + BLANK)
    await page.evaluate(_LISTEN, stream_target(CART) + "&compression=payload")
    published: list[list[object]] = []
    for number in range(30):
        data = {"n": number, "text": "grün 🎉 " * (0, 20, 400, 20_000)[number % 4]}
        reply = await publish_once(demo.public, CART, data, **({"event": "cart"} if number % 3 else {}))
        published.append([reply.json()["data"]["message_id"], data])
    await page.evaluate(
        "window.all"
    )  # a function that is polled would be text that the page's policy forbids
    assert await page.evaluate("window.seen") == published
    on_the_wire = await page.evaluate("window.raw.reduce((sum, size) => sum + size)")
    assert on_the_wire * 20 < len(json.dumps(published))

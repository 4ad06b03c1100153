"""A page whose signatures run out under it: the handler of docs/browsers.md, in a real browser."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from tests.browser.conftest import OpenPage
from tests.browser.demo import BLANK, Demo
from tests.docs.shell import DOCS, blocks
from tests.support.publisher import publish_once
from tests.support.sign import v2

from fast_sse.cli.credentials import DEMO_KID

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

CHANNEL = ("carid000001", "cart_changed")
#: The page's own words around the listing.
AROUND = """
window.shown = []; window.waiting = [];
const show = (_id, data) => { window.shown.push(data); window.waiting.forEach((look) => look()); };
const reload = (reason) => show("", `gap ${reason}`);
window.had = (count) => new Promise((done) => {
  const look = () => { if (window.shown.length >= count) done(window.shown); };
  window.waiting.push(look); look();
});
const Source = window.EventSource;
window.started = new Promise((done) => {
  window.EventSource = class extends Source {
    constructor(url) { super(url); this.addEventListener("fast-sse.start", done, { once: true }); }
  };
});
"""
#: Seconds that a signature lives: more than a busy machine needs from making one to the hub's look at it. One that
#: is over at once makes the page wait half a minute, which is the other test.
LIVES_S = 5


def listing() -> str:
    """The page of docs/browsers.md."""
    (found,) = [one for one in blocks((DOCS / "browsers.md").read_text(), "js") if "freshSignature" in one]
    return found


async def test_a_page_outlives_its_signatures(open_page: OpenPage, demo: Demo) -> None:
    """Every message is shown once and in order, over as many streams and signatures as that takes."""
    page, made = await open_page(), []
    key = (demo.data / "key").read_text()

    def fresh() -> str:
        made.append(v2("sub", *CHANNEL, lives_s=LIVES_S, kid=DEMO_KID, key=key))
        return made[-1]

    await page.expose_function("freshSignature", fresh)
    await page.goto(demo.origin + BLANK)
    await page.evaluate(f"() => {{ {AROUND} {listing()} listen(); }}")
    await page.evaluate(
        "() => window.started.then(() => null)"
    )  # before it, a message is not this page's to see
    number = 0
    while len(made) < 3:
        assert (await publish_once(demo.public, CHANNEL, number)).status == 200
        number += 1
        await page.evaluate("(count) => window.had(count)", number)
    assert await page.evaluate("() => window.shown") == list(range(number))
    await page.close()


def ended(key: str) -> str:
    """A right signature whose time is over: the signer's clock is behind, or a cache stands between."""
    return v2("sub", *CHANNEL, lives_s=1, now=time.time() - 500, kid=DEMO_KID, key=key)


def wrong(_key: str) -> str:
    """The hub answers 401, after which a browser gives up for good."""
    return "nonsense"


def away(_key: str) -> str:
    """The signer does not answer."""
    raise OSError("the signer is away")


@pytest.mark.parametrize(("sign", "least_ms"), [(ended, 30_000), (wrong, 5_000), (away, 5_000)])
async def test_a_page_without_a_good_signature_asks_now_and_then(
    open_page: OpenPage, demo: Demo, sign: Callable[[str], str], least_ms: int
) -> None:
    """It waits and begins again, by a chance of its own: it goes round in no circle, and it never falls silent."""
    page, made = await open_page(), []
    key = (demo.data / "key").read_text()

    def fresh() -> str:
        made.append(time.monotonic())
        return sign(key)

    waits: list[float] = []
    await page.expose_function("freshSignature", fresh)

    def waited(ms: float) -> None:
        waits.append(ms)

    await page.expose_function("waits", waited)
    await page.goto(demo.origin + BLANK)
    watched = re.sub(r"\bsetTimeout\b", "later", listing())
    told = (
        "new Promise((done) => { window.later = (_act, ms) => { window.waits(ms).then(done); }; listen(); })"
    )
    await page.evaluate(
        f"() => {{ const later = (...given) => window.later(...given); {AROUND} {watched} return {told}; }}"
    )
    assert len(made) == 1
    assert least_ms <= waits[0] <= 2 * least_ms
    await page.close()

"""A browser's own EventSource, watched from outside: what it dispatched, and how often it opened and failed.

Everything is awaited inside the page by the very events that it dispatches; no one asks again and again.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from playwright.async_api import Page

#: Seconds that anything awaited in a page may take before the test gives up on it.
SOON_S = 20.0

_PROBE = """() => {
  const waiters = new Set();
  const look = () => { for (const waiter of waiters) if (waiter.check()) { waiters.delete(waiter); waiter.done(); } };
  window.streams = {};
  window.listen = ([name, url]) => {
    const source = new EventSource(url);
    const stream = { source, seen: [], ids: [], gaps: [], opens: 0, errors: 0 };
    window.streams[name] = stream;
    const then = (act) => (event) => { act(event); look(); };
    source.onopen = then(() => { stream.opens += 1; });
    source.onerror = then(() => { stream.errors += 1; });
    source.onmessage = then((event) => {
      stream.seen.push(JSON.parse(event.data).data);
      stream.ids.push(event.lastEventId);
    });
    source.addEventListener("fast-sse.gap", then((event) => { stream.gaps.push(event.data); }));
  };
  window.reached = ([name, count, least]) => new Promise((done) => {
    const check = () => (window.streams[name][count].length ?? window.streams[name][count]) >= least;
    waiters.add({ check, done });
    look();
  });
}"""


class Seen(NamedTuple):
    """What one EventSource has had so far; `state` is its readyState: 0 connecting, 1 open, 2 closed for good."""

    seen: list[Any]
    ids: list[str]
    gaps: list[str]
    opens: int
    errors: int
    state: int


class Tab:
    """A page with any number of EventSources, by name. Build it with `on`."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    async def on(cls, page: Page, url: str) -> Tab:
        """Load a quiet document of the hub's origin and wait for orders."""
        await page.goto(url)
        await page.evaluate(_PROBE)
        return cls(page)

    async def listen(self, name: str, target: str, *, opened: bool = True) -> None:
        """Open a stream, and wait until it is open where that can be."""
        await self.page.evaluate("(at) => window.listen(at)", [name, target])
        if opened:
            await self.until(name, "opens", 1)

    async def until(self, name: str, count: str, least: int) -> Seen:
        """Wait until a stream has at least so many of something."""
        try:
            async with asyncio.timeout(SOON_S):
                await self.page.evaluate("(wanted) => window.reached(wanted)", [name, count, least])
        except TimeoutError:
            raise TimeoutError(f"{name} never had {least} {count}: {await self.seen(name)}") from None
        return await self.seen(name)

    async def seen(self, name: str) -> Seen:
        """All that a stream has had."""
        told = await self.page.evaluate(
            "(name) => ({ ...window.streams[name], source: null, state: window.streams[name].source.readyState })",
            name,
        )
        return Seen(**{field: told[field] for field in Seen._fields})

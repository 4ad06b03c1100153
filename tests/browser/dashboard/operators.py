"""A hub with an operators' listener that a browser can come back to, and an operator in front of its dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from playwright.async_api import Locator, Page, expect
from tests.support.http1 import Reply, request
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import Hub, stable_port
from tests.support.sse import Client

KEY = "the operators' key of these tests"
#: Markup that would run if any page took it for some.
XSS = "<img src=x onerror=window.pwned=1>"
#: Letters die soon, and a tail has something to do.
QUICK = {"FAST_SSE_DEAD_LETTERS__GRACE_S": "0.5", "FAST_SSE_DRAIN_S": "0.2"}


class Operated(Hub):
    """A hub whose operators' listener keeps its port over restarts, and asks for a key."""

    def __init__(
        self,
        directory: Path,
        *,
        store: str = "sqlite",
        settings: dict[str, str] | None = None,
        key: str = KEY,
    ) -> None:
        own = {"FAST_SSE_ADMIN_PORT": str(stable_port()), "FAST_SSE_ADMIN__KEY": key}
        super().__init__(directory, store=store, settings={**QUICK, **own, **(settings or {})})

    def change_key(self, key: str) -> None:
        """From the next start on."""
        self._settings["FAST_SSE_ADMIN__KEY"] = key

    @property
    def origin(self) -> str:
        """What a browser calls the operators' listener."""
        return f"http://{self.admin[0]}:{self.admin[1]}"

    async def publish(self, channel: Pair, data: Any, **extra: Any) -> str:
        """One message; its id."""
        reply = await publish_once(self.public, channel, data, **extra)
        assert reply.status == 200, reply.body
        return str(reply.json()["data"]["message_id"])

    async def operate(self, method: str, target: str) -> Reply:
        """What the command line would ask of the operators' listener."""
        return await request(self.admin, method, target, {"Authorization": f"Bearer {KEY}"})

    def subscriber(self, channel: Pair, **options: Any) -> Client:
        """One that is not started yet."""
        return Client("subscriber", self.public, subscribe_target(channel), signed(channel), **options)


class Operator:
    """A page of the dashboard, signed in."""

    def __init__(self, page: Page, hub: Operated) -> None:
        self.page, self.hub = page, hub

    @classmethod
    async def at(cls, page: Page, hub: Operated, route: str = "overview") -> Self:
        """Open a page and sign in."""
        await page.goto(f"{hub.origin}/#/{route}")
        await page.get_by_label("Admin key").fill(KEY)
        await page.get_by_role("button", name="Sign in").click()
        operator = cls(page, hub)
        await operator.is_live()
        return operator

    async def is_live(self) -> None:
        """Wait until the numbers are those of now."""
        await expect(self.page.locator("#fresh")).to_have_text("live")

    async def go(self, route: str) -> None:
        """Another page, as a link of the dashboard would go there."""
        await self.page.evaluate("(route) => { location.hash = `#/${route}`; }", route)

    async def click(self, name: str) -> None:
        """A button."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def until(self, true: Callable[[], Awaitable[bool]], within_s: float = 20.0) -> None:
        """Ask again until it is so: nothing announces it."""
        try:
            async with asyncio.timeout(within_s):
                while not await true():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise TimeoutError(f"{self.page.url}: {await self.page.locator('main').inner_text()}") from None

    def text(self, selector: str) -> Locator:
        """Something to look at in the page itself."""
        return self.page.locator(f"main {selector}")

    def figure(self, title: str) -> Locator:
        """The numbers of a figure of the overview."""
        return self.page.locator(f'section[aria-label="{title}"] .value > span:first-child')

    async def says(self, words: str) -> None:
        """The page has these words somewhere."""
        await expect(self.page.locator("main")).to_contain_text(words)

    async def told(self, words: str) -> None:
        """What was done was said."""
        await expect(self.page.locator("#toast")).to_contain_text(words)

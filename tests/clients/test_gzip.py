"""A stream that is compressed once for all: every client of the field unpacks it by itself, live, byte for byte.

By turns: the next message is published when every client has reported the one before. All listen to one channel, which
has members enough for a shared window, and they come one after another, in the middle of an epoch.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.clients.browsers import shared_chromium
from tests.clients.catalogue import Client, catalogue
from tests.clients.driver import Driver
from tests.clients.foreign import build, foreign
from tests.clients.scenarios import named, need
from tests.clients.tap import Tap, tapped
from tests.deploy.curl import line, running
from tests.deploy.nginx import Nginx
from tests.deploy.proxy import Certificate
from tests.support.gzip_stream import gzip_stream
from tests.support.http1 import Address
from tests.support.publisher import publish_once, subscribe_target
from tests.support.server import ROOT, Hub
from tests.support.sign import v2

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(150)]

CHANNEL = ("prices", "eur")
#: Those whose HTTP asks for gzip and unpacks it, one of each.
UNPACK = (
    "EventSource of Chromium",
    "EventSource of Firefox ESR",
    "npm @microsoft/fetch-event-source",
    "npm eventsource 4",
    "PyPI httpx-sse",
    "PyPI requests-sse",
    "PyPI aiohttp-sse-client",
)
#: In other languages.
FOREIGN = ("Go r3labs/sse", "Go tmaxmax/go-sse", "Java okhttp-sse", "Rust reqwest-eventsource")
#: Those that do not, and so are sent plain text.
PLAIN = ("npm eventsource 2", "npm launchdarkly-eventsource")
#: Streams that are there before, so that the channel has an epoch.
CROWD = 8
#: Published before each client comes, and when all are there.
BETWEEN, TURNS = 3, 12
FIRST_S, SOON_S = 45.0, 10.0
#: More than a header, and less than a first block.
FIRST_BLOCK_BYTES = 60


def payload(number: int) -> dict[str, Any]:
    """Much of it the same each time, beyond ASCII and of very different lengths."""
    return {"number": number, "text": "Grüße, 价格 🛒", "more": "x" * (number % 5) * 700}


class Listener:
    """A client of the field on a wire of its own."""

    def __init__(self, client: Client, tap: Tap, driver: Driver) -> None:
        self.client, self.tap, self.driver = client, tap, driver
        self.first = 0

    @property
    def got(self) -> list[Any]:
        """What its user was told."""
        return [json.loads(event.data)["data"] for event in self.driver.events if not event.is_ours]

    async def until(self, number: int) -> None:
        """Wait until its user has this message."""
        try:
            async with asyncio.timeout(SOON_S):
                await self.driver.until(lambda: any(one["number"] == number for one in self.got))
        except TimeoutError:
            pytest.fail(f"{self.client.row} has no {number}\n{self.driver.describe()}\n{self.tap.streams}")


def target() -> str:
    signature = v2("sub", *CHANNEL, lives_s=900)
    return f"{subscribe_target(CHANNEL)}?signature={signature}"


async def turns(hub: Hub, entrance: Address, clients: list[Client]) -> None:
    """Play it."""
    async with AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(gzip_stream(hub.public, target(), {})) for _ in range(CROWD)]
        for one in crowd:
            await one.until(b"fast-sse.start")
        environment = await stack.enter_async_context(shared_chromium(clients))
        numbers, listeners = iter(range(1000)), list[Listener]()
        url = "http://{}:{}".format(*entrance) + target()
        curl = await stack.enter_async_context(
            running("curl", "--silent", "--no-buffer", "--compressed", url)
        )
        await line(curl, "id: ", FIRST_S)

        async def publish() -> int:
            number = next(numbers)
            reply = await publish_once(hub.public, CHANNEL, payload(number))
            assert reply.status == 200, reply
            assert json.loads((await line(curl, 'data: {"data"'))[6:])["data"] == payload(number)
            await asyncio.gather(*(one.until(number) for one in listeners))
            return number

        for client in clients:
            tap = await stack.enter_async_context(tapped(entrance))
            driver = Driver(client.command, ROOT, environment)
            stack.push_async_callback(driver.end)
            await driver.start(f"http://{tap.address[0]}:{tap.address[1]}{target()}", client.variant)
            async with asyncio.timeout(FIRST_S):  # the first block is there when its tap has seen it
                await tap.stream_bytes(FIRST_BLOCK_BYTES)
            listener = Listener(client, tap, driver)
            async with asyncio.timeout(
                SOON_S
            ):  # the first block, which is not compressed, is there before any other
                await driver.until(lambda: bool(driver.events))  # noqa: B023
            listener.first = await publish()
            await listener.until(listener.first)
            listeners.append(listener)
            for _ in range(BETWEEN):
                await publish()
        for _ in range(TURNS):
            await publish()
        last = next(numbers)
        for listener in listeners:
            assert listener.got == [payload(number) for number in range(listener.first, last)], (
                listener.client.row
            )
            ((head, _body),) = listener.tap.streams
            gzip = "content-encoding: gzip" in head
            assert gzip is (listener.client.row in (*UNPACK, *FOREIGN)), listener.client.row
            assert "vary: accept-encoding" in head
        for one in crowd:
            await one.until(b'"number": %d,' % (last - 1))
            assert one.text.count(b'"number"') == last


def test_the_page_says_who_unpacks() -> None:
    """docs/clients.md lists the clients that are played here, and no others."""
    page = (
        (ROOT / "docs" / "clients.md").read_text().partition("## Compressed streams")[2].partition("## ")[0]
    )
    listed = re.findall(r"^- (.*)$", page, re.MULTILINE)
    assert listed == [*UNPACK, *FOREIGN, "curl with `--compressed`"]
    (plain,) = re.findall(r"plain text: (.*)\.", page)
    assert plain.split(", ") == list(PLAIN)


async def test_every_client_unpacks_the_shared_stream_live(tmp_path: Path) -> None:
    """Each message is at each client's user before the next is published; who asks for no gzip gets plain text."""
    clients = need(named(catalogue(), *UNPACK, *PLAIN))
    async with Hub(tmp_path, settings={"FAST_SSE_COMPRESSION": "auto"}) as hub:
        await turns(hub, hub.public, clients)


@pytest.mark.chaos
@pytest.mark.parametrize("language", ["Go", "Java", "Rust"])
async def test_clients_in_other_languages_unpack_it_live(tmp_path: Path, language: str) -> None:
    """Each has a decoder of its own. Go's keeps what it has until a flush or the end of its window."""
    if missing := await asyncio.to_thread(build, language):
        pytest.skip(missing)
    clients = [one for one in foreign() if one.row in FOREIGN and one.language == language]
    async with Hub(tmp_path, settings={"FAST_SSE_COMPRESSION": "auto"}) as hub:
        await turns(hub, hub.public, clients)


async def test_the_same_through_nginx(tmp_path: Path) -> None:
    """The recipe of deploy/nginx passes the blocks on as they come, and neither unpacks nor packs them."""
    clients = need(named(catalogue(), *(row for row in UNPACK if "Firefox" not in row)))
    async with Hub(tmp_path, settings={"FAST_SSE_COMPRESSION": "auto"}) as hub:
        certificate = await asyncio.to_thread(Certificate, tmp_path)
        (tmp_path / "nginx").mkdir()
        with Nginx(tmp_path / "nginx", hub.public, certificate) as nginx:
            await turns(hub, nginx.plain, clients)

"""One client in one scenario: its driver behind a relay of its own, its channel, and what it is owed.

Everything is awaited and bounded in time. What does not happen in time is no error here: it is what the cell says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote

from tests.clients.catalogue import Client
from tests.clients.driver import Driver, Told
from tests.clients.relay import Relay
from tests.clients.verdict import Observation, Owed
from tests.support.http1 import Address
from tests.support.publisher import Pair, publish_once, subscribe_target
from tests.support.server import ROOT
from tests.support.sign import v2

START = "fast-sse.start"
#: Seconds until a driver has its first stream: a browser starts, and the machine may be busy with others.
FIRST_S = 45.0
#: Seconds until a client has a stream again. The slowest of them waits a second of its own, and more after failures.
BACK_S = 12.0
#: Seconds until what the hub sent has reached the user.
SOON_S = 10.0
#: Seconds that a client which does not say that it is open is given to read what it was sent.
SETTLE_S = 3.0
#: Seconds from there until its user has been told of the first block, where it tells of it.
SHORT_S = 0.5


class Actor:
    """A client on the stage. Made by `acting`.

    Attributes:
        owed: what its channel was given, in order.
        came_back: whether it had a stream again after the last disturbance.
        must_tell: the event of the hub that its user must have been told.
    """

    def __init__(self, client: Client, relay: Relay, scenario: str, environment: Mapping[str, str]) -> None:
        self.client = client
        self.relay = relay
        self.channel: Pair = (client.key, scenario)
        self._environment = environment
        self.driver = Driver(client.command, ROOT, environment)
        self.owed: list[Owed] = []
        self.told: list[Told] = []
        self.came_back = True
        self.must_tell = ""
        self._numbers = iter(range(1_000_000))

    # -- its stream -------------------------------------------------------------------------------

    def url(self, cursor: str = "") -> str:
        """Where its driver subscribes: the relay, with a signature that outlives the scenario."""
        host, port = self.relay.address
        signature = v2("sub", *self.channel, lives_s=900)
        shown = f"&last_event_id={quote(cursor)}" if cursor else ""
        return f"http://{host}:{port}{subscribe_target(self.channel)}?signature={signature}{shown}"

    async def start(self, url: str = "") -> None:
        """Start its driver and wait until its stream is open and it has read the first block."""
        before = len(self.relay.streams)
        await self.driver.start(url or self.url(), self.client.variant)
        opened = await self.within(FIRST_S, self.relay.until, lambda: len(self.relay.streams) > before)
        assert opened, f"{self.client.row} never had a stream\n{self.driver.describe()}"
        await self.settle(0)

    async def settle(self, before: int) -> None:
        """Wait until it has read the first block of its stream, as far as one can tell."""

        def opened() -> bool:
            return self.driver.opens > before or started()

        def started() -> bool:
            return self.driver.names().count(START) > before

        await self.within(SETTLE_S, self.driver.until, opened)
        await self.within(SHORT_S, self.driver.until, started)

    async def replace(self, url: str) -> None:
        """A page loads anew, or its handler goes on with another URL: the client of before is closed."""
        self.told += self.driver.events
        await self.driver.end()
        self.driver = Driver(self.client.command, ROOT, self._environment)
        await self.start(url)

    def kept(self) -> str:
        """The cursor that its user has: the id of the last message, or of the first block."""
        ids = {message.id for message in self.owed}
        told = [*self.told, *self.driver.events]
        known = [event.id for event in told if event.id in ids or event.name == START]
        return known[-1] or "" if known else ""

    async def back(self, streams: int) -> bool:
        """Wait until it has a stream more than it had; False when it gave up or takes too long."""
        self.came_back = await self._unless_closed(lambda: len(self.relay.streams) > streams)
        return self.came_back

    async def returning(self, heads: int) -> bool:
        """Wait until it asks for a stream again; False when it gave up or takes too long."""
        return await self._unless_closed(lambda: len(self.relay.heads) > heads)

    async def _unless_closed(self, true: Callable[[], bool]) -> bool:
        driver = self.driver
        waits = [
            asyncio.ensure_future(self.relay.until(true)),
            asyncio.ensure_future(driver.until(lambda: driver.closed is not None)),
        ]
        await asyncio.wait(waits, timeout=BACK_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return true()

    async def within(
        self, seconds: float, until: Callable[[Callable[[], bool]], Awaitable[None]], true: Callable[[], bool]
    ) -> bool:
        """Whether something came true in time."""
        try:
            async with asyncio.timeout(seconds):
                await until(true)
        except TimeoutError:
            return False
        return True

    # -- what it is owed --------------------------------------------------------------------------

    async def publish(self, at: Address, count: int = 1) -> str:
        """Publish to its channel; the payload of the last."""
        for _ in range(count):
            payload = f"m{next(self._numbers):05d}"
            reply = await publish_once(at, self.channel, payload)
            assert reply.status == 200, reply
            self.owed.append(Owed(payload, reply.json()["data"]["message_id"]))
        return self.owed[-1].payload

    async def has(self, payload: str) -> bool:
        """Wait until a message has reached its user; False when it does not, or the client is gone."""
        driver = self.driver

        def there() -> bool:
            return driver.closed is not None or any(f'"{payload}"' in event.data for event in driver.events)

        return await self.within(SOON_S, driver.until, there) and driver.closed is None

    async def fence(self, at: Address) -> None:
        """Publish once more and wait for it: what came before it in the log is then there, or will never be."""
        if self.came_back:
            await self.has(await self.publish(at))

    def observation(self) -> Observation:
        """All that the judge needs."""
        told = [*self.told, *self.driver.events]
        streams = self.relay.streams
        gzip = sum(answer.gzip is not None for answer in streams)
        return Observation(self.owed, told, self.came_back, self.must_tell, len(streams), gzip)

    def describe(self) -> str:
        """What a person needs to see when a cell is not as it should be."""
        heads = [head.cursor for head in self.relay.heads]
        return f"{self.client.row} on {self.channel[1]}, showed {heads[-6:]} of {len(heads)}\n{self.driver.describe()}"


@asynccontextmanager
async def acting(
    client: Client, target: Address, scenario: str, environment: Mapping[str, str]
) -> AsyncIterator[Actor]:
    """A client behind a relay, started by who uses it and ended with the block."""
    async with Relay(target) as relay:
        actor = Actor(client, relay, scenario, environment)
        try:
            yield actor
        finally:
            await actor.driver.end()

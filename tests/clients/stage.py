"""The stage: a hub, what stands before it, and the clients that one scenario disturbs all at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.clients.actor import Actor, acting
from tests.clients.browsers import shared_chromium
from tests.clients.catalogue import Client
from tests.clients.verdict import Observation
from tests.deploy.proxy import Proxy
from tests.support.http1 import Address
from tests.support.server import Hub

#: Nothing comes between the blocks of a test that counts bytes, a client may come back soon, and a drain is short.
SETTINGS = {
    "FAST_SSE_LIMITS__RETRY_MS": "40",
    "FAST_SSE_LIMITS__OVERLOAD_RETRY_MS": "150",
    "FAST_SSE_HEARTBEAT_S": "600",
    "FAST_SSE_DRAIN_S": "0.4",
}


class Stage:
    """What a scenario plays on.

    Attributes:
        hub: that messages are published to.
        entrance: where relays lead: the hub, or a proxy before it.
        front: that proxy.
        other: a second node on the same log.
        actors: the clients, each with a channel of its own.
    """

    def __init__(
        self,
        hub: Hub,
        entrance: Address | None = None,
        *,
        front: Proxy | None = None,
        other: Hub | None = None,
    ) -> None:
        self.hub = hub
        self.entrance = entrance or hub.public
        self.front = front
        self.other = other
        self.actors: list[Actor] = []

    @property
    def at(self) -> Address:
        """Where to publish."""
        return self.hub.public

    async def each(self, act: Callable[[Actor], Awaitable[None]]) -> None:
        """All actors at once; an error of one is the scenario's."""
        await asyncio.gather(*(act(actor) for actor in self.actors))


class Scenario(NamedTuple):
    """One column of the table.

    Attributes:
        name: in a channel, in a file, in a test's id.
        title: its head in the table.
        what: a sentence for the docs.
        rig: makes the stage: a directory, the number of clients, the module that a hub runs.
        play: what happens there.
    """

    name: str
    title: str
    what: str
    rig: Callable[[Path, int, str], AbstractAsyncContextManager[Stage]]
    play: Callable[[Stage], Awaitable[None]]


def a_hub(**settings: str) -> Callable[[Path, int, str], AbstractAsyncContextManager[Stage]]:
    """The rig of one hub on SQLite, at a port that restarts keep; `limits__retry_ms="40"` is a setting."""
    environment = SETTINGS | {f"FAST_SSE_{name.upper()}": value for name, value in settings.items()}

    @asynccontextmanager
    async def rig(directory: Path, _clients: int, module: str) -> AsyncIterator[Stage]:
        async with Hub(directory, settings=environment, module=module) as hub:
            yield Stage(hub)

    return rig


async def perform(
    scenario: Scenario, clients: Sequence[Client], directory: Path, module: str = "fast_sse"
) -> dict[str, Observation]:
    """Play one scenario with these clients; what was seen of each, by its row."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(scenario.rig(directory, len(clients), module))
        environment = await stack.enter_async_context(shared_chromium(clients))
        for client in clients:
            played = acting(client, stage.entrance, scenario.name, environment)
            actor = await stack.enter_async_context(played)
            stage.actors.append(actor)
        await scenario.play(stage)
        return {actor.client.row: actor.observation() for actor in stage.actors}

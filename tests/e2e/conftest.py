"""A running hub for each store and each server, shared by the tests of a worker; after each test it must still be well.

Tests keep apart by channel: each gets one that nobody else uses. Tests marked `front` are about what belongs to a
server; all others hold under any ASGI server as well.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.support.publisher import Pair, signed, subscribe_target
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import Hub
from tests.support.sse import Client

HEARTBEAT_S = 0.2
_numbers = itertools.count()

Listen = Callable[..., Client]


#: Where the endpoints are served: the module that is run, and the store.
SERVERS = {
    "memory": ("fast_sse", "memory"),
    "sqlite": ("fast_sse", "sqlite"),
    "redis": ("fast_sse", "redis"),
    "uvicorn": ("tests.support.under_uvicorn", "memory"),
    "hypercorn": ("tests.support.under_hypercorn", "memory"),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the tests that belong to a server off the servers that are not ours."""

    def foreign(item: pytest.Item) -> bool:
        server = getattr(item, "callspec", None) and item.callspec.params.get("shared_hub")  # type: ignore[attr-defined]
        return item.get_closest_marker("front") is not None and server in ("uvicorn", "hypercorn")

    config.hook.pytest_deselected(items=[item for item in items if foreign(item)])
    items[:] = [item for item in items if not foreign(item)]


@pytest.fixture(scope="session", params=list(SERVERS))
def shared_hub(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for all tests of this worker."""
    module, store = SERVERS[request.param]
    settings = {"FAST_SSE_HEARTBEAT_S": str(HEARTBEAT_S)}
    directory = tmp_path_factory.mktemp("hub")
    with ExitStack() as stack:
        if store == "redis":
            need_redis()
            redis = stack.enter_context(RedisServer(directory / "redis"))
            settings["FAST_SSE_REDIS__URL"] = redis.url
        yield stack.enter_context(Hub(directory, store=store, settings=settings, module=module, port=0))


@pytest.fixture
def hub(shared_hub: Hub) -> Iterator[Hub]:
    """The shared hub. Afterwards it still runs and has logged no defect of its own."""
    before = len(shared_hub.tail_of_log(10**9))
    yield shared_hub
    assert shared_hub.alive(), shared_hub.tail_of_log()
    assert "Traceback" not in shared_hub.tail_of_log(10**9)[before:], shared_hub.tail_of_log()


@pytest.fixture
def channel() -> Pair:
    """A channel of the test's own."""
    number = next(_numbers)
    return f"id{number}", f"type{number}"


@pytest.fixture
async def listen(hub: Hub) -> AsyncIterator[Listen]:
    """`listen(channel, cursor="", query="", **client)` starts a subscriber with a v1 signature; all are stopped later."""
    clients: list[Client] = []

    def start(channel: Pair, cursor: str = "", query: str = "", **more: object) -> Client:
        target = subscribe_target(channel) + (f"?{query}" if query else "")
        headers = more.pop("headers", None) or signed(channel)
        address = more.pop("address", hub.public)
        client = Client(f"c{len(clients)}", address, target, headers, **more)  # type: ignore[arg-type]
        client.last_event_id = cursor
        clients.append(client)
        return client.start()

    yield start
    await asyncio.gather(*(client.stop() for client in clients))

"""A hub behind each proxy that has a recipe, shared by the tests of a worker, and one that a test may kill."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.deploy.apache import Apache
from tests.deploy.caddy import Caddy
from tests.deploy.current import build
from tests.deploy.haproxy import HAProxy
from tests.deploy.nginx import Nginx
from tests.deploy.proxy import Certificate, Proxy
from tests.deploy.varnish import Varnish
from tests.support.http1 import Address
from tests.support.programs import need
from tests.support.publisher import Pair, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

HEARTBEAT_S = 0.2
#: Neither by the setting, nor because a hub looks twice in `stall_s` whether its clients still read.
WITHOUT_HEARTBEATS = {"FAST_SSE_HEARTBEAT_S": "600", "FAST_SSE_LIMITS__STALL_S": "1200"}
_numbers = itertools.count()

Listen = Callable[..., Client]
Kind = Callable[[Path, Address, Certificate], Proxy]
CURRENT_CADDY = "caddy-current"


class _Whole:
    """A body that needs no decoding: it has a length and comes at once, or ends with its connection."""

    def __init__(self, *, ended: bool) -> None:
        self.ended = ended

    def feed(self, data: bytes) -> bytes:
        return data


class Browser(Client):
    """A subscriber for whom a stream ends with its body, whoever frames it, and not with the connection."""

    def __init__(self, name: str, address: Address, channel: Pair, **more: Any) -> None:
        super().__init__(
            name, address, subscribe_target(channel), {**signed(channel), "Connection": "close"}, **more
        )

    def answered(self, wire: Any, status: int, headers: dict[str, str]) -> None:
        """A hub's stream is chunked; what a proxy says itself has a length, or ends with the connection."""
        if headers.get("transfer-encoding") != "chunked":
            wire.dechunker = _Whole(ended="content-length" in headers)
        super().answered(wire, status, headers)


class Pairing(NamedTuple):
    """A proxy and the hub behind it."""

    proxy: Proxy
    hub: Hub


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One for all tests of this worker."""
    need("openssl", "curl")
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def current_caddy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The program."""
    binary = build(tmp_path_factory.mktemp("caddy"))
    yield binary
    binary.unlink()


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(Nginx, id="nginx"),
        pytest.param(HAProxy, id="haproxy"),
        pytest.param(Caddy, id="caddy"),
        pytest.param(Varnish, id="varnish"),
        pytest.param(Apache, id="apache"),
        pytest.param(CURRENT_CADDY, id=CURRENT_CADDY, marks=pytest.mark.chaos),
    ],
)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each proxy that has a recipe: what the tests promise, they promise of all."""
    if request.param == CURRENT_CADDY:
        return partial(Caddy, binary=request.getfixturevalue("current_caddy"))
    found: Kind = request.param
    return found


@pytest.fixture(scope="session")
def talking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with many heartbeats."""
    settings = {"FAST_SSE_HEARTBEAT_S": str(HEARTBEAT_S)}
    with Hub(tmp_path_factory.mktemp("hub"), settings=settings, port=0) as hub:
        yield hub


@pytest.fixture(scope="session")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub without heartbeats."""
    with Hub(tmp_path_factory.mktemp("hub"), settings=WITHOUT_HEARTBEATS, port=0) as hub:
        yield hub


@pytest.fixture(scope="session")
def shared(
    talking: Hub, kind: Kind, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pairing]:
    """One pair for all tests that only talk."""
    with kind(tmp_path_factory.mktemp("proxy"), talking.public, certificate) as proxy:
        yield Pairing(proxy, talking)


@pytest.fixture(scope="session")
def quiet(
    silent: Hub, kind: Kind, certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pairing]:
    """One pair without heartbeats, so that nothing but an event can push an event out of a buffer."""
    with kind(tmp_path_factory.mktemp("proxy"), silent.public, certificate) as proxy:
        yield Pairing(proxy, silent)


@pytest.fixture
def pair(kind: Kind, certificate: Certificate, tmp_path: Path) -> Iterator[Pairing]:
    """A pair of the test's own: the hub keeps its port over restarts, and drains in a moment."""
    directory = tmp_path / "proxy"
    directory.mkdir()
    settings = {"FAST_SSE_DRAIN_S": "0.2"}
    with (
        Hub(tmp_path, settings=settings) as hub,
        kind(directory, hub.public, certificate) as proxy,
    ):
        yield Pairing(proxy, hub)


@pytest.fixture
def channel() -> Pair:
    """A channel of the test's own."""
    number = next(_numbers)
    return f"id{number}", f"type{number}"


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """`listen(address, channel, **client)` starts a subscriber with a v1 signature; all are stopped later."""
    clients: list[Client] = []

    def start(address: Address, channel: Pair, **more: Any) -> Client:
        client = Browser(f"c{len(clients)}", address, channel, **more)
        clients.append(client)
        return client.start()

    yield start
    await asyncio.gather(*(client.stop() for client in clients))

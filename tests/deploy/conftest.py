"""A hub behind the recipe's nginx, shared by the tests of a worker, and one that a test may kill."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.deploy.nginx import Certificate, Nginx, program
from tests.support.http1 import Address
from tests.support.publisher import Pair, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

HEARTBEAT_S = 0.2
_numbers = itertools.count()

Listen = Callable[..., Client]


class _Whole:
    """The body of an answer with a length, which needs no decoding."""

    ended = True

    def feed(self, data: bytes) -> bytes:
        return data


class Browser(Client):
    """A subscriber for whom a stream ends with its body, whoever frames it, and not with the connection."""

    def __init__(self, name: str, address: Address, channel: Pair, **more: Any) -> None:
        super().__init__(
            name, address, subscribe_target(channel), {**signed(channel), "Connection": "close"}, **more
        )

    def answered(self, wire: Any, status: int, headers: dict[str, str]) -> None:
        """A hub's stream is chunked; what nginx says itself has a length."""
        if "content-length" in headers:
            wire.dechunker = _Whole()
        super().answered(wire, status, headers)


class Pairing(NamedTuple):
    """nginx and the hub behind it."""

    nginx: Nginx
    hub: Hub


def need(*programs: str) -> None:
    """Skip, saying so, where a program is missing; in CI nothing may be skipped for want of one."""
    missing = [name for name in programs if not (program() if name == "nginx" else shutil.which(name))]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing, f"not installed: {', '.join(missing)}; see scripts/setup-test-packages"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One for all tests of this worker."""
    need("nginx", "openssl", "curl")
    return Certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def shared(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairing]:
    """One pair for all tests that only talk."""
    settings = {"FAST_SSE_HEARTBEAT_S": str(HEARTBEAT_S)}
    directory = tmp_path_factory.mktemp("nginx")
    with (
        Hub(tmp_path_factory.mktemp("hub"), settings=settings, port=0) as hub,
        Nginx(directory, hub.public, certificate) as nginx,
    ):
        yield Pairing(nginx, hub)


@pytest.fixture(scope="session")
def quiet(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pairing]:
    """One pair without heartbeats, so that nothing but an event can push an event out of a buffer."""
    settings = {"FAST_SSE_HEARTBEAT_S": "600"}
    directory = tmp_path_factory.mktemp("nginx")
    with (
        Hub(tmp_path_factory.mktemp("hub"), settings=settings, port=0) as hub,
        Nginx(directory, hub.public, certificate) as nginx,
    ):
        yield Pairing(nginx, hub)


@pytest.fixture
def pair(certificate: Certificate, tmp_path: Path) -> Iterator[Pairing]:
    """A pair of the test's own: the hub keeps its port over restarts, and drains in a moment."""
    directory = tmp_path / "nginx"
    directory.mkdir()
    settings = {"FAST_SSE_DRAIN_S": "0.2"}
    with (
        Hub(tmp_path, settings=settings) as hub,
        Nginx(directory, hub.public, certificate) as nginx,
    ):
        yield Pairing(nginx, hub)


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

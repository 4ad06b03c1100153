"""Streams that are quiet for longer than the time-outs of a proxy, in real time: `make chaos` only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.deploy.apache import Apache
from tests.deploy.caddy import RECIPE, Caddy
from tests.deploy.conftest import WITHOUT_HEARTBEATS
from tests.deploy.curl import curl, header, line, running
from tests.deploy.haproxy import HAProxy
from tests.deploy.nginx import Nginx
from tests.deploy.proxy import Certificate, Proxy, rendered
from tests.deploy.varnish import Varnish
from tests.support.publisher import Pair, publish_once, subscribe_target
from tests.support.server import Hub

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.chaos]

#: Each recipe's time-out of a stream is 60 s, and so is one that a Caddy has by itself.
QUIET_S = 75.0


async def outlast(client: asyncio.subprocess.Process) -> None:
    """Take heartbeats of one stream until it is that old."""
    loop = asyncio.get_running_loop()
    end = loop.time() + QUIET_S
    while loop.time() < end:
        await line(client, ":", within_s=30.0)


@contextmanager
def before(
    hub: Hub,
    kinds: list[type[Nginx | HAProxy | Caddy | Varnish | Apache]],
    certificate: Certificate,
    directory: Path,
) -> Iterator[list[Proxy]]:
    """One proxy of each kind before one hub."""
    with ExitStack() as stack:
        proxies: list[Proxy] = []
        for kind in kinds:
            place = directory / kind.name
            place.mkdir()
            proxies.append(stack.enter_context(kind(place, hub.public, certificate)))
        yield proxies


async def test_heartbeats_hold_a_stream(certificate: Certificate, tmp_path: Path, channel: Pair) -> None:
    """With the heartbeats of the default settings and nothing else, a stream over HTTP/2 outlives every time-out."""

    async def quiet(proxy: Proxy) -> None:
        async with running(*curl(proxy), *header(channel), proxy.url(subscribe_target(channel))) as client:
            await outlast(client)

    with (
        Hub(tmp_path, store="memory", port=0) as hub,
        before(hub, [Nginx, HAProxy, Caddy, Varnish, Apache], certificate, tmp_path) as proxies,
    ):
        await asyncio.gather(*(quiet(proxy) for proxy in proxies))


async def test_a_current_caddy_cuts_no_quiet_stream(
    certificate: Certificate, current_caddy: Path, tmp_path: Path, channel: Pair
) -> None:
    """Over HTTP/2 a current Caddy has no time-out but the recipe's: with that one raised, a silent stream is not cut."""
    directories = [tmp_path / name for name in ("beating", "silent")]
    for directory in directories:
        directory.mkdir()
    raised = rendered(RECIPE.read_text(), {"read_timeout 60s": "read_timeout 600s"})
    with (
        Hub(directories[0], store="memory", port=0) as beating,
        Hub(directories[1], store="memory", port=0, settings=WITHOUT_HEARTBEATS) as silent,
        Caddy(directories[0], beating.public, certificate, current_caddy) as recipe,
        Caddy(directories[1], silent.public, certificate, current_caddy, raised) as patient,
    ):
        target = subscribe_target(channel)
        async with (
            running(*curl(patient), *header(channel), patient.url(target)) as waits,
            running(*curl(recipe), *header(channel), recipe.url(target)) as beats,
        ):
            await line(waits, "id: ")
            await outlast(beats)
            await publish_once(silent.public, channel, "after")
            assert '"after"' in await line(waits, 'data: {"data"')

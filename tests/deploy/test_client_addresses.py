"""Whoever brings a client, the hub counts the client and not the one who brings it: through each proxy and each protocol."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.deploy.haproxy import HAProxy
from tests.deploy.nginx import Nginx
from tests.deploy.proxy import Certificate, Proxy
from tests.support import proxy_header
from tests.support.http1 import Address, request, request_bytes
from tests.support.kernel import eventually
from tests.support.publisher import signed, subscribe_target
from tests.support.server import Hub, has_ipv6

pytestmark = [pytest.mark.wire, pytest.mark.slow]

PATIENCE_S = 15.0
#: How many checks are waited for; three servers of the recipe each ask in turn.
CHECKS = 10
CHANNEL = ("carid000001", "cart_changed")
#: What a client says of itself, which no hub believes.
LIE = {"X-Forwarded-For": "198.51.100.99"}


class Way(NamedTuple):
    """How clients reach a hub: its settings, the proxy between, and what client number `n` sends when there is none."""

    settings: dict[str, str]
    proxy: Callable[[Path, Hub, Certificate], AbstractContextManager[Proxy | None]] = lambda *_: nullcontext()
    begin: Callable[[int], bytes] = lambda _number: b""
    headers: Callable[[int], dict[str, str]] = lambda _number: LIE


def haproxy(server: str) -> Callable[[Path, Hub, Certificate], Proxy]:
    """HAProxy with our recipe; its servers have more words."""
    return lambda place, hub, certificate: HAProxy(place, hub.public, certificate, server=server)


def nginx(place: Path, hub: Hub, certificate: Certificate) -> Proxy:
    """Nginx with our recipe, before a Unix socket."""
    return Nginx(place, ("unix", hub.unix), certificate)  # type: ignore[arg-type]  # unix:/path, as nginx writes it


PROXIED = {"FAST_SSE_TRUSTED_PROXIES": "127.0.0.1", "FAST_SSE_PROXY_PROTOCOL": "true"}
WAYS = {
    "a-port-behind-the-address": Way(
        {"FAST_SSE_TRUSTED_PROXIES": "127.0.0.1"},
        headers=lambda number: {"X-Forwarded-For": f"198.51.100.99, 203.0.113.{number}:5144{number}"},
    ),
    "ipv6-in-brackets-on-a-dual-stack": Way(
        {"FAST_SSE_TRUSTED_PROXIES": "127.0.0.1", "FAST_SSE_HOST": "::"},
        headers=lambda number: {"X-Forwarded-For": f"198.51.100.99, [2001:db8:0:{number}::7]:51443"},
    ),
    "haproxy": Way({"FAST_SSE_TRUSTED_PROXIES": "127.0.0.1"}, haproxy("")),
    "nginx-unix-socket": Way(
        {"FAST_SSE_HOST": "unix:{place}/hub.sock", "FAST_SSE_TRUSTED_PROXIES": "unix"}, nginx
    ),
    "haproxy-send-proxy": Way(PROXIED, haproxy("send-proxy check inter 100ms")),
    "haproxy-send-proxy-v2": Way(
        PROXIED, haproxy("send-proxy-v2 proxy-v2-options unique-id,crc32c check inter 100ms")
    ),
    # Even where the client is a trusted proxy itself, what stands in its head is not asked.
    "proxy-v2": Way(
        {**PROXIED, "FAST_SSE_TRUSTED_PROXIES": "127.0.0.1,2001:db8::/32"},
        begin=lambda number: proxy_header.v2(f"2001:db8:0:{number}::7", 1),
    ),
}


class Place:
    """A hub that takes one stream of each client, and the way to it."""

    def __init__(self, way: Way, address: Address, *, direct: bool) -> None:
        self._way = way
        self._address = address
        self._direct = direct

    async def stream(self, number: int) -> tuple[bool, asyncio.StreamWriter]:
        """Client `number` asks for a stream: whether it was taken, and the connection."""
        source = ("127.0.0.1" if self._direct else f"127.0.0.{number}", 0)
        reader, writer = await asyncio.open_connection(*self._address, local_addr=source)
        headers = {**signed(CHANNEL), "Accept": "text/event-stream", **self._way.headers(number)}
        writer.write(self._way.begin(number) + request_bytes("GET", subscribe_target(CHANNEL), headers))
        heard = b""
        while b"id: " not in heard and (data := await reader.read(65_536)):
            heard += data
            if heard.endswith(b"\r\n0\r\n\r\n"):  # a proxy keeps the connection behind the end of a body
                break
        assert heard.startswith(b"HTTP/1.1 200 OK"), heard
        assert b"retry: " in heard, heard
        return b"id: " in heard, writer


@pytest.fixture(params=WAYS)
def place(request: pytest.FixtureRequest, tmp_path: Path, certificate: Certificate) -> Iterator[Place]:
    """Each way in turn."""
    way = WAYS[request.param]
    if way.settings.get("FAST_SSE_HOST") == "::" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    settings = {name: value.format(place=tmp_path) for name, value in way.settings.items()}
    limits = {"FAST_SSE_LIMITS__STREAMS_PER_ADDRESS_MAX": "1", "FAST_SSE_DRAIN_S": "0.2"}
    (tmp_path / "proxy").mkdir()
    with Hub(tmp_path, settings={**limits, **settings}, port=0) as hub:
        with way.proxy(tmp_path / "proxy", hub, certificate) as proxy:
            address = ("127.0.0.1", hub.public[1]) if proxy is None else proxy.plain
            yield Place(way, address, direct=proxy is None)
        hub.terminate_now()
        assert hub.wait() == 0
        assert not hub.unix or not Path(hub.unix).exists()


async def test_each_client_has_its_own_streams(place: Place) -> None:
    """The second stream of a client is told to come back, another client's is taken; a stream that ends makes room."""
    async with asyncio.timeout(PATIENCE_S):
        first_taken, first = await place.stream(2)
        second_taken, second = await place.stream(2)
        other_taken, other = await place.stream(3)
        assert (first_taken, second_taken, other_taken) == (True, False, True)
        third_taken, third = await place.stream(3)
        assert not third_taken
        first.transport.abort()
        taken = False
        while not taken:
            taken, again = await place.stream(2)
            again.transport.abort()
        for writer in (second, other, third):
            writer.transport.abort()


async def test_health_checks_of_a_proxy_are_introduced_too(tmp_path: Path, certificate: Certificate) -> None:
    """HAProxy asks `health_path` with a LOCAL header and sees the hub up; nothing is cut, a stranger's connection is."""
    settings = {**PROXIED, "FAST_SSE_HEALTH_PATH": "/health"}
    checks = "send-proxy-v2 check check-send-proxy inter 50ms rise 1 fall 1 observe layer7"
    (tmp_path / "proxy").mkdir()
    with Hub(tmp_path, settings=settings, port=0) as hub:
        proxy = HAProxy(tmp_path / "proxy", hub.public, certificate, server=checks)
        config = tmp_path / "proxy" / "haproxy.cfg"
        config.write_text(
            config.read_text().replace(
                "    mode http\n",
                # Without a time-out of its own a check must be answered within `inter`, by a busy machine, too.
                "    mode http\n    option httpchk GET /health\n    timeout check 10s\n",
                1,
            )
        )
        with proxy:
            reply = await request(proxy.plain, "GET", "/health")
            assert (reply.status, reply.body) == (200, b"ok\n")
            async with asyncio.timeout(PATIENCE_S):
                while await number(hub, "fast_sse_requests_total{") < CHECKS:
                    pass
            assert "DOWN" not in proxy.logged()
        assert await number(hub, "fast_sse_proxy_header_cut_total{") == 0
        reader, writer = await asyncio.open_connection(*hub.public, local_addr=("127.0.0.2", 0))
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.transport.abort()
        assert await number(hub, 'reason="untrusted"') == 1
        told = "not introduced by a PROXY header"
        await eventually(lambda: told in hub.tail_of_log(), PATIENCE_S, "the line in the log")


async def number(hub: Hub, words: str) -> float:
    """The value of the metric whose line has these words, 0 while there is none."""
    text = (await request(hub.admin, "GET", "/metrics")).body.decode()
    found = [line for line in text.splitlines() if words in line and not line.startswith("#")]
    return sum(float(line.rpartition(" ")[2]) for line in found)

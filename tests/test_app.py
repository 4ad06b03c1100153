"""The composition root: what answers when, from the first bind to the last close. Each test runs a whole node in-process."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.http1 import Address, Connection, Reply, exchange, request, request_bytes
from tests.support.redis_server import RedisServer, need_redis
from tests.support.server import has_ipv6
from tests.support.sign import SECRET, v1, v2

from fast_sse import app
from fast_sse.app import App
from fast_sse.config import Config, load
from fast_sse.http.front.listener import bind
from fast_sse.model.errors import ConfigError, NotStoredError, UnavailableError
from fast_sse.model.message import Draft
from fast_sse.observe.logging import make_log
from fast_sse.store.base import Outcome, Store
from fast_sse.store.memory.store import MemoryStore

pytestmark = [pytest.mark.wire, pytest.mark.slow]

PUBLISH = "/v1/sse/events/carid000001/types/cart_changed"
SUBSCRIBE = "/v1/subscribe/events/carid000001/types/cart_changed"
SIGNED = {"x-signature": v1("carid000001", "cart_changed"), "Content-Type": "application/json"}
BODY = b'{"data": {"quantity": 2}}'


class StubbornStore(MemoryStore):
    """A store that opens, answers and closes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.opens = self.appends = 0
        self.held: asyncio.Event | None = None
        self.closed = False

    async def open(self) -> None:
        """Fail for as long as there is an error."""
        self.opens += 1
        if self.error:
            raise self.error
        await super().open()

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        """Wait for `held`, when it is set."""
        self.appends += 1
        if self.held is None:
            return super().append(drafts)
        return asyncio.ensure_future(self._later(self.held, drafts))

    async def _later(self, held: asyncio.Event, drafts: Sequence[Draft]) -> list[Outcome]:
        await held.wait()
        return await super().append(drafts)

    async def close(self) -> None:
        """Close and remember it."""
        self.closed = True
        await super().close()


class Node:
    """An application that runs in a task of this loop."""

    def __init__(self, config: Config, *, demo: bool = False) -> None:
        self.log = io.StringIO()
        self.ready: asyncio.Future[tuple[Address, Address]] = asyncio.get_running_loop().create_future()
        self.app = App(config, make_log("debug", self.log), self._announce, demo=demo)
        self.task = asyncio.create_task(self.app.run())

    def _announce(self, public: str, admin: str) -> None:
        self.ready.set_result((_address(public), _address(admin)))

    async def addresses(self) -> tuple[Address, Address]:
        """Public and admin, once the node says that it is ready."""
        futures: set[asyncio.Future[Any]] = {self.ready, self.task}
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
        if not self.ready.done():
            await self.task
        return self.ready.result()

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Log lines with this event."""
        lines = map(json.loads, self.log.getvalue().splitlines())
        return [line for line in lines if line["event"] == event]


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, 0 if host == "unix" else int(port)


Start = Callable[..., Node]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> StubbornStore:
    """What the application gets instead of the store that its configuration names."""
    store = StubbornStore()

    def make(_config: Config) -> Store:
        return store

    monkeypatch.setattr(app, "make_store", make)
    return store


@pytest.fixture
async def start(store: StubbornStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """`start(setting=...)` runs a node with quick limits; all are stopped later."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_LIMITS__RETRY_STORE_S", "0.01")
    nodes: list[Node] = []

    def run(*, demo: bool = False, **flags: Any) -> Node:
        settings = {"port": 0, "admin_port": 0, "store": "memory", "drain_s": 0.05, **flags}
        nodes.append(Node(load(None, settings), demo=demo))
        return nodes[-1]

    yield run
    for node in nodes:
        if not node.task.done():
            if node.app.state != "draining":
                node.app.stop()
            if store.held:
                store.held.set()
            await node.task


async def ask(address: Address, path: str) -> Reply:
    """A GET without credentials."""
    return await request(address, "GET", path)


async def refused(address: Address) -> bool:
    """Whether an address takes no connection; one that the closing listener had not accepted yet is reset."""
    try:
        async with await Connection.open(address):
            return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again, turn by turn, until the answer is yes."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110  what it asks is on the other end of a socket
            await asyncio.sleep(0.005)


def free_port() -> int:
    """A port that was free a moment ago, for tests that must know it before the node says it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def test_a_ready_node_publishes_and_says_so(start: Start) -> None:
    """Once announced, both listeners answer, and both kinds of readiness are 200."""
    public, admin = await start().addresses()
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 200
    for path in ("/healthz", "/readyz/publish", "/readyz/subscribe"):
        assert (await ask(admin, path)).status == 200


async def test_while_the_store_is_away_clients_are_refused(start: Start, store: StubbornStore) -> None:
    """Admin answers 503 for readiness and 200 for health; the public port refuses, which clients retry, and nothing is announced."""
    store.error = NotStoredError("the store is down")
    port, admin_port = free_port(), free_port()
    public, admin = ("127.0.0.1", port), ("127.0.0.1", admin_port)
    node = start(port=port, admin_port=admin_port)

    async def admin_answers() -> bool:
        return not await refused(admin)

    async def tried_twice() -> bool:
        return store.opens > 2

    await until(admin_answers)
    await until(tried_twice)
    assert await refused(public)
    assert not node.ready.done()
    assert (await ask(admin, "/healthz")).status == 200
    starting = await ask(admin, "/readyz/publish")
    assert (starting.status, starting.json()["data"]["state"]) == (503, "starting")
    assert (await ask(admin, "/readyz/subscribe")).status == 503
    store.error = None
    assert await node.addresses() == (public, admin)
    assert (await ask(admin, "/readyz/publish")).status == 200
    waits = [line["retry_s"] for line in node.lines("store is not available")]
    assert waits[:3] == [0.01, 0.02, 0.04]


async def test_a_node_that_never_started_can_be_stopped(start: Start, store: StubbornStore) -> None:
    """A signal while the store is away ends the start; the store is closed."""
    store.error = NotStoredError("the store is down")
    node = start()

    async def tried() -> bool:
        return store.opens > 0

    await until(tried)
    node.app.stop()
    await node.task
    assert store.closed
    assert not node.ready.done()


async def test_a_store_that_can_never_work_ends_the_start(start: Start, store: StubbornStore) -> None:
    """A wrong setting that only opening shows is not retried, and both addresses are free again."""
    store.error = ConfigError("data_dir", "is not writable")
    port = free_port()
    with pytest.raises(ConfigError, match="data_dir"):
        await start(port=port).addresses()
    assert (store.opens, store.closed) == (1, True)
    socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.parametrize("prefix", ["", "admin_"])
async def test_a_taken_port_ends_the_start(prefix: str, start: Start, store: StubbornStore) -> None:
    """It is named with its setting, and the store is not touched."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match=f"^{prefix}port: 127.0.0.1:{port} is already in use$"):
            await start(**{f"{prefix}port": port}).addresses()
    assert store.opens == 0


async def test_drain_finishes_publishes_and_refuses_newcomers(start: Start, store: StubbornStore) -> None:
    """After the signal: readiness 503, newcomers refused, a publish under way gets its 200, then everything closes."""
    node = start(drain_s=5)
    public, admin = await node.addresses()
    store.held = asyncio.Event()
    async with await Connection.open(public) as connection:
        publish = asyncio.create_task(connection.exchange(request_bytes("POST", PUBLISH, SIGNED, BODY)))

        async def taken() -> bool:
            return store.appends > 0

        await until(taken)
        node.app.stop()

        async def gone() -> bool:
            return await refused(public)

        await until(gone)
        draining = await ask(admin, "/readyz/subscribe")
        assert (draining.status, draining.json()["data"]["state"]) == (503, "draining")
        assert not publish.done()
        store.held.set()
        reply = await publish
    assert reply.status == 200
    assert reply.headers["connection"] == "close"
    await node.task
    assert await refused(admin)
    assert store.closed


async def test_drain_ends_streams_with_a_time_to_come_back(start: Start) -> None:
    """A stream is not cut: its last words are `retry:`, and the chunked body is complete."""
    node = start()
    public, _ = await node.addresses()
    reader, writer = await asyncio.open_connection(*public)
    writer.write(request_bytes("GET", SUBSCRIBE, SIGNED))
    await reader.readuntil(b"id: ")
    node.app.stop()
    rest = await reader.read()
    writer.close()
    assert b"retry: " in rest
    assert rest.endswith(b"0\r\n\r\n")
    await node.task
    assert [line["streams"] for line in node.lines("drained")] == [1]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/healthz", "/readyz", "/readyz/publish", "/readyz/subscribe", "/metrics"),
        *("/v1/dead-letters", "/v1/channels", "/v1/subscribers", "/v1/messages/x", "/healthz/"),
    ],
)
async def test_operators_paths_are_not_public(path: str, start: Start) -> None:
    """What the admin listener shows does not exist on the public one, signed or not (S24)."""
    public, _ = await start().addresses()
    for method in ("GET", "POST"):
        reply = await request(public, method, path, SIGNED)
        assert (reply.status, reply.code) == (404, "not_found")


async def test_the_page_is_the_demos_alone(start: Start) -> None:
    """A demo shows its page under its root; any other hub knows no such path."""
    public, _ = await start(demo=True).addresses()
    page = await ask(public, "/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert SIGNED["x-signature"].encode() in page.body
    assert SECRET.encode() not in page.body


@pytest.mark.parametrize(
    ("demo", "publish_secret", "status"), [(False, None, 401), (True, None, 200), (False, "p" + SECRET, 200)]
)
async def test_a_v1_signature_in_a_link(
    demo: bool, publish_secret: str | None, status: int, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It works in a demo, and where it could not publish; elsewhere a URL would be a lasting permit."""
    if publish_secret:
        monkeypatch.setenv("FAST_SSE_AUTH__PUBLISH_SECRET", publish_secret)
    public, _ = await start(demo=demo).addresses()
    reader, writer = await asyncio.open_connection(*public)
    writer.write(request_bytes("GET", f"{SUBSCRIBE}?signature={SIGNED['x-signature']}", {}))
    assert (await reader.readline()).startswith(f"HTTP/1.1 {status} ".encode())
    writer.transport.abort()


async def test_settings_of_the_public_listener_reach_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An allowed origin is told so, and a trusted proxy's clients are counted each for itself."""
    monkeypatch.setenv("FAST_SSE_CORS__ORIGINS", "https://shop.example")
    monkeypatch.setenv("FAST_SSE_TRUSTED_PROXIES", "127.0.0.0/8")
    monkeypatch.setenv("FAST_SSE_LIMITS__PUBLISH_RATE", "0.001")
    public, _ = await start().addresses()
    statuses = []
    for client in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        headers = {**SIGNED, "Origin": "https://shop.example", "X-Forwarded-For": client}
        reply = await request(public, "POST", PUBLISH, headers, BODY)
        assert reply.headers["access-control-allow-origin"] == "https://shop.example"
        statuses.append(reply.status)
    assert statuses == [200, 200, 429]


async def test_numbers_of_every_part_are_read_in_one_place(start: Start) -> None:
    """/metrics joins process, node, hub and listener, and holds no word that a client chose."""
    node = start(node="sse-1")
    public, admin = await node.addresses()
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 200
    assert (await request(public, "GET", "/nothing/carid000001")).status == 404
    reply = await ask(admin, "/metrics")
    assert (reply.status, reply.headers["content-type"][:10]) == (200, "text/plain")
    lines = reply.body.decode().splitlines()
    for line in (
        'fast_sse_node_info{durability="process",node="sse-1",store="memory"} 1.0',
        'fast_sse_ready{node="sse-1"} 1.0',
        'fast_sse_store_up{node="sse-1"} 1.0',
        'fast_sse_publishes_total{node="sse-1",outcome="stored"} 1.0',
        'fast_sse_refused_total{code="not_found",node="sse-1"} 1.0',
        'fast_sse_requests_total{node="sse-1"} 2.0',
    ):
        assert line in lines
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)
    assert "carid000001" not in reply.body.decode()


async def test_numbers_are_told_while_the_store_is_away(start: Start, store: StubbornStore) -> None:
    """Before the log is there the process already has numbers, and says that it is not ready."""
    store.error = NotStoredError("the store is down")
    node = start()

    async def started() -> bool:
        return bool(node.lines("start"))

    await until(started)
    (line,) = node.lines("start")
    reply = await ask(_address(line["admin"]), "/metrics")
    assert 'fast_sse_ready{node="' in reply.body.decode()
    assert "fast_sse_streams_open" not in reply.body.decode()


async def test_one_secret_for_both_is_warned_of(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start says what a 2xx means, and that every subscriber could publish; not where that is not so."""
    node = start()
    await node.addresses()
    (line,) = node.lines("start")
    assert (line["store"], line["durability"], line["limits"]["stall_s"]) == ("memory", "process", 30.0)
    assert "may also publish" in node.log.getvalue()
    monkeypatch.setenv("FAST_SSE_AUTH__V1", "subscribe")
    other = start()
    await other.addresses()
    assert "may also publish" not in other.log.getvalue()


async def test_no_log_line_holds_a_secret_or_a_signature(
    start: Start, store: StubbornStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session with right and wrong signatures, in headers and links, and a defect, leaves none in the log (S9)."""
    monkeypatch.setenv("FAST_SSE_ADMIN__KEY", "operators-only-key")
    node = start(demo=True)
    public, admin = await node.addresses()
    right, wrong = SIGNED["x-signature"], v1("other", "channel")
    version2 = v2("pub", "carid000001", "cart_changed", body=BODY)
    for signature in (right, wrong, version2, "garbage-signature-value"):
        headers = {"x-signature": signature, "Content-Type": "application/json"}
        await request(public, "POST", PUBLISH, headers, BODY)
        await request(public, "POST", f"{PUBLISH}?signature={signature}", headers, b"{")
        await request(public, "GET", f"/nothing?signature={signature}", headers)
    await request(
        admin, "GET", "/metrics?token=operators-only-key", {"Authorization": "Bearer operators-only-key"}
    )

    def broken(_drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        raise RuntimeError(f"broken with {right} and signature={version2}")

    monkeypatch.setattr(store, "append", broken)
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 500
    node.app.stop()
    await node.task
    (defect,) = node.lines("handler failed")
    assert "RuntimeError" in defect["traceback"]
    text = node.log.getvalue()
    assert len(text.splitlines()) > 5
    for hidden in (SECRET, right, wrong, version2, "garbage-signature", "operators-only-key"):
        assert hidden not in text


def make_certificate(cert: Path, key: Path) -> None:
    """A certificate for localhost, signed by itself."""
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    )
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)


async def test_tls_on_the_public_listener(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a certificate and its key the public listener speaks TLS 1.2 or newer, and HTTP/1.1 by ALPN."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)
    monkeypatch.setenv("FAST_SSE_TLS__CERT", str(cert))
    monkeypatch.setenv("FAST_SSE_TLS__KEY", str(key))
    (host, port), _ = await start().addresses()
    context = ssl.create_default_context(cafile=str(cert))
    context.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")
    writer.write(request_bytes("POST", PUBLISH, {**SIGNED, "Connection": "close"}, BODY))
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()


async def test_a_reload_renews_the_certificate(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New connections get the new one, an open connection goes on, and a broken file changes nothing and is named."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate(cert, key)
    monkeypatch.setenv("FAST_SSE_TLS__CERT", str(cert))
    monkeypatch.setenv("FAST_SSE_TLS__KEY", str(key))
    node = start()
    (host, port), _ = await node.addresses()
    node.app._reload = lambda: load(None, {"auth": {"secret": SECRET}})

    async def connect(trusted: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context(cadata=trusted)
        return await asyncio.open_connection(host, port, ssl=context, server_hostname="localhost")

    first = cert.read_text()
    reader, writer = await connect(first)
    make_certificate(cert, key)
    node.app.reload()
    _, other = await connect(cert.read_text())
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(first)
    second = cert.read_text()
    cert.write_text("nothing")
    node.app.reload()
    (refused,) = node.lines("reload refused: the settings in force stay")
    assert refused["setting"] == "tls.cert"
    _, another = await connect(second)
    writer.write(request_bytes("POST", PUBLISH, {**SIGNED, "Connection": "close"}, BODY))
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    for one in (writer, other, another):
        one.close()


async def test_a_certificate_that_cannot_be_used_is_a_wrong_setting(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing or broken file ends the start and names the setting."""
    (tmp_path / "bad.pem").write_text("nothing")
    for name in ("absent.pem", "bad.pem"):
        monkeypatch.setenv("FAST_SSE_TLS__CERT", str(tmp_path / name))
        monkeypatch.setenv("FAST_SSE_TLS__KEY", str(tmp_path / name))
        with pytest.raises(ConfigError, match=r"^tls.cert: "):
            await start().addresses()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own."""
    need_redis()
    with RedisServer(tmp_path / "redis") as server:
        yield server


async def test_a_queue_is_read_from_ready_to_drain(
    start: Start, store: StubbornStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in the queue comes to subscribers; the node lets go of the queue before it stops, and not of its hub."""
    monkeypatch.setenv("FAST_SSE_INGEST__REDIS_STREAM__URL", redis_server.url)
    package = json.dumps({"event_type": "cart_changed", "data": {"quantity": 2}})
    node = start(node="node-1")
    public, _ = await node.addresses()

    async def lease_is_held() -> bool:
        return str(redis_server.do("GET", "sse:events:lease:fast-sse")).startswith("b'node-1:")

    await until(lease_is_held)
    reader, writer = await asyncio.open_connection(*public)
    writer.write(request_bytes("GET", SUBSCRIBE, SIGNED))
    await reader.readuntil(b"\nid: ")
    redis_server.do("XADD", "sse:events", "*", "carid000001", package)
    await reader.readuntil(b'"quantity": 2')
    writer.close()
    node.app.stop()
    await node.task
    assert not redis_server.do("EXISTS", "sse:events:lease:fast-sse")
    (stopped,) = node.lines("ingest stopped")
    assert (stopped["queue"], stopped["entries"]) == ("sse:events", 1)
    assert not node.lines("ingest failed")
    assert redis_server.url not in node.log.getvalue()


async def test_a_reload_holds_for_queues(
    start: Start, store: StubbornStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A channel that the allow-lists name no more is refused from then on, whoever writes it to the queue."""
    monkeypatch.setenv("FAST_SSE_INGEST__REDIS_STREAM__URL", redis_server.url)
    node = start()
    await node.addresses()
    node.app._reload = lambda: load(None, {"auth": {"secret": SECRET, "allowed_event_ids": ["other"]}})
    node.app.reload()
    redis_server.do("XADD", "sse:events", "*", "carid000001", '{"event_type": "t", "data": 1}')

    async def quarantined() -> bool:
        return bool(redis_server.do("XLEN", "sse:events:dead_letter"))

    async def told() -> bool:
        return bool(node.lines("ingest poisoned"))

    await until(quarantined)
    await until(told)
    assert store.appends == 0
    (poisoned,) = node.lines("ingest poisoned")
    assert "not allowed" in poisoned["error"]


async def test_localhost_answers_on_both_families(start: Start) -> None:
    """Public and operators' listener alike, each on one port; the ready line names one address."""
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    node = start(host="localhost", admin_host="localhost", health_path="/health")
    public, admin = await node.addresses()
    assert (public[0], admin[0]) == ("127.0.0.1", "127.0.0.1")
    for host in ("127.0.0.1", "::1"):
        assert (await ask((host, public[1]), "/health")).status == 200
        assert (await ask((host, admin[1]), "/healthz")).status == 200
    node.app.stop()
    await node.task
    for host in ("127.0.0.1", "::1"):
        assert await refused((host, public[1]))
        assert await refused((host, admin[1]))


async def test_a_unix_socket_is_open_between_ready_and_drain(
    start: Start, store: StubbornStore, tmp_path: Path
) -> None:
    """Bound from the beginning, refusing until the hub can answer, announced by its path, and gone when the drain begins."""
    path = tmp_path / "hub.sock"
    store.error = NotStoredError("the store is down")
    node = start(host=f"unix:{path}", drain_s=5)

    async def tried() -> bool:
        return store.opens > 0

    await until(tried)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_unix_connection(path)
    with pytest.raises(UnavailableError, match="already in use"):
        bind(f"unix:{path}", 0, "", 1000)
    store.error = None
    assert (await node.addresses())[0] == ("unix", 0)
    assert [line["public"] for line in node.lines("ready")] == [f"unix:{path}"]
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(request_bytes("GET", SUBSCRIBE, SIGNED))
    await reader.readuntil(b"id: ")
    node.app.stop()
    assert b"retry: " in await reader.read()
    assert not path.exists()
    writer.close()
    await node.task


async def test_the_health_path_is_for_anybody_and_for_reading(start: Start) -> None:
    """Unsigned and under any Host it is 200 `ok`, to GET and HEAD alone; without the setting there is no such path."""
    public, _ = await start(health_path="/health").addresses()
    raw = b"%s /health HTTP/1.1\r\nHost: 10.0.0.7\r\nConnection: close\r\n\r\n"
    answer = await exchange(public, raw % b"GET")
    assert (answer.status, answer.body) == (200, b"ok\n")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    reader, writer = await asyncio.open_connection(*public)
    writer.write(raw % b"HEAD")
    head = await reader.read()
    writer.close()
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Content-Length: 3\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert (await request(public, "POST", "/health", SIGNED, BODY)).status == 405
    bare, _ = await start().addresses()
    assert (await ask(bare, "/health")).status == 404

"""The front's contract again, on real sockets and the loop it is made for: the fake transport must not be its only judge."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.http.front.corpus import GOOD, MALFORMED
from tests.support.interface import Scripted

from fast_sse.http.front.front import Front
from fast_sse.http.message import Answer, Deferred, Request, Response, Stream
from fast_sse.model.limits import Limits

pytestmark = pytest.mark.wire

T = TypeVar("T")
PATIENCE_S = 10.0


def publish(path: str, body: bytes = b"{}", lines: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Subscriber(asyncio.Protocol):
    """A stream that says one chunk and remembers what it hears."""

    def __init__(self, transport: Any) -> None:
        self.heard = b""
        self.lost = asyncio.get_running_loop().create_future()
        transport.write(b"6\r\nprimed\r\n")

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


class Served:
    """A front that listens on a loop of its own; `run` runs a client on the same loop."""

    def __init__(self, limits: Limits, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        self.defects: list[BaseException] = []
        self.subscribers: list[Subscriber] = []
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        loop = self._runner.get_loop()
        self.front = Front(
            Scripted(self.handle),
            limits,
            clock=loop.time,
            on_defect=lambda _, error: self.defects.append(error),
        )
        self._server = self.run(self._listen(tls))
        self.port = self._server.sockets[0].getsockname()[1]

    async def _listen(self, tls: ssl.SSLContext | None) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: self.defects.append(AssertionError(context)))
        return await loop.create_server(self.front, "127.0.0.1", 0, ssl=tls)

    def handle(self, request: Request) -> Answer:
        self.asked.append(request.path)
        loop = asyncio.get_running_loop()
        if request.path.startswith("/later"):
            future = loop.create_future()
            loop.call_soon(loop.call_soon, future.set_result, None)
            return Deferred(future, lambda _: Response(200, request.path.encode()))
        if request.path.startswith("/stream"):
            return Stream(self.subscribe)
        if request.path.startswith("/large"):
            return Response(200, b"x" * 50_000)
        return Response(200, request.body or request.path.encode())

    def subscribe(self, transport: Any, head: bytes) -> asyncio.BaseProtocol:
        transport.write(head)
        self.subscribers.append(Subscriber(transport))
        return self.subscribers[-1]

    def run(self, client: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(client, PATIENCE_S)

        return self._runner.run(bounded())

    async def quiet(self) -> None:
        """No connection is left, nothing broke, and the next client is served."""
        await self.front._shared.drained()
        async with Client(self) as client:
            assert await client.ask(GOOD) == (200, b"/ok")
        await self.front._shared.drained()
        assert self.defects == []

    def close(self) -> None:
        self._server.close()
        self.run(self.front.drain())
        self._runner.close()


class Client:
    """One raw connection."""

    def __init__(self, served: Served, tls: ssl.SSLContext | None = None) -> None:
        self._served = served
        self._tls = tls

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", self._served.port, ssl=self._tls
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    async def answer(self) -> tuple[int, bytes]:
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0] or 0)
        return int(head[9:12]), await self.reader.readexactly(length)

    async def ask(self, data: bytes) -> tuple[int, bytes]:
        self.writer.write(data)
        return await self.answer()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A server with the limits of the product."""
    one = Served(Limits())
    yield one
    one.close()


@pytest.fixture(scope="module")
def hasty() -> Iterator[Served]:
    """A server with short deadlines."""
    one = Served(Limits(header_s=0.5, body_s=0.5, keep_alive_s=1.0))
    yield one
    one.close()


# -- malformed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_is_answered_once_and_closed(served: Served, name: str) -> None:
    """Each request of the corpus gets one 400 and the end; the good request behind it is never heard."""

    async def client() -> None:
        served.asked.clear()
        async with Client(served) as one:
            one.writer.write(MALFORMED[name] + GOOD)
            status, body = await one.answer()
            assert status == 400
            assert body.startswith(b'{"code":"bad_request"')
            assert await one.reader.read() == b""
        assert served.asked == []
        await served.quiet()

    served.run(client())


def test_large_body_reads_its_413(served: Served) -> None:
    """A client in the middle of a large body is not reset before it has read why (RFC 9112 §9.6)."""

    async def client() -> None:
        async with Client(served) as one:
            one.writer.write(publish("/large-body", b"x" * 8 * 1024 * 1024))
            assert (await one.answer())[0] == 413
            assert await one.reader.read() == b""
        await served.quiet()

    served.run(client())


# -- pipelines --------------------------------------------------------------------------------------------


def test_large_pipeline_keeps_its_order(served: Served) -> None:
    """Thousands of requests sent without reading are all answered, in order, whether pending or not."""

    async def client() -> None:
        async with Client(served) as one:
            paths = [f"/later/{n}" if n % 3 else f"/now/{n}" for n in range(3000)]
            one.writer.write(b"".join(publish(path, b"") for path in paths))
            assert [(await one.answer())[1].decode() for _ in paths] == paths
        await served.quiet()

    served.run(client())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bodies=st.lists(st.binary(max_size=3000), min_size=1, max_size=12),
    cuts=st.lists(st.integers(1, 4000), max_size=20),
)
def test_any_cutting_gives_the_same_answers(served: Served, bodies: list[bytes], cuts: list[int]) -> None:
    """A pipeline cut anywhere by the sender gets the answers of the whole."""

    async def client() -> None:
        data = b"".join(publish("/e" if body else "/empty", body) for body in bodies)
        async with Client(served) as one:
            one.writer.transport.set_write_buffer_limits(0)
            for cut in cuts:
                one.writer.write(data[:cut])
                data = data[cut:]
                await one.writer.drain()
            one.writer.write(data)
            for body in bodies:
                assert await one.answer() == (200, body or b"/empty")

    served.run(client())


def test_half_close_still_gets_its_answer(served: Served) -> None:
    """A publisher that shuts its sending side down at once reads its answer and then the end."""

    async def client() -> None:
        async with Client(served) as one:
            one.writer.write(publish("/later/1") + publish("/later/2"))
            one.writer.write_eof()
            assert [await one.answer(), await one.answer()] == [(200, b"/later/1"), (200, b"/later/2")]
            assert await one.reader.read() == b""
        await served.quiet()

    served.run(client())


@pytest.mark.parametrize("behind", [b"", GOOD, b"\x00garbage"])
def test_stream_takes_the_socket_over(served: Served, behind: bytes) -> None:
    """Pending answers, then the head, then the stream's own bytes; what the client sends on is not a request."""

    async def client() -> None:
        served.subscribers.clear()
        served.asked.clear()
        async with Client(served) as one:
            one.writer.write(publish("/later/1") + b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n" + behind)
            assert (await one.answer())[1] == b"/later/1"
            head = await one.reader.readuntil(b"\r\n\r\n")
            assert b"Transfer-Encoding: chunked" in head
            assert await one.reader.readexactly(11) == b"6\r\nprimed\r\n"
            assert served.front.connections == 0
            one.writer.write(GOOD)
        (subscriber,) = served.subscribers
        await subscriber.lost
        assert subscriber.heard == GOOD
        assert served.asked == ["/later/1", "/stream"]
        await served.quiet()

    served.run(client())


# -- slow and stubborn peers ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "head",
    [b"GET /" + b"a" * 4000, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n" + b"a" * 4000],
)
def test_trickling_peers_are_cut_and_disturb_nobody(hasty: Served, head: bytes) -> None:
    """Heads and bodies that trickle get 408 by their deadline while others are served (CWE-400, slowloris)."""

    async def client() -> None:
        slow = [Client(hasty) for _ in range(20)]
        sent = head.find(b"a" * 10)
        begun = asyncio.get_running_loop().time()
        for one in slow:
            await one.__aenter__()
            one.writer.write(head[:sent])
        async with Client(hasty) as other:
            while any(not one.reader._buffer for one in slow):  # type: ignore[attr-defined]
                assert (await other.ask(GOOD))[0] == 200
                sent += 1
                for one in slow:
                    one.writer.write(head[sent : sent + 1])
        assert asyncio.get_running_loop().time() - begun < 5
        for one in slow:
            assert (await one.answer())[0] == 408
            assert await one.reader.read() == b""
            await one.__aexit__()
        await hasty.quiet()

    hasty.run(client())


@pytest.mark.slow
def test_idle_connections_end_in_silence(hasty: Served) -> None:
    """Who says nothing, or nothing more, reads the end and no error."""

    async def client() -> None:
        async with Client(hasty) as mute, Client(hasty) as idle:
            assert (await idle.ask(GOOD))[0] == 200
            assert await mute.reader.read() == b""
            assert await idle.reader.read() == b""
        await hasty.quiet()

    hasty.run(client())


@pytest.mark.slow
def test_a_peer_that_never_reads_is_cut(hasty: Served) -> None:
    """A client that asks and never reads fills its own buffers only: it is not read any more, and cut."""

    async def client() -> None:
        asked = len(hasty.asked)
        one = Client(hasty)
        await one.__aenter__()
        one.writer.transport.pause_reading()  # type: ignore[attr-defined]
        one.writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n" * 5000)
        await hasty.front._shared.drained()
        assert hasty.front.timeouts > 0
        assert len(hasty.asked) - asked < 1000
        await one.__aexit__()
        await hasty.quiet()

    hasty.run(client())


# -- TLS --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", str(path), "-out", str(path) + ".crt", "-subj", "/CN=localhost", "-days", "2",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def test_tls_publishes_and_streams(certificate: Path) -> None:
    """Over TLS a publish is answered, a refusal is read, and a stream takes the connection over."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    trust = ssl.create_default_context(cafile=str(certificate))
    served = Served(Limits(), context)

    async def client() -> None:
        async with Client(served, trust) as one:
            assert await one.ask(publish("/later/1")) == (200, b"/later/1")
            assert await one.ask(publish("/p", b"x" * 200_000)) == (200, b"x" * 200_000)
            one.writer.write(publish("/later/2") + b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n" + GOOD)
            assert (await one.answer())[1] == b"/later/2"
            await one.reader.readuntil(b"\r\n\r\n")
            assert await one.reader.readexactly(11) == b"6\r\nprimed\r\n"
        await served.subscribers[0].lost
        async with Client(served, trust) as one:
            assert (await one.ask(b"\x00garbage"))[0] == 400
            assert await one.reader.read() == b""
        async with Client(served, trust) as one:
            assert await one.ask(publish("/p", b"1", "Connection: close\r\n")) == (200, b"1")
            assert await one.reader.read() == b""
        await served.front._shared.drained()
        assert served.defects == []

    try:
        served.run(client())
    finally:
        served.close()

"""uvicorn on a socket and a loop of ours."""

from __future__ import annotations

import asyncio
import signal
import socket

import pytest
from starlette.responses import PlainTextResponse

from fast_sse.http.admin.server import AdminServer


def bound() -> socket.socket:
    """A socket on a free port that does not listen yet."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


async def get(port: int) -> bytes:
    """The whole answer to one request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.wire
@pytest.mark.slow
async def test_it_serves_and_stops_without_touching_signals() -> None:
    """Between start and stop requests are answered; SIGTERM and SIGINT keep the handlers they had."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    sock = bound()
    port = sock.getsockname()[1]
    server = AdminServer(PlainTextResponse("here"), sock)
    await server.start()
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    answer = await get(port)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.endswith(b"here")
    assert b"server:" not in answer.lower()
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await get(port)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.wire
async def test_a_taken_address_is_an_error_and_no_exit() -> None:
    """Two sockets may be bound to one port while neither listens; the later one to listen says so."""
    first, second = socket.socket(), socket.socket()
    for sock in (first, second):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    first.bind(("127.0.0.1", 0))
    second.bind(first.getsockname())
    first.listen()
    server = AdminServer(PlainTextResponse("here"), second)
    with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        await server.start()
    await server.stop()
    first.close()

"""A TCP proxy that misbehaves on command: it delays, cuts, swallows, and forgets to say goodbye.

`mode` may change at any time and holds for every connection, old and new:

    pass        forwards
    late        forwards after `latency_s`
    blackhole   reads nothing more from either side; both stay connected
    cut_reply   forwards requests, and at the first byte of the reply cuts the client off: the commit is done,
                the publisher does not know
    half_open   the client is gone, and the hub is not told
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Self

from tests.support.closing import close_listener
from tests.support.http1 import Address


class _Side(asyncio.Protocol):
    """One of the two sockets of a proxied connection."""

    def __init__(self, proxy: Proxy, *, faces_hub: bool) -> None:
        self.proxy = proxy
        self.faces_hub = faces_hub
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.proxy.sides.add(self)
        if not self.faces_hub:
            transport.pause_reading()
            self.proxy.spawn(self)

    def data_received(self, data: bytes) -> None:
        mode = self.proxy.mode
        if not self.faces_hub and self.proxy.keeps(data):
            self.pause()
        elif mode == "cut_reply" and self.faces_hub:
            self.proxy.replies_cut += 1
            self.abort()
            if self.other is not None:
                self.other.abort()
        elif mode == "late":
            asyncio.get_running_loop().call_later(self.proxy.latency_s, self._forward, data)
        elif mode == "blackhole":
            self.pause()
        else:
            self._forward(data)

    def _forward(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self._early += data  # asyncio before 3.11.3 reads on after a pause in `connection_made`

    def joined(self) -> None:
        """The other half is there: what came too early goes first."""
        early, self._early = self._early, b""
        if early:
            self._forward(early)
        self.resume()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.pause()

    def resume_writing(self) -> None:
        if self.other is not None and self.proxy.mode != "blackhole":
            self.other.resume()

    @property
    def local(self) -> Address:
        """The address of our end."""
        assert self.transport is not None
        address: Address = self.transport.get_extra_info("sockname")
        return address

    def pause(self) -> None:
        """Take no more bytes; the kernel's buffer fills and the peer notices nothing but silence."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume(self) -> None:
        """Take bytes again."""
        if self.transport is not None:
            self.transport.resume_reading()

    def abort(self) -> None:
        """Reset this side."""
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.proxy.sides.discard(self)
        if self.faces_hub:
            self.proxy.hub_closes += 1
        other, half_open = self.other, self.proxy.mode == "half_open"
        if other is not None and other.transport is not None and not half_open:
            other.transport.close() if error is None else other.abort()


class Proxy:
    """Listens on `address` and forwards to the hub. `async with` runs it."""

    def __init__(self, target: Address, *, receive_bytes: int = 0) -> None:
        self.target = target
        self.receive_bytes = receive_bytes
        self.address: Address = ("127.0.0.1", 0)
        self.mode = "pass"
        self.latency_s = 0.05
        self.replies_cut = 0
        self.hub_closes = 0
        self.sides: set[_Side] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def spawn(self, front: _Side) -> None:
        """Connect the other half of a new connection."""
        task = asyncio.get_running_loop().create_task(self._join(front))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, front: _Side) -> None:
        loop = asyncio.get_running_loop()
        plug = socket.socket()
        plug.setblocking(False)
        back = _Side(self, faces_hub=True)
        try:
            if self.receive_bytes:
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
            await loop.sock_connect(plug, self.target)
            front.other, back.other = back, front
            await loop.create_connection(lambda: back, sock=plug)
            front.joined()
        except OSError:
            plug.close()
            front.abort()

    def keeps(self, data: bytes) -> bool:
        """Whether a piece of a request, and what follows it on its connection, goes no further: nothing does here."""
        return False

    def blackhole(self) -> None:
        """From now on nothing is read from either side, not even what has already arrived."""
        self.mode = "blackhole"
        for side in list(self.sides):
            side.pause()

    def go_on(self) -> None:
        """Pass everything again, and what was held back by a blackhole first."""
        self.mode = "pass"
        for side in list(self.sides):
            side.resume()

    def cut(self) -> None:
        """Reset every connection."""
        for side in list(self.sides):
            side.abort()

    def forget_clients(self) -> None:
        """Reset the clients' halves only; the hub's halves stay open and silent, whatever the mode is next."""
        self.mode = "half_open"
        for side in list(self.sides):
            if not side.faces_hub:
                side.other = None  # a reset is heard of later
                side.abort()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Side(self, faces_hub=False), "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()[:2]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        await close_listener(self._server)
        self.mode = "pass"
        for _ in range(5):  # clients that reconnect may be accepted, or half connected, right now
            self.cut()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)
        await self._server.wait_closed()

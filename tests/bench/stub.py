"""A hub of thirty lines in a thread, sound or lossy: what the generator says of it is known beforehand."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hi\n\n"
#: How long a hub that stalls does nothing.
STALL_S = 0.3
ANSWER = b'{"data":{"message_id":"m1.x.%d"}}'


class SmallHub(asyncio.Protocol):
    """Every subscriber gets every message; the first one misses number `loses` and gets number `doubles` twice.

    Before message `stalls` it does nothing for STALL_S.
    """

    subscribers: ClassVar[list[asyncio.Transport]]
    loses: ClassVar[int]
    doubles: ClassVar[int]
    stalls: ClassVar[int]
    published: ClassVar[int]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """One connection of either kind."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        """Requests, several in one read or one in several."""
        self.data += data
        while (end := self.data.find(b"\r\n\r\n") + 4) > 3:
            head = self.data[:end]
            if head.startswith(b"GET"):
                type(self).subscribers.append(self.transport)
                self.transport.write(STREAM)
                self.data = self.data[end:]
                continue
            size = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
            if len(self.data) < end + size:
                return
            body, self.data = self.data[end : end + size], self.data[end + size :]
            self.publish(body)

    def publish(self, body: bytes) -> None:
        """One message, sound or not."""
        hub = type(self)
        hub.published += 1
        if hub.published == hub.stalls:
            time.sleep(STALL_S)
        event = b"id: m1.x.%d\ndata: %b\n\n" % (hub.published, body)
        for number, subscriber in enumerate(hub.subscribers):
            if number or hub.published != hub.loses:
                subscriber.write(event)
            if not number and hub.published == hub.doubles:
                subscriber.write(event)
        answer = ANSWER % hub.published
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))


@contextmanager
def small_hub(loses: int = 0, doubles: int = 0, stalls: int = 0) -> Iterator[tuple[str, int]]:
    """The hub in a thread of its own, for the generator owns this one; its address."""
    loop = asyncio.new_event_loop()

    class Hub(SmallHub):
        subscribers: ClassVar[list[asyncio.Transport]] = []

    Hub.loses, Hub.doubles, Hub.stalls, Hub.published = loses, doubles, stalls, 0
    server = loop.run_until_complete(loop.create_server(Hub, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        host, port = server.sockets[0].getsockname()
        yield host, port
    finally:
        loop.call_soon_threadsafe(server.close)
        for subscriber in Hub.subscribers:
            loop.call_soon_threadsafe(subscriber.abort)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

"""The generator's event loop: epoll and a table of handlers, nothing between an event and the code for it.

It spins: it asks epoll again and again and never sleeps. A client that sleeps makes the server's `send` pay for
waking it, an interrupt to another core, which costs as much as the rest of the call where the machine is a virtual
one, or nothing, if the client happens to be awake: figures then fall into two heaps a factor of two apart. In a
real deployment no client is a core away. What is idle is told by the CPU time that empty polls took. On a machine
with one core it sleeps, since spinning there would take the core from the server.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Self

Handler = Callable[[int], None]

#: Enough that a turn takes every ready stream of a fan-out, so that none is always served last.
EVENTS_MAX = 8192


class Loop:
    """Level-triggered epoll; `handlers` maps a file descriptor to what takes its events.

    A socket that is watched belongs to the loop, which closes it when told to or at the end of its `with`.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.spins = len(os.sched_getaffinity(0)) > 1 or (os.cpu_count() or 1) > 1
        self._sockets: dict[int, socket.socket] = {}
        self.handlers: dict[int, Handler] = {}
        self.idle_cpu_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in list(self._sockets.values()):
            self.close(sock)
        self._epoll.close()

    def add(self, sock: socket.socket, events: int, handler: Handler) -> None:
        """Watch a socket, and own it."""
        self.handlers[sock.fileno()] = handler
        self._sockets[sock.fileno()] = sock
        self._epoll.register(sock, events)

    def change(self, sock: socket.socket, events: int, handler: Handler) -> None:
        """Watch a socket for something else from now on."""
        self.handlers[sock.fileno()] = handler
        self._epoll.modify(sock, events)

    def close(self, sock: socket.socket) -> None:
        """Stop watching and close; events of this turn for it are dropped. Closing twice is harmless."""
        if self._sockets.pop(sock.fileno(), None):
            del self.handlers[sock.fileno()]
            self._epoll.unregister(sock)
            sock.close()

    def turn(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` and handle what is ready once."""
        handlers = self.handlers
        ready = self._epoll.poll(0, EVENTS_MAX)
        if not ready and not self.spins:
            ready = self._epoll.poll(timeout_s, EVENTS_MAX)
        elif not ready:
            cpu_s, end_s = time.process_time(), time.monotonic() + timeout_s
            while not ready and time.monotonic() < end_s:
                ready = self._epoll.poll(0, EVENTS_MAX)
            self.idle_cpu_s += time.process_time() - cpu_s
        for fd, events in ready:
            handler = handlers.get(fd)
            if handler:
                handler(events)

    def until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Turn until `done`, False if the time was over first."""
        end_s = time.monotonic() + timeout_s
        while not done():
            left_s = end_s - time.monotonic()
            if left_s <= 0:
                return False
            self.turn(min(left_s, 0.1))
        return True

    def run_for(self, seconds: float) -> None:
        """Turn for a while, whatever comes."""
        self.until(lambda: False, seconds)

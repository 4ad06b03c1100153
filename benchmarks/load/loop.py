"""The generator's event loop: epoll and a table of handlers, nothing between an event and the code for it."""

from __future__ import annotations

import select
import time
from collections.abc import Callable

Handler = Callable[[int], None]

#: Enough that a turn takes every ready stream of a fan-out, so that none is always served last.
EVENTS_MAX = 8192


class Loop:
    """Level-triggered epoll; `handlers` maps a file descriptor to what takes its events."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self.handlers: dict[int, Handler] = {}

    def add(self, fd: int, events: int, handler: Handler) -> None:
        """Watch a descriptor."""
        self.handlers[fd] = handler
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int, handler: Handler) -> None:
        """Watch a descriptor for something else from now on."""
        self.handlers[fd] = handler
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Stop watching; events of this turn for it are dropped."""
        if self.handlers.pop(fd, None):
            self._epoll.unregister(fd)

    def turn(self, timeout_s: float) -> None:
        """Wait at most `timeout_s` and handle what is ready once."""
        handlers = self.handlers
        for fd, events in self._epoll.poll(timeout_s, EVENTS_MAX):
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

    def close(self) -> None:
        """Free the epoll descriptor; sockets belong to whoever opened them."""
        self._epoll.close()

"""Connections that sent more than a turn's worth, read on one after the other.

A turn of the loop serves a few of them, however many there are. So a connection that pipelines without end delays only
others of its kind, and so do a thousand of them. A connection that sends less is read at once and never waits here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

#: Connections that are read on in one turn of the loop, each about 0.5 ms at most.
_A_TURN = 4


class Patient(Protocol):
    """A connection that can wait for a turn."""

    def go_on(self) -> None:
        """Read what one turn allows. May ask for another turn."""


class Turns:
    """The queue of one listener."""

    __slots__ = ("_queue", "_scheduled")

    def __init__(self) -> None:
        self._queue: deque[Patient] = deque()
        self._scheduled = False

    def ask(self, patient: Patient) -> None:
        """Call `patient.go_on` once, in a later turn."""
        self._queue.append(patient)
        self._schedule()

    def _schedule(self) -> None:
        if self._queue and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._serve)

    def _serve(self) -> None:
        self._scheduled = False
        try:
            for _ in range(min(_A_TURN, len(self._queue))):
                self._queue.popleft().go_on()
        finally:
            self._schedule()

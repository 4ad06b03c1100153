"""A parent that starts a demo's hub again whenever it was killed: so its page can kill the hub for real.

The parent forks before there is a loop, a thread or an open file, and does nothing but wait. A hub that was ended by
SIGKILL is followed by another one, on the same port. Any other end is the end of the parent, too, with the same status.
The hub has a process group of its own: Ctrl-C at a terminal reaches the parent alone, which hands it on. And when the
parent is killed, its hub kills itself, since nobody would look after it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from types import FrameType
from typing import NamedTuple

from fast_sse.http.api.page import RESTART_S

_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FIRST_SIGNAL_STATUS = 128  # what a shell says of a process that a signal ended


class Life(NamedTuple):
    """What a hub knows of its parent.

    Attributes:
        port: the public port of the hub before this one; 0 for the first.
        parent: the process to kill for an end of everything.
    """

    port: int
    parent: int
    line: socket.socket

    def tell(self, port: int) -> None:
        """Say where this hub listens, so that the next one listens there, too."""
        self.line.sendall(f"{port}\n".encode())


def supervise() -> Life:
    """Fork. Returns in the process of each hub; the parent stays inside, and ends with SystemExit as its last hub did."""
    return _Parent().run()


class _Parent:
    def __init__(self) -> None:
        self._child = 0
        self._asked = False

    def run(self) -> Life:
        before = {number: signal.getsignal(number) for number in _HANDED_ON}
        for number in _HANDED_ON:
            signal.signal(number, self._hand_on)
        parent, port = os.getpid(), 0
        while True:
            mine, its = socket.socketpair()
            signal.pthread_sigmask(signal.SIG_BLOCK, _HANDED_ON)
            self._child = os.fork()
            if not self._child:
                mine.close()
                for number, handler in before.items():
                    signal.signal(number, handler)
                os.setpgid(0, 0)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDED_ON)
                threading.Thread(target=_follow, args=(its,), name="parent", daemon=True).start()
                return Life(port, parent, its)
            its.close()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDED_ON)
            status = self._wait()
            with mine:
                port = _last_port(mine) or port
            if status != -signal.SIGKILL or self._asked:
                sys.exit(status if status >= 0 else _FIRST_SIGNAL_STATUS - status)
            time.sleep(RESTART_S)

    def _wait(self) -> int:
        """How the hub ended: its exit status, or the negative number of a signal."""
        _, status = os.waitpid(self._child, 0)
        self._child = 0
        return os.waitstatus_to_exitcode(status)

    def _hand_on(self, number: int, _frame: FrameType | None) -> None:
        self._asked = self._asked or number != signal.SIGHUP
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, number)
        elif self._asked:
            sys.exit(_FIRST_SIGNAL_STATUS + number)


def _follow(line: socket.socket) -> None:
    """Wait until the parent is gone, then go."""
    with contextlib.suppress(OSError):
        line.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


def _last_port(line: socket.socket) -> int:
    """What a hub said before it died; 0 for nothing."""
    told = b""
    while more := line.recv(64):
        told += more
    return int(told) if told else 0

"""What the service manager that started this process is told: systemd's notify protocol, see sd_notify(3).

One datagram a word, to the socket that NOTIFY_SOCKET names: READY=1 once the hub serves, RELOADING=1 around a reload, STOPPING=1
when it drains. The event loop itself says that it still turns, at half of the time after which systemd would end it: so a loop that
stands still is ended and begun anew, while a thread of its own would go on saying that all is well. Until the hub is ready, each of
these words asks for more time instead: a store that is away, or a log that is written anew, may take longer than any start should.

A manager that does not hear must not stop the hub: sending never waits, and what fails is said once.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager

from fast_sse.observe.logging import Log

#: Seconds between two words where no watchdog is set: a start still asks for time.
_EVERY_S = 10.0
_MICROSECONDS = 1_000_000


class ServiceManager:
    """The manager of this process; without an address there is none, and nothing is said. For the loop's thread."""

    def __init__(self, log: Log | None = None, address: str = "", watchdog_s: float = 0.0) -> None:
        """`address`: a path, or a name of the abstract namespace behind an `@`. `watchdog_s`: 0 without one."""
        self._log = log
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._every_s = watchdog_s / 2 or _EVERY_S
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_ready = self._is_stopping = self._failed = False
        self._unheard = ""
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @classmethod
    def of(cls, environment: MutableMapping[str, str], process: int, log: Log) -> ServiceManager:
        """The one that the environment names. Its variables are removed: they are not for processes that this one starts."""
        address, usec, pid = (
            environment.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
        )
        if address[:1] not in ("", "/", "@"):
            log.warning(
                "the service manager hears nothing: NOTIFY_SOCKET is not a Unix socket",
                do="remove the variable, or start the hub by systemd",
            )
            address = ""
        watched = usec.isascii() and usec.isdigit() and pid in ("", str(process))
        return cls(log, address, int(usec) / _MICROSECONDS if watched else 0.0)

    def begin(self) -> None:
        """Say from now on that the loop turns. On the running loop."""
        if self._socket is not None:
            self._tell("STATUS=waits for its store")
            self._turn()

    def ready(self, address: str) -> None:
        """The hub serves at `address`."""
        self._is_ready = True
        self._tell(f"READY=1\nSTATUS=serves at {address}")

    def stopping(self) -> None:
        """It drains."""
        self._is_stopping = True
        self._tell("STOPPING=1\nSTATUS=drains")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Settings are read again inside. Outside of READY and STOPPING nothing is said: it would be taken for the start's end."""
        says = self._is_ready and not self._is_stopping
        if says:
            self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if says:
                self._tell("READY=1")

    def end(self) -> None:
        """Say nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _turn(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._turn)
        if self._unheard:
            self._tell(self._unheard)
        if not self._is_ready and not self._is_stopping:
            self._tell(f"EXTEND_TIMEOUT_USEC={int(2 * self._every_s * _MICROSECONDS)}", again=False)
        elif self._watchdog_s:
            self._tell("WATCHDOG=1", again=False)

    def _tell(self, words: str, *, again: bool = True) -> None:
        """Send. `again`: what is not heard is said again at the next turn, unless something newer is to be said."""
        if self._socket is None:
            return
        if again:
            self._unheard = words
        try:
            self._socket.sendto(words.encode(), self._address)
        except OSError as error:
            if not self._failed and self._log is not None:
                self._log.warning(
                    "the service manager cannot be told",
                    error=error.strerror,
                    do="see that the socket of NOTIFY_SOCKET is there; the hub tries again each turn",
                )
            self._failed = True
        else:
            self._failed = False
            if again:
                self._unheard = ""

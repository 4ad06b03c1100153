"""uvicorn as a library: it serves on a socket and a loop of ours, and touches neither signals nor logging.

Left to itself uvicorn installs signal handlers, raises the signal again after serving, configures the logging
of the whole process and calls `sys.exit` when a port is taken. `app.py` owns all four.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from fast_sse.http.admin.door import Door, Visitor
from fast_sse.model.limits import Limits

#: Seconds that answers under way get at the end.
STOP_S = 2
#: Connections that may wait to be accepted: all of them are accepted in one turn.
BACKLOG_MAX = 128
#: Connections that may be open at once, where there are files enough.
CONNECTIONS_MAX = 128
_LIMITS = Limits()


class AdminServer:
    """One ASGI application on one bound socket: `start` once, `stop` once.

    `limits` say how long a head may take; `connections_max` is what may be open at once.
    """

    def __init__(
        self,
        app: ASGIApp,
        sock: socket.socket,
        limits: Limits = _LIMITS,
        connections_max: int = CONNECTIONS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._door = Door(limits, connections_max, clock)
        self._server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                http=cast("Any", partial(Visitor, door=self._door)),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG_MAX,
                timeout_graceful_shutdown=STOP_S,
            )
        )
        self._sock = sock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; returns when connections are accepted. Raises OSError when the address is taken after all."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._sock]), name="admin listener")
        waiter = asyncio.create_task(self._server.up.wait())
        await asyncio.wait({self._task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Stop listening and finish the answers under way. Idempotent."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.wait({self._task})
        self._door.deadlines.stop()
        self._sock.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

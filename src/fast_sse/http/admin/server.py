"""uvicorn as a library: it serves on a socket and a loop of ours, and touches neither signals nor logging.

Left to itself uvicorn installs signal handlers, raises the signal again after serving, configures the logging
of the whole process and calls `sys.exit` when a port is taken. `app.py` owns all four.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

#: Seconds that answers under way get at the end.
STOP_S = 2


class AdminServer:
    """One ASGI application on one bound socket: `start` once, `stop` once."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        self._server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=100,
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

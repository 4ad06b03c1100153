"""The hub under uvicorn, started and announced as `fast-sse serve` is: `python -m tests.support.under_uvicorn serve`."""

from __future__ import annotations

import asyncio
import os
import socket

import uvicorn

from fast_sse.asgi import app


class Announcing(uvicorn.Server):
    """Prints the ready line once it accepts connections."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()
        print(f"ready public={host}:{port} admin={host}:0 store={os.environ['FAST_SSE_STORE']}", flush=True)  # noqa: T201


def main() -> None:
    config = uvicorn.Config(
        app,
        factory=True,
        host="127.0.0.1",
        port=int(os.environ["FAST_SSE_PORT"]),
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    asyncio.run(Announcing(config).serve())


if __name__ == "__main__":
    main()

"""The hub under hypercorn, started and announced as `fast-sse serve` is: `python -m tests.support.under_hypercorn serve`."""

from __future__ import annotations

import asyncio
import os
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config

from fast_sse.asgi import app


async def main() -> None:
    """Bound before it serves, so that the address is known; connections wait in the kernel until it listens."""
    with socket.create_server(("127.0.0.1", int(os.environ["FAST_SSE_PORT"]))) as listener:
        config = Config()
        config.bind = [f"fd://{os.dup(listener.fileno())}"]
        config.graceful_timeout = 1
        host, port = listener.getsockname()
        print(f"ready public={host}:{port} admin={host}:0 store={os.environ['FAST_SSE_STORE']}", flush=True)  # noqa: T201
        await serve(app(), config)  # type: ignore[arg-type]  # hypercorn types every ASGI event of its own


if __name__ == "__main__":
    asyncio.run(main())

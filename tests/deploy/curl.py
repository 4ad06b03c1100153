"""curl through a proxy's TLS and HTTP/2: a client that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.deploy.proxy import Proxy
from tests.support.publisher import Pair, signed

#: No test waits as long for what should come at once.
SOON_S = 10.0


def curl(proxy: Proxy, *arguments: str) -> list[str]:
    """A curl that speaks HTTP/2, trusts the test's certificate and holds nothing back."""
    return [
        "curl",
        "--silent",
        "--no-buffer",
        "--http2",
        "--cacert",
        str(proxy.certificate.chain),
        *arguments,
    ]


def header(channel: Pair) -> tuple[str, str]:
    """The signature as curl takes it."""
    return "--header", f"x-signature: {signed(channel)['x-signature']}"


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program whose output is read; ended with the block."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        # One that has closed its output is ending: a kill would take its status from the loop that waits for it.
        assert process.stdout is not None
        if process.returncode is None and not process.stdout.at_eof():
            process.kill()
        await asyncio.wait_for(process.wait(), SOON_S)


async def line(process: asyncio.subprocess.Process, start: str, within_s: float = SOON_S) -> str:
    """The next line that begins so."""
    assert process.stdout is not None
    async with asyncio.timeout(within_s):
        while text := (await process.stdout.readline()).decode():
            if text.startswith(start):
                return text.rstrip("\n")
    raise AssertionError(f"it ended before a line {start!r}")

"""A driver: one small program for one client library, and the protocol between it and the tests.

A driver is started as `COMMAND URL VARIANT`. The URL is the stream's, its signature already in the query. VARIANT is
`plain`, the client as its README shows it, or `mended`, with the line that docs/clients.md says mends it. It writes
one JSON object a line on standard output, flushed at once:

    {"open": true}                            the client says that a stream is open
    {"event": NAME, "id": ID, "data": TEXT}   an event reached the user's code: `message` for one without a name,
                                              else its name where the client can deliver it; ID null when not told
    {"error": TEXT}                           the client told the user of an error
    {"closed": TEXT}                          the client has given up for good

It ends when its standard input ends. What it writes to standard error is shown when a test fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

#: Seconds that a driver has to end in once its input has; then it is killed.
END_S = 20.0


class Told(NamedTuple):
    """One event that reached the user's code."""

    name: str
    id: str | None
    data: str

    @property
    def is_ours(self) -> bool:
        """The hub says it, nobody published it."""
        return self.name.startswith("fast-sse.")


class Driver:
    """One running driver. `start` it, wait with `until`, `end` it.

    Attributes:
        events: all that reached the user's code, in order.
        opens: how often the client said that a stream is open.
        errors: what it told of errors.
        closed: why it gave up for good; None while it has not.
    """

    def __init__(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.events: list[Told] = []
        self.opens = 0
        self.errors: list[str] = []
        self.closed: str | None = None
        self._command = command
        self._cwd = cwd
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._waiters: set[asyncio.Future[None]] = set()
        self._stderr: list[str] = []

    async def start(self, url: str, variant: str) -> Self:
        """Start it on a stream."""
        pipe = asyncio.subprocess.PIPE
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            url,
            variant,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            cwd=self._cwd,
            env=self._environment,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read(process.stdout)),
            asyncio.create_task(self._keep(process.stderr)),
        ]
        return self

    async def _read(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            self.take(json.loads(line))
            self._tell()
        # A driver that ends by itself has given up, whether it says so or not.
        self.closed = self.closed or "the driver ended"
        self._tell()

    async def _keep(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            self._stderr.append(line.decode(errors="replace"))

    def take(self, report: dict[str, Any]) -> None:
        """One line of the protocol."""
        if "event" in report:
            self.events.append(Told(report["event"], report["id"], report["data"]))
        elif "open" in report:
            self.opens += 1
        elif "error" in report:
            self.errors.append(report["error"])
        elif "closed" in report:
            self.closed = report["closed"]
        else:
            raise ValueError(f"no line of the protocol: {report}")

    def _tell(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something holds that only a report can change. The caller bounds it in time."""
        while not true():
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            await waiter

    def names(self) -> list[str]:
        """The names of all events so far."""
        return [event.name for event in self.events]

    def describe(self) -> str:
        """What a person needs to see when a cell is not as it should be."""
        said = "".join(self._stderr)[-1500:]
        seen = [f"{event.name} {event.id} {event.data[:60]}" for event in self.events[-12:]]
        return (
            f"opens {self.opens}, errors {self.errors[-4:]}, closed {self.closed}\n"
            + "\n".join(seen)
            + f"\n{said}"
        )

    async def end(self) -> None:
        """End its input, and it; one that does not end is killed."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        await asyncio.gather(*self._readers)
        process._transport.close()  # type: ignore[attr-defined]  # its pipes, before the loop is gone

"""A loop whose clock stands still until a test moves it, and which can be driven until nothing is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class ManualLoop(asyncio.SelectorEventLoop):
    """Real sockets and threads, but no time of its own: no test sleeps, and none depends on how fast it runs."""

    _ready: Any
    _scheduled: Any

    def __init__(self) -> None:
        self.now_s = 1_000_000.0
        super().__init__()

    def time(self) -> float:
        """The manual clock, in seconds."""
        return self.now_s

    async def idle(self) -> None:
        """Run everything that can run without time passing."""
        while True:
            await asyncio.sleep(0)
            if not self._ready and not self._due():
                return

    def _due(self) -> bool:
        return any(not handle.cancelled() and handle.when() <= self.now_s for handle in self._scheduled)

    async def elapse(self, seconds: float) -> None:
        """Let time pass: each timer fires at its own moment, and what follows from it happens then."""
        await self.idle()
        target = self.now_s + seconds
        while True:
            moments = [handle.when() for handle in self._scheduled if not handle.cancelled()]
            if not moments or min(moments) > target:
                break
            self.now_s = max(self.now_s, min(moments))
            await self.idle()
        self.now_s = target
        await self.idle()


class AtOnce(ThreadPoolExecutor):
    """An executor without threads: what it is given is done at once, and its result comes a turn of the loop later."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **more: Any) -> Future[Any]:
        """The result of the work, or what it raised."""
        future: Future[Any] = Future()
        try:
            future.set_result(work(*args, **more))
        except BaseException as error:  # noqa: BLE001  the caller's, whatever it is
            future.set_exception(error)
        return future


def manual() -> ManualLoop:
    """The running loop, known to be manual."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualLoop)
    return loop

"""Answers that take longer than a turn of the loop: tasks that end in a Response, and long work in a thread.

Long work is done for one request at a time. So the memory it holds is bounded, and much of it at once takes one core. It
is done only for requests whose signature is right, so only holders of a key decide how much of it there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from fast_sse.http.errors import error_response
from fast_sse.http.message import Answer, Deferred, Response
from fast_sse.model.errors import FastSseError
from fast_sse.model.limits import KIB

T = TypeVar("T")

#: Up to so many bytes a hash is computed at once: handing it to a thread would take longer.
_AT_ONCE_BYTES = 256 * KIB

#: Turns an error into its answer, and counts it.
Refuse = Callable[[FastSseError], Response]


class Later:
    """The tasks of the routes of one hub."""

    def __init__(self, refuse: Refuse = error_response) -> None:
        self._refuse = refuse
        self._tasks: set[asyncio.Task[Response]] = set()
        self._turn = asyncio.Semaphore(1)

    def answer(self, work: Coroutine[Any, Any, Answer]) -> Deferred:
        """Run `work` as a task; its answer, or that of the FastSseError that it raises."""
        task = asyncio.get_running_loop().create_task(self._answered(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Deferred(task, _result)

    async def _answered(self, work: Coroutine[Any, Any, Answer]) -> Response:
        try:
            answer = await work
        except FastSseError as error:
            return self._refuse(error)
        if isinstance(answer, Deferred):
            await asyncio.wait([answer.future])
            return answer.render(answer.future)
        assert isinstance(answer, Response)
        return answer

    async def hash(self, size: int, work: Callable[..., T], *args: Any, **more: Any) -> T:
        """The result of `work`, which reads `size` bytes: in a thread when they are many."""
        if size <= _AT_ONCE_BYTES:
            return work(*args, **more)
        return await asyncio.to_thread(partial(work, *args, **more))

    async def dear(self, work: Callable[[], T]) -> T:
        """The result of long work, done in a thread when all that was asked for earlier is done."""
        async with self._turn:
            return await asyncio.to_thread(work)


def _result(task: asyncio.Future[Response]) -> Response:
    return task.result()

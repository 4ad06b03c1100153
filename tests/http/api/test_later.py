"""Answers that take longer than a turn."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from fast_sse.http.api.later import Later
from fast_sse.http.message import Answer, Deferred, Response
from fast_sse.model.errors import BadRequestError, FastSseError


async def of(answer: Deferred) -> Response:
    await asyncio.wait([answer.future])
    return answer.render(answer.future)


async def test_an_error_of_the_tree_is_an_answer() -> None:
    """What a task raises is refused where every other refusal is, and counted there."""
    refused: list[FastSseError] = []

    def refuse(error: FastSseError) -> Response:
        refused.append(error)
        return Response(error.status)

    async def work() -> Answer:
        raise BadRequestError("no")

    assert (await of(Later(refuse).answer(work()))).status == 400
    assert [error.message for error in refused] == ["no"]


async def test_a_defect_stays_one() -> None:
    """Any other exception reaches whoever renders, who makes a 500 of it."""

    async def work() -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await of(Later().answer(work()))


async def test_an_answer_that_waits_is_waited_for() -> None:
    """Work may come to a Deferred, as a publish does."""
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def work() -> Answer:
        return Deferred(future, lambda done: Response(200, done.result()))

    answer = Later().answer(work())
    asyncio.get_running_loop().call_soon(future.set_result, b"stored")
    assert (await of(answer)).body == b"stored"


@pytest.mark.parametrize(("size", "same"), [(1000, True), (1 << 20, False)])
async def test_only_much_work_goes_to_a_thread(size: int, same: bool) -> None:
    """A few bytes are done at once: a thread would take longer than they do."""
    assert (await Later().hash(size, threading.get_ident) == threading.get_ident()) is same


async def test_dear_work_is_done_for_one_at_a_time() -> None:
    """What it holds is bounded by what one request may hold."""
    later, begun, go_on = Later(), [threading.Event(), threading.Event()], threading.Event()

    def work(number: int) -> int:
        begun[number].set()
        go_on.wait(5)
        return number

    both = asyncio.gather(*(later.dear(partial(work, number)) for number in range(2)))
    assert await asyncio.to_thread(begun[0].wait, 5)
    assert not await asyncio.to_thread(begun[1].wait, 0.05)
    go_on.set()
    assert await both == [0, 1]

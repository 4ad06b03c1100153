"""The wall behind the handler."""

from __future__ import annotations

import asyncio

import pytest

from fast_sse.http.boundary import Boundary, ignore_defect
from fast_sse.http.message import Answer, Deferred, Request, Response, Stream

GET = Request("GET", "/", "", {})
HEAD = Request("HEAD", "/", "", {})


class Watcher:
    """Collects defects."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, BaseException]] = []

    def __call__(self, request_id: str, error: BaseException) -> None:
        self.seen.append((request_id, error))


def broken(_: object) -> Response:
    raise LookupError("a secret")


def expect_500(answer: Answer, watcher: Watcher) -> None:
    assert isinstance(answer, Response)
    assert answer.status == 500
    ((request_id, error),) = watcher.seen
    assert b'"code":"internal"' in answer.body
    assert request_id.encode() in answer.body
    assert str(error).encode() not in answer.body


def test_an_answer_passes_as_it_is() -> None:
    """What the handler answers is what the connection gets."""
    answer = Response(204)
    assert Boundary(lambda _: answer, ignore_defect).ask(GET) is answer


def test_an_exception_becomes_500() -> None:
    """An exception is a 500 that shares nothing with it but the id under which it is reported."""
    watcher = Watcher()
    expect_500(Boundary(broken, watcher).ask(GET), watcher)
    assert isinstance(watcher.seen[0][1], LookupError)


def test_a_stream_for_head_becomes_500() -> None:
    """HEAD has no body, and a stream is nothing else."""
    watcher = Watcher()
    stream = Stream(lambda *_: asyncio.Protocol())
    boundary = Boundary(lambda _: stream, watcher)
    assert boundary.ask(GET) is stream
    expect_500(boundary.ask(HEAD), watcher)


async def test_a_render_that_raises_becomes_500() -> None:
    """The promise of `render` is kept for it."""
    watcher = Watcher()
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    expect_500(Boundary(broken, watcher).ready(Deferred(future, broken)), watcher)


@pytest.mark.parametrize(
    "answer", [Response(200, headers=(("X", "a\r\nb"),)), Response(200, headers=(("X", "☃"),)), Response(999)]
)
def test_an_answer_that_cannot_be_sent_becomes_500(answer: Response) -> None:
    """A header that would split the response, or a status that does not exist, never reaches the wire."""
    watcher = Watcher()
    sent = Boundary(broken, watcher).render(answer, 0, close=True)
    assert sent.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"Connection: close" in sent
    assert len(watcher.seen) == 1


def test_the_time_is_kept_and_not_looked_up() -> None:
    """An answer carries the Date of the last `keep_time`: a publish pays nothing for it."""
    now = [784111777.0]
    boundary = Boundary(lambda _: Response(200), Watcher(), lambda: now[0])
    assert b"Date" not in boundary.render(Response(200), 0)
    boundary.keep_time()
    now[0] += 1
    assert b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" in boundary.render(Response(200), 0)
    boundary.keep_time()
    assert b"08:49:38 GMT" in boundary.render(Response(200), 0)

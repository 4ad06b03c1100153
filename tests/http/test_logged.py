"""The wall where there is an access log: one line for each answer, one for each stream at its end."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.http.rig import V1, publish, rigged, subscribe
from tests.support.interface import Scripted
from tests.support.transport import FakeTransport

from fast_sse.http.boundary import Boundary, ignore_defect
from fast_sse.http.errors import error_response
from fast_sse.http.front.front import Front
from fast_sse.http.logged import Access, make_boundary
from fast_sse.http.message import Admission, Answer, Deferred, Interface, Request, Response, Stream
from fast_sse.hub.outgoing import ENDED
from fast_sse.model.errors import TooLargeError
from fast_sse.model.limits import Limits
from fast_sse.observe.access import AccessLog
from fast_sse.observe.logging import make_log

GET = Request("GET", "/a", "last=1", {}, peer="192.0.2.7")


class Log:
    """An access log and its lines."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.access = Access(AccessLog(make_log("info", self.stream), "public"))

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def around(self, handle: Callable[[Request], Answer], seen: Any = ignore_defect) -> Boundary:
        return make_boundary(handle, seen, access=self.access)


def test_without_an_access_log_the_wall_is_the_plain_one() -> None:
    """A log that is off costs no call: nothing of it is made."""
    boundary = make_boundary(lambda _: Response(204), ignore_defect)
    assert type(boundary) is Boundary

    def admit(_request: Request) -> Admission:
        return Admission(1)

    assert boundary.admitting(admit) is admit


def test_an_answer_is_one_line() -> None:
    """Method, path and peer of the request; status and size of its answer."""
    log = Log()
    log.around(lambda _: Response(200, b"12345")).ask(GET)
    (line,) = log.lines
    assert (line["event"], line["method"], line["path"], line["query"]) == ("request", "GET", "/a", "last=1")
    assert (line["status"], line["bytes"], line["peer"]) == (200, 5, "192.0.2.7")
    assert line["duration_ms"] >= 0


def test_an_answer_to_head_has_no_bytes() -> None:
    """Its body is never sent."""
    log = Log()
    log.around(lambda _: Response(200, b"12345")).ask(Request("HEAD", "/a", "", {}))
    assert log.lines[0]["bytes"] == 0


def test_a_line_has_the_request_id_of_the_answer() -> None:
    """What a caller quotes is found, for an error that was foreseen and for one that was not."""

    def broken(_request: Request) -> Answer:
        raise LookupError

    log, seen = Log(), []
    answers = [
        log.around(lambda _: error_response(TooLargeError())).ask(GET),
        log.around(broken, lambda request_id, _error: seen.append(request_id)).ask(GET),
    ]
    told = [json.loads(answer.body)["request_id"] for answer in answers if isinstance(answer, Response)]
    assert [line["request_id"] for line in log.lines] == told
    assert seen == told[1:]
    assert [line["status"] for line in log.lines] == [413, 500]


async def test_an_answer_that_waits_has_its_line_when_it_is_known() -> None:
    """Also when nobody waits for it any more: the publish went on."""
    log = Log()
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    log.around(lambda _: Deferred(future, lambda done: Response(done.result()))).ask(GET)
    assert log.lines == []
    future.set_result(503)
    await asyncio.sleep(0)
    assert [line["status"] for line in log.lines] == [503]


async def test_an_answer_that_waits_is_rendered_once() -> None:
    """The client gets the very answer whose request id the log has, whoever asks first."""
    log, made = Log(), []

    def render(_future: object) -> Response:
        made.append(error_response(TooLargeError()))
        return made[-1]

    for wait in (False, True):
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        boundary = log.around(lambda _, future=future: Deferred(future, render))  # type: ignore[misc]
        answer = boundary.ask(GET)
        assert isinstance(answer, Deferred)
        future.set_result(1)
        if wait:
            await asyncio.sleep(0)
        assert boundary.ready(answer) is made[-1]
        await asyncio.sleep(0)
    assert len(made) == len(log.lines) == 2


async def test_a_render_that_fails_is_a_500_of_one_defect() -> None:
    """The wall keeps standing: one defect, one line, one answer."""
    log, seen = Log(), []
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    boundary = log.around(
        lambda _: Deferred(future, lambda done: Response(done.result())),
        lambda request_id, _error: seen.append(request_id),
    )
    answer = boundary.ask(GET)
    assert isinstance(answer, Deferred)
    future.set_exception(LookupError())
    await asyncio.sleep(0)
    assert boundary.ready(answer).status == 500
    assert boundary.defects == 1
    assert [line["request_id"] for line in log.lines] == seen


async def test_a_cancelled_answer_has_no_line() -> None:
    """There is no answer to tell of."""
    log, loop, failures = Log(), asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _loop, context: failures.append(context))
    future: asyncio.Future[int] = loop.create_future()
    log.around(lambda _: Deferred(future, lambda done: Response(done.result()))).ask(GET)
    future.cancel()
    await asyncio.sleep(0)
    assert log.lines == failures == []


def test_a_refusal_by_the_head_is_one_line() -> None:
    """A body that is not wanted is refused before it is there; what may come has its line later."""
    log = Log()
    boundary = log.around(lambda _: Response(200))
    refuse = boundary.admitting(lambda _: error_response(TooLargeError()))
    assert isinstance(refuse(GET), Response)
    assert boundary.admitting(lambda _: Admission(5))(GET) == Admission(5)
    assert [line["status"] for line in log.lines] == [413]


class Protocol(asyncio.Protocol):
    """A stream that notes what it is told."""

    state = 0

    def __init__(self) -> None:
        self.told: list[Any] = []

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def data_received(self, data: bytes) -> None:
        self.told.append(data)

    def eof_received(self) -> bool:
        self.told.append("eof")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append(exc)
        self.state = ENDED


def streamed(log: Log) -> tuple[Any, Protocol]:
    """A stream of a wall, attached: the protocol that the transport gets, and the one inside."""
    inner = Protocol()
    answer = log.around(lambda _: Stream(lambda _transport, _head: inner, (("A", "b"),))).ask(GET)
    assert isinstance(answer, Stream)
    assert answer.headers == (("A", "b"),)
    return answer.attach(None, b""), inner


def test_a_stream_has_its_line_at_its_end() -> None:
    """Everything reaches the stream as without a log; the line says how long it was open."""
    log = Log()
    outer, inner = streamed(log)
    outer.pause_writing()
    outer.resume_writing()
    outer.data_received(b"x")
    assert outer.eof_received() is False
    assert log.lines == []
    error = ConnectionResetError()
    outer.connection_lost(error)
    assert inner.told == ["pause", "resume", b"x", "eof", error]
    (line,) = log.lines
    assert (line["event"], line["path"], line["ended"]) == ("stream", "/a", "client")
    assert line["duration_s"] >= 0
    assert "status" not in line


def test_a_stream_that_the_hub_ended_says_so() -> None:
    """A stream that was over before its connection was has not lost its client."""
    log = Log()
    outer, inner = streamed(log)
    inner.state = ENDED
    outer.connection_lost(None)
    assert log.lines[0]["ended"] == "hub"


class Transport(FakeTransport):
    """One that a stream can be handed to."""

    def set_write_buffer_limits(self, high: int) -> None:
        assert high > 0

    def get_write_buffer_size(self) -> int:
        return 0


async def test_a_publish_and_a_stream_on_the_front_have_their_lines() -> None:
    """Through the real rules: a signature that is wrong, a publish, a stream whose client leaves, one that a drain ends."""
    log = Log()
    async with rigged(Limits()) as rig:
        front = Front(rig.endpoints, Limits(), clock=lambda: 0.0, access=log.access)

        def sent(method: str, target: str, more: str = "", body: str = "") -> Transport:
            transport = Transport(front())
            head = f"{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{more}\r\n{body}"
            transport.feed(head.encode())
            return transport

        json_body = "Content-Type: application/json\r\n"
        sent("POST", publish().path, json_body, '{"data":1}')
        sent("POST", publish().path, f"{json_body}x-signature: {V1}\r\n", '{"data":1}')
        leaving, staying = (
            sent("GET", f"{subscribe().path}?last=1", f"x-signature: {V1}\r\n") for _ in range(2)
        )
        await asyncio.sleep(0)
        leaving.lose()
        await rig.hub.drain(0)
        await asyncio.sleep(0)
        assert staying.closed
    assert [(line["event"], line.get("status"), line.get("ended")) for line in log.lines] == [
        ("request", 401, None),
        ("request", 200, None),
        ("stream", None, "client"),
        ("stream", None, "hub"),
    ]
    assert [line["peer"] for line in log.lines] == ["192.0.2.7"] * 4
    assert V1 not in log.stream.getvalue()


@pytest.mark.parametrize("refuse", [True, False])
async def test_the_front_asks_the_wall_to_admit(refuse: bool) -> None:
    """A body that comes in two pieces is judged by its head, and what is refused then has its one line."""
    log = Log()

    def admit(_request: Request) -> Admission | Response:
        return error_response(TooLargeError()) if refuse else Admission(100)

    interface: Interface = Scripted(lambda _: Response(200), admit)
    transport = FakeTransport(Front(interface, Limits(), clock=lambda: 0.0, access=log.access)())
    transport.feed(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    if not refuse:
        transport.feed(b"cd")
    assert [line["status"] for line in log.lines] == [413 if refuse else 200]

"""The wall where there is an access log: one line for each answer, one for each stream at its end."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from tests.http.rig import ALL, NOW, SECRET, V1, Rig, publish, rigged, subscribe
from tests.support.interface import Scripted
from tests.support.transport import FakeTransport

from fast_sse.http.api.access import Access as ServerAccess
from fast_sse.http.boundary import Boundary, ignore_defect
from fast_sse.http.errors import error_response
from fast_sse.http.front.front import Front
from fast_sse.http.logged import Access, make_boundary
from fast_sse.http.message import Admission, Answer, Deferred, Interface, Request, Response, Stream
from fast_sse.hub.form import Form
from fast_sse.hub.subscription import Subscription
from fast_sse.model.channel import Channel
from fast_sse.model.errors import OverloadedError, TooLargeError
from fast_sse.model.limits import Limits
from fast_sse.model.right import UNDECIDED, Right
from fast_sse.model.signature import Keyring, sign_v2
from fast_sse.observe.access import AccessLog, Ended
from fast_sse.observe.logging import make_log

GET = Request("GET", "/a", "last=1", {}, peer="192.0.2.7")


class Written(io.StringIO):
    """A file that says when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.more = asyncio.Event()

    def write(self, text: str) -> int:
        self.more.set()
        return super().write(text)


class Log:
    """An access log and its lines."""

    def __init__(self) -> None:
        self.stream = Written()
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

    ended = ""

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
        self.ended = self.ended or "client"


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


def test_a_stream_says_itself_why_it_ended() -> None:
    """Also when that was before its connection ended."""
    log = Log()
    outer, inner = streamed(log)
    inner.ended = "operator"
    outer.connection_lost(None)
    assert log.lines[0]["ended"] == "operator"


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
        ("stream", None, "drain"),
    ]
    assert [line["peer"] for line in log.lines] == ["192.0.2.7"] * 4
    assert V1 not in log.stream.getvalue()


class Scene:
    """A hub on a front with an access log; `opened` are its streams."""

    def __init__(self, rig: Rig, log: Log, clock: list[float]) -> None:
        self.rig = rig
        self.clock = clock
        self.front = Front(rig.endpoints, Limits(), clock=lambda: 0.0, access=log.access)
        self.opened: list[Transport] = []

    def open(self, shown: str = f"x-signature: {V1}", query: str = "") -> Transport:
        """A stream of the cart; it asks for events, as EventSource does."""
        transport = Transport(self.front())
        head = f"GET {subscribe().path}{query} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n{shown}\r\n\r\n"
        transport.feed(head.encode())
        self.opened.append(transport)
        return transport

    def signed(self, rest_s: float) -> str:
        """A signature of format v2 with so much time left."""
        now = int(self.clock[0])
        signature = sign_v2(
            SECRET,
            "web-1",
            "sub",
            [Channel("cart1", "changed")],
            body=None,
            iat=now - 60,
            exp=now,
            nonce="n" * 16,
        )
        self.clock[0] = now - rest_s
        return f"x-signature: {signature}"


async def a_client_leaves(scene: Scene) -> None:
    """It resets the connection."""
    scene.open().lose()


async def the_server_gives_up(scene: Scene) -> None:
    """What an ASGI server's cancellation comes to."""
    scene.open().protocol.connection_lost(ConnectionAbortedError())


async def a_client_reads_nothing(scene: Scene) -> None:
    """The kernel finds out, or the wheel."""
    scene.open().protocol.connection_lost(TimeoutError())


async def it_is_old(scene: Scene) -> None:
    """`connection_age_s` of a moment."""
    scene.rig.endpoints._subscribing._limits = Limits(connection_age_s=0.01)
    scene.open()


async def its_right_ends(scene: Scene) -> None:
    """A signature that had a moment left."""
    scene.open(scene.signed(0.02))


async def its_right_had_ended(scene: Scene) -> None:
    """A page that was asleep."""
    scene.open(scene.signed(-600))


async def its_secret_is_taken_away(scene: Scene) -> None:
    """A reload without it."""
    scene.open()
    scene.rig.endpoints.reload(ServerAccess(keyring=Keyring(secret=b"another secret of the same hub.."[:32])))


async def the_hub_drains(scene: Scene) -> None:
    """What is open is ended, and what comes then is turned away."""
    scene.open()
    await scene.rig.hub.drain(0.01)
    scene.open()


async def the_hub_stops(scene: Scene) -> None:
    """Without a drain."""
    scene.open()
    await scene.rig.hub.close()


async def it_is_one_too_many(scene: Scene) -> None:
    """The bound is one stream, and another client has that."""
    scene.rig.hub._ground.limits = Limits(streams_max=1)
    scene.rig.hub.subscribe(Transport(Protocol()), Subscription(ALL, Form()))
    scene.open()


class Waiting:
    """Reads tokens whose keys are not here yet."""

    leeway_s = 0.0

    def read(self, _token: str, _now: float) -> Right:
        raise OverloadedError("keys are being fetched", retry_after_s=1, reason="keys_awaited")

    def stands(self, _mark: str) -> bool:
        return False


class Failing(Waiting):
    """Says of no token what it gives, as an application whose sessions are away."""

    def read(self, _token: str, _now: float) -> Right:
        return UNDECIDED


async def a_key_is_awaited(scene: Scene, tokens: Waiting | None = None) -> None:
    """The issuer has not answered yet."""
    tokens = tokens or Waiting()
    scene.rig.endpoints.access = msgspec.structs.replace(scene.rig.endpoints.access, tokens=tokens)
    scene.open("Authorization: Bearer a.b.c")


async def the_application_fails(scene: Scene) -> None:
    """It could not say what may be read."""
    await a_key_is_awaited(scene, Failing())


async def its_channel_is_erased(scene: Scene) -> None:
    """By an operator."""
    scene.open()
    await scene.rig.hub.erase(Channel("cart1", "changed"))


async def an_operator_ends_it(scene: Scene) -> None:
    """By its id, as the dashboard does."""
    scene.open()
    watch = scene.rig.hub.watch
    (seen,) = (await watch.streams("oldest", None, 10)).items
    assert watch.end(seen.id)


async def it_meets_a_defect(scene: Scene) -> None:
    """Of ours; its client comes back."""
    stream = scene.open().protocol._protocol
    stream.give_up(LookupError())


ENDS: dict[str, list[Callable[[Scene], Awaitable[None]]]] = {
    "client": [a_client_leaves],
    "server": [the_server_gives_up],
    "stalled": [a_client_reads_nothing],
    "age": [it_is_old],
    "expired": [its_right_ends, its_right_had_ended],
    "revoked": [its_secret_is_taken_away],
    "drain": [the_hub_drains],
    "shutdown": [the_hub_stops],
    "overload": [it_is_one_too_many],
    "keys_awaited": [a_key_is_awaited],
    "undecided": [the_application_fails],
    "erased": [its_channel_is_erased],
    "operator": [an_operator_ends_it],
    "defect": [it_meets_a_defect],
}


@pytest.mark.parametrize(("ended", "happens"), [(word, one) for word, some in ENDS.items() for one in some])
async def test_the_line_of_a_stream_says_why_it_ended(
    ended: str, happens: Callable[[Scene], Awaitable[None]]
) -> None:
    """One word for each end that there is, through the real rules and the real hub."""
    log, clock = Log(), [NOW]
    async with rigged(Limits(), now=lambda: clock[0]) as rig:
        scene = Scene(rig, log, clock)
        await happens(scene)
        async with asyncio.timeout(5):
            while len(log.lines) < len(scene.opened):
                log.stream.more.clear()
                await log.stream.more.wait()
        assert [(line["event"], line["ended"]) for line in log.lines] == [("stream", ended)] * len(
            scene.opened
        )


def test_every_word_has_a_scene_and_stands_in_the_docs() -> None:
    """No end is told by a word that nobody explains."""
    assert set(ENDS) == set(get_args(Ended))
    table = (Path(__file__).parents[2] / "docs" / "logs.md").read_text().partition("| `ended` |")[2]
    assert re.findall(r"^\| `(\w+)` \|", table.partition("\n\n")[0], re.MULTILINE) == list(get_args(Ended))


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

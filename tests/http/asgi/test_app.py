"""The adapter between ASGI and the endpoints: what a scope becomes, and what becomes of each kind of answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from tests.support.interface import INTAKE, Scripted

from fast_sse.http.asgi.app import AsgiApp, Scope, head_of, path_of
from fast_sse.http.asgi.stream import Message
from fast_sse.http.message import Admission, Answer, Deferred, Interface, Request, Response, Stream
from fast_sse.http.request_head import Kept
from fast_sse.model.errors import BadRequestError, HeadersTooLargeError, NotStoredError
from fast_sse.model.limits import Limits

LIMITS = Limits(body_bytes_max=10, head_bytes_max=200)
KEPT = Kept(INTAKE)
Handle = Callable[[Request], Answer]


def scope(path: str = "/x", **more: Any) -> Scope:
    """What a server makes of a GET; `path` is as sent."""
    made = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("192.0.2.7", 4711),
    }
    return {**made, **more}


class Rig:
    """An application with a handler, and a server of the test's making around it."""

    def __init__(self, handle: Handle, limits: Limits = LIMITS) -> None:
        self.defects: list[BaseException] = []
        self.asked: list[Request] = []
        self.sent: list[Message] = []
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.life: list[str] = []
        self._handle = handle
        self.judged: list[Request] = []
        self.admission: Admission | Response = Admission(limits.body_bytes_max)
        self.app = AsgiApp(self._run, limits, lambda _id, error: self.defects.append(error))

    @contextlib.asynccontextmanager
    async def _run(self) -> AsyncIterator[Interface]:
        self.life.append("begun")
        yield Scripted(self._ask, self._judge)
        self.life.append("ended")

    def _judge(self, request: Request) -> Admission | Response:
        self.judged.append(request)
        return self.admission

    def _ask(self, request: Request) -> Answer:
        self.asked.append(request)
        return self._handle(request)

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    def body(self, data: bytes = b"", *, more: bool = False) -> None:
        """The next piece of the request."""
        self.incoming.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def leave(self) -> None:
        """The client is gone."""
        self.incoming.put_nowait({"type": "http.disconnect"})

    async def serve(self, request: Scope) -> None:
        """One request while the application lives."""
        async with self.app.lifespan():
            await self.app(request, self.incoming.get, self.send)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def received(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


def fixed(answer: Answer) -> Handle:
    """A handler that always answers the same."""
    return lambda _request: answer


OK = Response(200, b"{}", headers=(("Vary", "Origin"),))

# -- what a scope becomes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "root", "below"),
    [
        ("/v1/a%2Fb", "", "/v1/a%2Fb"),
        ("/v1/a%252Fb", "", "/v1/a%252Fb"),
        ("/sse/v1/a%2Fb", "/sse", "/v1/a%2Fb"),
        ("/sse/v1", "/sse/", "/v1"),
        ("/s%73e/v1", "/sse", "/v1"),
        ("/a/caf%C3%A9/v1", "/a/café", "/v1"),
        ("/a%2Fb/v1", "/a/b", "/v1"),
        ("/sse", "/sse", "/"),
        ("/v1/x", "/sse", "/v1/x"),
        ("/ssen/v1", "/sse", "/ssen/v1"),
        ("/sse//v1", "/sse", "//v1"),
        ("/v1/x?y", "", "/v1/x"),
    ],
)
def test_path_below_the_mount(raw: str, root: str, below: str) -> None:
    """The mount is taken off by what it means, however it is spelt; the rest stays percent-encoded as it came."""
    assert path_of(scope(raw, root_path=root)) == below


def test_path_below_a_mount_behind_a_proxy_that_strips() -> None:
    """Where the application has a prefix that only the proxy sees, what a router added is still taken off."""
    assert path_of(scope("/sse/v1", root_path="/api/sse", app_root_path="/api")) == "/v1"


def test_path_of_a_server_without_raw_path() -> None:
    """What was decoded once is encoded again, so that the endpoints decode it to the same text."""
    assert path_of(scope(path="/v1/a b%2Fé", raw_path=None)) == "/v1/a%20b%252F%C3%A9"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(min_size=1))
def test_a_decoded_path_survives(event_id: str, event_type: str) -> None:
    """Whatever a server decoded, decoding what we hand on gives exactly that again."""
    from urllib.parse import unquote

    path = f"/{event_id}/{event_type}".encode("utf-8", "replace").decode()
    assert unquote(path_of(scope(path=path, raw_path=None))) == path


def test_headers_in_the_fronts_form() -> None:
    """Names in lower case, values in latin-1 without the spaces around them, repeated names joined."""
    given_headers = [(b"X-Signature", b" a\t"), (b"x-signature", b"\xe9"), (b"accept", b"*/*")]
    request = head_of(scope("/v1", headers=given_headers, query_string=b"a=%20&b"), LIMITS, KEPT)
    assert request.headers == {"x-signature": "a, é", "accept": "*/*"}
    assert (request.method, request.path, request.query) == ("GET", "/v1", "a=%20&b")
    assert request.peer == "192.0.2.7"
    assert not request.http11, "the server frames, not we"
    assert head_of(scope(client=None), LIMITS, KEPT).peer == ""


@pytest.mark.parametrize(
    "bad",
    [scope("//v1"), scope("/v1//x"), scope("*"), scope(raw_path=b"/\xc3\xa9"), scope(query_string=b"\xff")],
)
def test_a_bad_target_is_refused(bad: Scope) -> None:
    """An empty segment, no absolute path, or bytes that are not ASCII: as on the front."""
    with pytest.raises(BadRequestError):
        head_of(bad, LIMITS, KEPT)


def test_a_second_key_is_refused() -> None:
    """As on the front: of two Idempotency-Key headers neither is the right one."""
    line = (b"Idempotency-Key", b"a")
    assert head_of(scope(headers=[line]), LIMITS, KEPT).headers == {"idempotency-key": "a"}
    with pytest.raises(BadRequestError, match="more than one Idempotency-Key"):
        head_of(scope(headers=[line, (b"idempotency-key", b"b")]), LIMITS, KEPT)


def test_a_head_is_bounded() -> None:
    """Path, query and headers have one bound together, whatever the server would take."""
    for size, fits in ((190, True), (200, False)):
        for big in (
            scope("/" + "x" * size),
            scope(query_string=b"x" * size),
            scope(headers=[(b"a", b"x" * size)]),
        ):
            if fits:
                head_of(big, LIMITS, KEPT)
            else:
                with pytest.raises(HeadersTooLargeError):
                    head_of(big, LIMITS, KEPT)


# -- requests -----------------------------------------------------------------------------------------------


async def test_the_body_is_collected() -> None:
    """The handler sees the request once it is complete, in one piece."""
    rig = Rig(fixed(OK))
    rig.body(b"ab", more=True)
    rig.body(b"", more=True)
    rig.body(b"cd")
    await rig.serve(scope())
    assert [request.body for request in rig.asked] == [b"abcd"]


@pytest.mark.parametrize(("path", "bytes_max"), [("/x", 10), ("/long", 200)])
async def test_a_body_that_is_too_large_is_413(path: str, bytes_max: int) -> None:
    """The API names the paths that take longer bodies; past the bound it is not asked, declared or not."""
    for size, headers, status in (
        (bytes_max, [], 200),
        (bytes_max + 1, [], 413),
        (0, [(b"content-length", str(bytes_max + 1).encode())], 413),
        (0, [(b"content-length", b"9" * 5000)], 413),
        (0, [(b"content-length", b"x")], 200),
    ):
        rig = Rig(fixed(OK), Limits(body_bytes_max=10))
        rig.body(b"x" * size)
        await rig.serve(scope(path, headers=headers))
        assert rig.status == status
        assert len(rig.asked) == (status == 200)
        assert rig.incoming.empty()


async def test_the_rest_of_a_refused_body_is_taken() -> None:
    """Closing on unread bytes is a reset that may overtake the answer, so they are read, and none of them is kept."""
    rig = Rig(fixed(OK))
    for _ in range(3):
        rig.body(b"x" * 6, more=True)
    rig.body(b"x")
    await rig.serve(scope())
    assert rig.status == 413
    assert json.loads(rig.received)["code"] == "too_large"
    assert rig.incoming.empty()


async def test_a_body_in_pieces_is_judged_by_its_head() -> None:
    """As on the front: what the head shows is told before the body is kept, and the head may lower its bound."""
    rig = Rig(fixed(OK))
    rig.body(b"abc")
    await rig.serve(scope())
    assert rig.judged == []
    for admission, status in ((Response(401, b"no"), 401), (Admission(3), 413), (Admission(4), 200)):
        rig = Rig(fixed(OK))
        rig.admission = admission
        for _ in range(3):
            rig.body(b"x", more=True)
        rig.body(b"x")
        await rig.serve(scope())
        assert (rig.status, len(rig.judged), rig.judged[0].body if status != 200 else b"") == (status, 1, b"")


async def test_an_endless_body_is_answered_while_it_comes() -> None:
    """A peer that never stops gets its answer, also from a server that sends only while its queue is taken."""
    rig = Rig(fixed(OK))
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        await asyncio.sleep(0)
        taken += 1
        return {"type": "http.request", "body": b"x" * 8, "more_body": True}

    async def send(message: Message) -> None:
        before = taken
        async with asyncio.timeout(5):
            while taken < before + 5:  # noqa: ASYNC110  the reading itself is what makes turns
                await asyncio.sleep(0)
        await rig.send(message)

    async with rig.app.lifespan():
        await rig.app(scope(), receive, send)
    assert rig.status == 413
    for _ in range(3):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}, "somebody still reads"


@pytest.mark.parametrize("begun", [False, True])
async def test_a_client_that_leaves_within_its_request(begun: bool) -> None:
    """Half a request is no request: nobody is asked and nothing is answered."""
    rig = Rig(fixed(OK))
    if begun:
        rig.body(b"ab", more=True)
    rig.leave()
    await rig.serve(scope())
    assert rig.asked == []
    assert rig.sent == []


# -- answers ------------------------------------------------------------------------------------------------


async def test_a_response() -> None:
    """Status, the headers that every answer carries, its length and its own, then the body; no framing of ours."""
    rig = Rig(fixed(OK))
    rig.body()
    await rig.serve(scope())
    assert rig.sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"application/json"),
                (b"cache-control", b"no-store"),
                (b"x-content-type-options", b"nosniff"),
                (b"content-length", b"2"),
                (b"vary", b"Origin"),
            ],
        },
        {"type": "http.response.body", "body": b"{}"},
    ]


async def test_head_has_the_length_but_no_body() -> None:
    """HEAD answers like GET, without the body (RFC 9110 §9.3.2)."""
    rig = Rig(fixed(OK))
    rig.body()
    await rig.serve(scope(method="HEAD"))
    assert rig.headers[b"content-length"] == b"2"
    assert rig.received == b""


async def test_a_deferred_answer_is_waited_for() -> None:
    """A publish is answered once its future is done."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    rig = Rig(fixed(Deferred(future, lambda done: Response(200, str(done.result()).encode()))))
    rig.body()
    task = asyncio.create_task(rig.serve(scope()))
    await asyncio.sleep(0)
    assert rig.sent == []
    future.set_result(7)
    await task
    assert rig.received == b"7"


async def test_a_server_that_stops_does_not_stop_a_publish() -> None:
    """When the server cancels a request, the future that belongs to the hub goes on, and its error is nobody's surprise."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    rig = Rig(fixed(Deferred(future, lambda _done: OK)))
    rig.body()
    task = asyncio.create_task(rig.serve(scope()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not future.cancelled()
    future.set_exception(NotStoredError())
    await asyncio.sleep(0)
    assert not future._log_traceback  # what asyncio asks before it complains


async def test_a_defect_is_a_500_that_says_nothing() -> None:
    """What the handler, a renderer or a header breaks reaches the observer, never the caller (CWE-209)."""
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    done.set_result(1)

    def raising(*_anything: object) -> Any:
        raise LookupError("secret detail")

    broken: list[Handle] = [
        raising,
        fixed(Deferred(done, raising)),
        fixed(Response(200, headers=(("X", "a\r\nSet-Cookie: b"),))),
        fixed(Stream(raising)),
        fixed(Stream(lambda *_: asyncio.Protocol(), (("X", "a\nb"),))),
    ]
    for handle in broken:
        rig = Rig(handle)
        rig.body()
        await rig.serve(scope())
        assert (rig.status, json.loads(rig.received)["code"]) == (500, "internal")
        assert b"secret" not in rig.received
        assert len(rig.defects) == 1


async def test_a_send_that_fails_is_a_client_that_left() -> None:
    """From ASGI 2.4 on `send` raises OSError when the client is gone: no error of anybody's."""
    rig = Rig(fixed(OK))
    rig.body()

    async def broken(_message: Message) -> None:
        raise BrokenPipeError

    async with rig.app.lifespan():
        await rig.app(scope(), rig.incoming.get, broken)


class Greeting(asyncio.Protocol):
    """Says one thing and closes."""

    def __init__(self, transport: Any) -> None:
        self.lost = False
        transport.write(b"retry: 1\n\n")
        transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = error is None


async def test_a_stream() -> None:
    """The head of a stream, what its protocol writes as it is written, and the end; the server frames."""
    attached: list[Greeting] = []

    def attach(transport: Any, _head: bytes) -> Greeting:
        attached.append(Greeting(transport))
        return attached[-1]

    rig = Rig(fixed(Stream(attach, (("Vary", "Origin"),))))
    rig.body()
    await rig.serve(scope())
    assert rig.headers == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-store, no-transform",
        b"x-accel-buffering": b"no",
        b"incremental": b"?1",
        b"vary": b"Origin",
    }
    assert rig.received == b"retry: 1\n\n"
    assert [message.get("more_body") for message in rig.sent[1:]] == [True, False]
    assert attached[0].lost


# -- life ---------------------------------------------------------------------------------------------------


def lifespan(rig: Rig) -> None:
    """The events that a server sends."""
    for step in ("startup", "shutdown"):
        rig.incoming.put_nowait({"type": f"lifespan.{step}"})


async def test_lifespan() -> None:
    """Start-up opens before it is complete, shutdown closes before it is."""
    rig = Rig(fixed(OK))
    lifespan(rig)
    await rig.app({"type": "lifespan"}, rig.incoming.get, rig.send)
    assert [message["type"] for message in rig.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert rig.life == ["begun", "ended"]


async def test_a_hub_is_started_once() -> None:
    """Two routers that both bring its lifespan would be two hubs, and the end of one the end of both."""
    rig = Rig(fixed(OK))
    async with rig.app.lifespan():
        with pytest.raises(RuntimeError, match="once"):
            async with rig.app.lifespan():
                pass
        rig.body()
        await rig.app(scope(), rig.incoming.get, rig.send)
    assert (rig.status, rig.life) == (200, ["begun", "ended"])


@pytest.mark.parametrize("step", ["startup", "shutdown"])
async def test_a_lifespan_that_fails_is_told(step: str) -> None:
    """A server that is not told serves on without a hub; what is no error of ours is raised as well."""
    for error, raised in ((NotStoredError("no store"), False), (ZeroDivisionError("no store"), True)):

        @contextlib.asynccontextmanager
        async def run(error: Exception = error) -> AsyncIterator[Interface]:
            if step == "startup":
                raise error
            yield Scripted(fixed(OK))
            raise error

        rig = Rig(fixed(OK))
        lifespan(rig)
        app = AsgiApp(run, LIMITS)
        with pytest.raises(ZeroDivisionError) if raised else contextlib.nullcontext():
            await app({"type": "lifespan"}, rig.incoming.get, rig.send)
        assert rig.sent[-1]["type"] == f"lifespan.{step}.failed"
        assert "no store" in rig.sent[-1]["message"]


async def test_a_request_before_the_start_says_what_is_missing() -> None:
    """Mounted without its lifespan there is no hub to ask: an error for the developer, and so it is after the end."""
    rig = Rig(fixed(OK))
    with pytest.raises(RuntimeError, match=r"lifespan=hub\.lifespan"):
        await rig.app(scope(), rig.incoming.get, rig.send)
    rig.body()
    await rig.serve(scope())
    with pytest.raises(RuntimeError, match=r"lifespan=hub\.lifespan"):
        await rig.app(scope(), rig.incoming.get, rig.send)


async def test_other_protocols_are_turned_away() -> None:
    """A websocket is refused before it opens, quietly: strangers may ask for one. What is unknown is an error."""
    rig = Rig(fixed(OK))
    rig.incoming.put_nowait({"type": "websocket.connect"})
    await rig.app({"type": "websocket"}, rig.incoming.get, rig.send)
    assert [message["type"] for message in rig.sent] == ["websocket.close"]
    with pytest.raises(ValueError, match="other"):
        await rig.app({"type": "other"}, rig.incoming.get, rig.send)


@pytest.mark.parametrize(("server_root", "prefix"), [("", ""), ("/api", "/api"), ("/api", "")])
async def test_mounted_in_fastapi(server_root: str, prefix: str) -> None:
    """Below a mount the application is started by the one around it and sees its own paths, encoding and all.

    A server's root path is part of the path (uvicorn) or stripped by a proxy before it (hypercorn).
    """
    rig = Rig(fixed(OK))
    around = FastAPI(lifespan=rig.app.lifespan)
    around.mount("/sse", rig.app)
    rig.body()
    raw = f"{prefix}/sse/v1/a%2Fb/%E2%82%AC"
    async with around.router.lifespan_context(around):
        request = scope(f"{prefix}/sse/v1/a/b/€", raw_path=raw.encode(), root_path=server_root)
        await around(request, rig.incoming.get, rig.send)
    assert rig.status == 200
    assert [asked.path for asked in rig.asked] == ["/v1/a%2Fb/%E2%82%AC"]
    assert rig.life == ["begun", "ended"]

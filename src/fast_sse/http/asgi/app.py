"""The endpoints as a plain ASGI 3 application, for any ASGI server and for mounting in Starlette or FastAPI.

This file only translates: an ASGI scope becomes a Request, and an answer becomes ASGI messages. The rules of the public
API stay in `http.api`. Parsing, framing, deadlines, slow clients and the order of a shutdown are the server's work, and
promises about them are the server's promises (docs/asgi.md).

The path is taken from `raw_path`, still percent-encoded, because segments are decoded exactly once, by the API: a path
that a server or a router has already decoded could name another channel (CWE-174).
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import quote, unquote

from fast_sse.http.asgi.stream import Message, Receive, Send, StreamTransport
from fast_sse.http.boundary import Boundary, OnDefect, ignore_defect, retrieve
from fast_sse.http.errors import error_response
from fast_sse.http.logged import Access, make_boundary
from fast_sse.http.message import (
    Admit,
    Answer,
    Deferred,
    Intake,
    Interface,
    RefusedError,
    Request,
    Response,
    Stream,
)
from fast_sse.http.request_head import Kept, repeated
from fast_sse.http.wire import Fields, response_fields, stream_fields
from fast_sse.model.errors import BadRequestError, FastSseError, HeadersTooLargeError, TooLargeError
from fast_sse.model.limits import Limits

Scope = MutableMapping[str, Any]

#: What may stand in a path segment as itself (RFC 3986 §3.3), and the slash between them.
_PATH_SAFE = "/:@!$&'()*+,;="
_NOT_RUNNING = (
    "the hub is not running: its lifespan was not started; "
    "a mounted app needs lifespan=hub.lifespan of the application around it"
)
_LIVES_ALREADY = (
    "the hub runs already, and is not started again: give its lifespan once, to the outermost application"
)
_OTHER_LOOP = (
    "this is another event loop than the hub's, and nothing was done. Await hub.publish in an `async def` on the hub's "
    "loop, or call hub.publish_from_thread from a thread, such as a plain `def` endpoint"
)


class AsgiApp:
    """The API as an ASGI application.

    Args:
        run: a context that yields the API; entered at start-up, left at shutdown.
        limits: for heads and bodies.
        on_defect: gets the `request_id` of a 500 and the exception behind it.
        access: the access log, if there is one.
    """

    def __init__(
        self,
        run: Callable[[], AbstractAsyncContextManager[Interface]],
        limits: Limits,
        on_defect: OnDefect = ignore_defect,
        access: Access | None = None,
    ) -> None:
        self._access = access
        self._run = run
        self._limits = limits
        self._on_defect = on_defect
        self._lives = False
        self._interface: Interface | None = None
        self._kept = Kept(Intake())
        self._boundary: Boundary | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """From start-up to shutdown: what the application around a mounted one takes as its `lifespan`.

        Routers pass lifespan events to nothing that is mounted in them.

        Raises RuntimeError: it has begun already, and has not ended.
        """
        if self._lives:
            raise RuntimeError(_LIVES_ALREADY)
        self._lives = True
        try:
            async with self._run() as interface:
                self._loop = asyncio.get_running_loop()
                self._kept = Kept(interface.intake)
                self._boundary = make_boundary(interface.handle, self._on_defect, access=self._access)
                self._interface = interface
                try:
                    yield
                finally:
                    self._interface = self._boundary = self._loop = None
        finally:
            self._lives = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the life of the application."""
        kind = scope["type"]
        if kind == "http":
            with contextlib.suppress(OSError):  # the peer is gone
                await self._serve(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            raise ValueError(f"an ASGI scope of type {kind!r} is not known here")

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol. A failure is always sent as a message: some servers go on after one that is only raised."""
        step = "startup"
        await receive()
        try:
            async with self.lifespan():
                await send({"type": "lifespan.startup.complete"})
                step = "shutdown"
                await receive()
        except FastSseError as error:
            await send({"type": f"lifespan.{step}.failed", "message": str(error)})
        except Exception:
            await send({"type": f"lifespan.{step}.failed", "message": traceback.format_exc()})
            raise
        else:
            await send({"type": "lifespan.shutdown.complete"})

    async def _introduce(self, scope: Scope, request: Request) -> None:
        """Say what the application around this one lets a request read; there is none unless a subclass has one."""

    def _at_home(self) -> None:
        """Raise RuntimeError on another loop than the one the hub runs on.

        The store's answer could not be awaited there: what was asked would be done, and look as if it had failed.
        """
        if self._loop is not None and asyncio.get_running_loop() is not self._loop:
            raise RuntimeError(_OTHER_LOOP)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        interface, boundary = self._interface, self._boundary
        if interface is None or boundary is None:
            raise RuntimeError(_NOT_RUNNING)
        self._at_home()
        incoming = _Incoming(receive)
        answer: Answer
        try:
            request = head_of(scope, self._limits, self._kept)
            await self._introduce(scope, request)
            most = self._kept.bodies.get(request.path.encode(), self._limits.body_bytes_max)
            request.body = await incoming.read(request, most, boundary.admitting(interface.admit))
        except (FastSseError, RefusedError) as error:
            answer = error.answer if isinstance(error, RefusedError) else error_response(error)
            await incoming.skip(self._limits.body_bytes_max)
        else:
            answer = boundary.ask(request)
        if isinstance(answer, Deferred):
            answer.future.add_done_callback(retrieve)  # a server that stops may cancel us, never the publish
            await asyncio.wait([answer.future])
            answer = boundary.ready(answer)
        if isinstance(answer, Stream):
            failure = await self._stream(answer, scope, receive, send, boundary)
            if failure is None:
                return
            answer = failure
        async with incoming.discarded():
            await _respond(answer, scope, send, boundary)

    async def _stream(
        self, stream: Stream, scope: Scope, receive: Receive, send: Send, boundary: Boundary
    ) -> Response | None:
        """Serve a stream to its end; a 500 when it could not even begin."""
        transport = StreamTransport(scope.get("client"))
        try:
            start = _start(200, stream_fields(stream))
            transport.set_protocol(stream.attach(transport, b""))
        except Exception as error:  # noqa: BLE001 - a defect of ours; see http/boundary.py
            return boundary.defect(error)
        await transport.run(receive, send, start)
        return None


# -- answers out --------------------------------------------------------------------------------------------


async def _respond(answer: Response, scope: Scope, send: Send, boundary: Boundary) -> None:
    try:
        fields = response_fields(answer)
    except ValueError as error:
        answer = boundary.defect(error)
        fields = response_fields(answer)
    await send(_start(answer.status, fields))
    body = b"" if scope["method"] == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})


def _start(status: int, fields: Fields) -> Message:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    return {"type": "http.response.start", "status": status, "headers": headers}


# -- requests in --------------------------------------------------------------------------------------------


class _Incoming:
    """The body of one request, as it comes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def _piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ConnectionResetError("the peer left before its request was complete")
        self._ended = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def read(self, request: Request, bytes_max: int, admit: Admit) -> bytes:
        """The complete body. Raises TooLargeError as soon as it is known to be too large.

        One that is not complete in its first piece is judged by its head; raises RefusedError with what that came to.
        """
        too_large = TooLargeError(f"the body is larger than {bytes_max} bytes")
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > bytes_max:
            raise too_large
        pieces: list[bytes] = []
        size = 0
        while not self._ended:
            if len(pieces) == 1:
                found = admit(request)
                if isinstance(found, Response):
                    raise RefusedError(found)
                bytes_max = min(bytes_max, found.body_bytes_max)
                too_large = TooLargeError(f"the body is larger than {bytes_max} bytes")
            pieces.append(await self._piece())
            size += len(pieces[-1])
            if size > bytes_max:
                raise too_large
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def skip(self, bytes_max: int) -> None:
        """Drop what is left, up to a bound: closing on unread bytes is a reset, which may overtake the answer."""
        while not self._ended and bytes_max > 0:
            bytes_max -= len(await self._piece())

    @contextlib.asynccontextmanager
    async def discarded(self) -> AsyncIterator[None]:
        """While the answer goes out, receive the rest of the body: a server whose queue is full would not send the answer."""
        task = None if self._ended else asyncio.create_task(self._discard())
        try:
            yield
        finally:
            if task is not None:
                task.cancel()

    async def _discard(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ended:
                await self._piece()


def head_of(scope: Scope, limits: Limits, kept: Kept) -> Request:
    """The request of a scope, without its body; headers in the front's form, those of `kept` only.

    `http11` is False: the server frames, so a stream is never chunked by us.

    Raises:
        BadRequestError: a path or query that is not ASCII, a path with an empty segment, or two of a header of which
            there is one.
        HeadersTooLargeError: more than `head_bytes_max`.
    """
    given: list[tuple[bytes, bytes]] = list(scope["headers"])
    query: bytes = scope["query_string"]
    path = path_of(scope)
    size = len(path) + len(query) + sum(len(name) + len(value) + 4 for name, value in given)
    if size > limits.head_bytes_max:
        raise HeadersTooLargeError(f"request line and headers are larger than {limits.head_bytes_max} bytes")
    if path[:1] != "/" or "//" in path:
        raise BadRequestError("the path must begin with / and have no empty segment")
    headers: dict[str, str] = {}
    for raw_name, raw_value in given:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1").strip(" \t")
        if name not in kept.names:
            continue
        if name in headers:
            if name in kept.single:
                raise repeated(name)
            value = f"{headers[name]}, {value}"
        headers[name] = value
    client = scope.get("client")
    return Request(
        scope["method"], path, _ascii(query), headers, http11=False, peer=str(client[0]) if client else ""
    )


def path_of(scope: Scope) -> str:
    """The path below the place where the application is mounted, still percent-encoded.

    `root_path` is that place, decoded, and since ASGI 2.3 the path contains it; behind a proxy that strips it the
    path does not, and below such an application only the part that a router added is there. A server without
    `raw_path` has decoded already: its path is encoded again.
    """
    raw = scope.get("raw_path")
    path = quote(scope["path"], safe=_PATH_SAFE) if raw is None else _ascii(raw.partition(b"?")[0])
    root: str = scope.get("root_path", "")
    for mount in (root, root.removeprefix(scope.get("app_root_path", ""))):
        if (below := _below(mount.rstrip("/"), path)) is not None:
            return below or "/"
    return path


def _below(mount: str, path: str) -> str | None:
    """What follows `mount` (decoded) in `path` (encoded); None when the path does not begin with it."""
    end = len(mount)  # encoded text is never shorter
    while end <= len(path):
        slash = path.find("/", end)
        end = len(path) if slash < 0 else slash
        begin = unquote(path[:end])
        if begin == mount:
            return path[end:]
        if not mount.startswith(begin):
            return None
        end += 1
    return None


def _ascii(raw: bytes) -> str:
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise BadRequestError("the path or query holds bytes that must be percent-encoded") from error

"""The list of headers and the code that reads headers are one: a header that is not on the list never arrives."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from tests.http.api.test_batching import batch, line
from tests.http.rig import LOOKED_UP, PUBLISH, SUBSCRIBE, Declared, Rig, publish, rigged, subscribe
from tests.support.interface import Scripted
from tests.support.transport import FakeTransport

import fast_sse.http
from fast_sse.http.api.clients import Clients
from fast_sse.http.api.cors import Cors
from fast_sse.http.api.headers import READ, SINGLE
from fast_sse.http.api.page import DemoPages
from fast_sse.http.asgi.app import AsgiApp
from fast_sse.http.front.front import Front
from fast_sse.http.message import Interface, Request, Response
from fast_sse.http.request_head import FRAMING
from fast_sse.model.limits import Limits

HTTP = Path(fast_sse.http.__file__).parent


def looked_up(source: str) -> Iterator[str]:
    """The names that a text looks up in something called `headers`: get, [] and in, with a literal."""

    def is_headers(node: ast.expr) -> bool:
        return ast.unparse(node).rpartition(".")[2] in ("headers", "_headers")

    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=owner, attr="get" | "pop"), args=[ast.Constant(value=str(name)), *_]
            ) if is_headers(owner):
                yield name
            case ast.Subscript(value=owner, slice=ast.Constant(value=str(name))) if is_headers(owner):
                yield name
            case ast.Compare(
                left=ast.Constant(value=str(name)), ops=[ast.In() | ast.NotIn()], comparators=[owner]
            ) if is_headers(owner):
                yield name


def names_in(*places: Path) -> set[str]:
    """The names that the files look up."""
    return {name for place in places for name in looked_up(place.read_text())}


def test_the_list_is_what_the_code_looks_up() -> None:
    """Every header that the API looks up is on the list, and every one on the list is looked up by name."""
    assert names_in(*HTTP.glob("api/*.py")) == set(READ)


def test_the_servers_look_up_what_they_keep_for_themselves() -> None:
    """A server reads the headers of the framing and no other: what else it needed would be the API's to name."""
    servers = [*HTTP.glob("*.py"), *HTTP.glob("front/*.py"), *HTTP.glob("asgi/*.py")]
    assert names_in(*servers) == FRAMING


@pytest.mark.parametrize(
    "text",
    [
        *("headers.get('a')", "request.headers.get('a', '')", "request.headers['a']", "self._headers['a']"),
        *("'a' in request.headers", "'a' not in headers", "headers.pop('a')"),
    ],
)
def test_the_scan_sees_every_way_to_look_up(text: str) -> None:
    """A scan that sees nothing would pass on anything."""
    assert list(looked_up(text)) == ["a"]


def test_names_are_lower_case() -> None:
    """As servers hand them on; what comes once only is read, too."""
    assert set(READ) >= SINGLE
    assert all(name == name.lower() for name in READ)


def test_a_look_up_beside_the_list_fails_its_test() -> None:
    """All requests of the rig carry headers that know the list: what is not on it cannot be asked for."""
    headers = Declared({"x-signature": "s"})
    assert headers.get("x-signature") == headers["x-signature"] == "s"
    for ask in (headers.get, headers.__getitem__, headers.__contains__):
        with pytest.raises(AssertionError, match="accept-language"):
            ask("accept-language")


async def test_every_header_of_the_list_is_read_by_some_request() -> None:
    """Looked up while requests are answered, and not only in the text of the program."""
    LOOKED_UP.clear()
    clients = Clients([ip_network("10.0.0.0/8")], publish_rate=100)
    pages, cors = DemoPages({"/": Response(200)}), Cors(frozenset({"https://shop.example"}))
    async with rigged(Limits(), clients=clients, pages=pages, cors=cors) as rig:
        request = publish(origin="https://shop.example")
        request.peer = "10.0.0.1"
        await rig.ask(request)
        await rig.ask(batch(line(1)))
        await rig.ask(Request("GET", "/", "", {"host": "localhost"}))
        await rig.ask(Request("GET", SUBSCRIBE, "", {"authorization": "Bearer t"}))
        await rig.hub.drain(0)
        await rig.ask(subscribe(query="compression=auto"))
    assert set(READ) == LOOKED_UP


EVERY = {name: f"value of {name}" for name in READ if name != "host"} | {"host": "a"}


async def through_the_front(interface: Interface) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in EVERY.items())
    FakeTransport(Front(interface, Limits(), clock=lambda: 0.0)()).feed(
        f"POST {PUBLISH} HTTP/1.1\r\n{lines}Cookie: c\r\nContent-Length: 0\r\n\r\n".encode()
    )


async def through_asgi(interface: Interface) -> None:
    @asynccontextmanager
    async def run() -> AsyncIterator[Interface]:
        yield interface

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(_message: Any) -> None:
        await asyncio.sleep(0)

    given = {**EVERY, "cookie": "c", "content-length": "0"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": PUBLISH,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    app = AsgiApp(run, Limits())
    async with app.lifespan():
        await app(scope, receive, send)


@pytest.mark.parametrize("serve", [through_the_front, through_asgi])
async def test_both_servers_bring_the_same_headers(rig: Rig, serve: Any) -> None:
    """What the API asks for arrives, with the headers of the framing, and nothing else does."""
    seen: list[dict[str, str]] = []

    def handle(request: Request) -> Response:
        seen.append(request.headers)
        return Response(200)

    await serve(Scripted(handle, intake=rig.endpoints.intake))
    assert seen == [{**EVERY, "content-length": "0"}]

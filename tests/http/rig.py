"""Endpoints over a real hub on a memory store, without a server, and the requests that tests put to them."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fast_sse.http.api.access import Access
from fast_sse.http.api.endpoints import Endpoints
from fast_sse.http.api.headers import READ
from fast_sse.http.message import Admission, Answer, Deferred, Request, Response, Stream
from fast_sse.hub.hub import Hub
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.limits import Limits
from fast_sse.model.message import Record
from fast_sse.model.signature import Keyring, sign_v1
from fast_sse.observe.observer import NullObserver
from fast_sse.store.memory.store import MemoryStore

SECRET = b"s" * 32
NOW = 1_795_000_000.0
ALL = Filter.of(Channel("*", "*"))
PUBLISH = "/v1/sse/events/cart1/types/changed"
SUBSCRIBE = "/v1/subscribe/events/cart1/types/changed"
V1 = sign_v1(SECRET, Channel("cart1", "changed"))
JSON = {"content-type": "application/json"}


#: Names that endpoints looked up in the headers of the requests of rigs.
LOOKED_UP: set[str] = set()


class Declared(dict[str, str]):
    """The headers of a request, for code that may look up only those that the API declares."""

    def _note(self, name: object) -> None:
        assert name in READ, f"the header {name} is looked up and not declared in http/api/headers.py"
        LOOKED_UP.add(str(name))

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self._note(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._note(name)
        return super().__contains__(name)


class Watched(Endpoints):
    """Endpoints that see no header but through `Declared`."""

    def handle(self, request: Request) -> Answer:
        return super().handle(_declared(request))

    def admit(self, request: Request) -> Admission | Response:
        return super().admit(_declared(request))


def _declared(request: Request) -> Request:
    if not isinstance(request.headers, Declared):
        request.headers = Declared(request.headers)
    return request


class Rig:
    """Endpoints over a real hub on a memory store."""

    def __init__(self, store: MemoryStore, hub: Hub, endpoints: Endpoints) -> None:
        self.store = store
        self.hub = hub
        self.endpoints = endpoints

    async def ask(self, request: Request) -> Response:
        """The response to a request, waited for until this node follows what it stored."""
        answer = self.endpoints.handle(request)
        if isinstance(answer, Deferred):
            await asyncio.wait([answer.future])
            answer = answer.render(answer.future)
        await self.hub._ground.fanout.reached(self.store._log.newest)
        assert isinstance(answer, Response), answer
        return answer

    async def code(self, request: Request) -> tuple[int, str]:
        """Status and code."""
        answer = await self.ask(request)
        return answer.status, json.loads(answer.body)["code"]

    async def log(self) -> list[Record]:
        """Everything in the log."""
        bounds = await self.store.bounds()
        return (await self.store.read(ALL, bounds.trimmed, 1000, 1 << 20)).records


@asynccontextmanager
async def rigged(
    limits: Limits,
    *,
    now: Callable[[], float] = lambda: NOW,
    kind: type[Endpoints] = Watched,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """A rig with one v1 secret and one v2 key, load route on; `now` is the clock of all parts."""

    def now_ms() -> int:
        return int(now() * 1000)

    store = MemoryStore(now_ms=now_ms)
    await store.open()
    hub = Hub(store, limits, NullObserver(), now_ms=now_ms, rng=random.Random(1))
    await hub.start()
    access = Access(keyring=Keyring(secret=SECRET, keys={"web-1": SECRET}))
    yield Rig(store, hub, kind(hub, limits, access, now=now, load_route=True, **settings))
    await hub.close()
    await store.close()


def publish(body: Any = None, path: str = PUBLISH, **headers: str) -> Request:
    """A signed publish."""
    raw = body if isinstance(body, bytes) else json.dumps(body or {"data": 1}).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("POST", path, "", {**JSON, "x-signature": V1, **given}, raw)


def subscribe(query: str = "", path: str = SUBSCRIBE, **headers: str) -> Request:
    """A signed subscribe."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", path, query, {"x-signature": V1, **given})


class Transport:
    """Collects what a stream writes."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self._more = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.written += data
        self._more.set()

    async def heard(self, words: bytes) -> None:
        """Wait until they were written: a flush may wait a little for the next message."""
        while words not in self.written:
            self._more.clear()
            await self._more.wait()

    def set_write_buffer_limits(self, high: int) -> None:
        """Note nothing."""
        assert high > 0

    def get_extra_info(self, _name: str) -> None:
        """Nothing known."""

    def close(self) -> None:
        """Remember."""
        self.closed = True

    abort = close


def opened(rig: Rig, request: Request) -> Transport:
    """Attach the stream that a request is answered with."""
    answer = rig.endpoints.handle(request)
    assert isinstance(answer, Stream), answer
    transport = Transport()
    answer.attach(transport, b"")
    return transport

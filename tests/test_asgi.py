"""The hub as an ASGI application: opened and closed with it, and published to from the same process."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from unittest.mock import AsyncMock
from urllib.parse import unquote

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Mount
from starlette.types import ASGIApp
from tests.support.events import Block, Parser
from tests.support.issuer import AUDIENCE, ISSUER, by_secret, claims, token
from tests.support.issuer import SECRET as TOKEN_SECRET
from tests.support.publisher import Pair, signed, subscribe_target
from tests.support.sign import KEY, SECRET

from fast_sse.asgi import Allowed, Gap, HubApp, app
from fast_sse.asgi import Message as Published
from fast_sse.config import Config, load
from fast_sse.http.asgi.stream import Message
from fast_sse.model.channel import Channel
from fast_sse.model.errors import (
    BadChannelError,
    BadRequestError,
    ConfigError,
    KeyConflictError,
    NotFoundError,
    NotStoredError,
    TooLargeError,
    UnknownOutcomeError,
)
from fast_sse.model.letter import Poison, Source
from fast_sse.model.signature import Scope, sign_v1, sign_v2
from fast_sse.store.letters import Wanted

CAR: Pair = ("car", "sold")


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """What the environment says, as for `fast-sse serve`."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_STORE", "memory")
    monkeypatch.setenv("FAST_SSE_LIMITS__BODY_BYTES_MAX", "30000")
    monkeypatch.setenv("FAST_SSE_DRAIN_S", "0.05")
    return load()


@pytest.fixture
async def hub(config: Config) -> AsyncIterator[HubApp]:
    """A hub that runs."""
    hub = app(config)
    async with hub.lifespan():
        yield hub


class Listener:
    """A subscriber under a server that takes bytes only while `reading`."""

    def __init__(
        self,
        hub: ASGIApp,
        channel: Pair,
        headers: dict[str, str] | None = None,
        mount: str = "",
        query: str = "",
    ) -> None:
        self.status = 0
        self.pieces: list[bytes] = []
        self.blocks: list[Block] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self.left = asyncio.Event()
        self._parser = Parser()
        self._changed = asyncio.Event()
        self._asked = False
        scope = {
            "type": "http",
            "method": "GET",
            "path": mount + unquote(subscribe_target(channel)),
            "raw_path": (mount + subscribe_target(channel)).encode(),
            "query_string": query.encode(),
            "headers": [
                (name.encode(), value.encode())
                for name, value in (signed(channel) if headers is None else headers).items()
            ],
        }
        self.task = asyncio.ensure_future(hub(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        if self._asked:
            await self.left.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request"}

    async def _send(self, message: Message) -> None:
        await self.reading.wait()
        self.status = message.get("status", self.status)
        self.pieces.append(message.get("body", b""))
        self.blocks += [
            item for item in self._parser.feed(self.pieces[-1]) if isinstance(item, Block) and item.id
        ]
        self._changed.set()

    async def count(self, blocks: int) -> None:
        """Wait until that many events and id-only blocks were sent."""
        async with asyncio.timeout(20):
            while len(self.blocks) < blocks:
                self._changed.clear()
                await self._changed.wait()

    @property
    def messages(self) -> list[Block]:
        """What was published."""
        return [block for block in self.blocks if not block.is_position]


async def number(hub: HubApp, name: str) -> float:
    """One of the hub's numbers that has no label of its own."""
    text, _ = await hub.metrics()
    (line,) = [line for line in text.decode().splitlines() if line.startswith(f"fast_sse_{name}{{")]
    return float(line.rpartition(" ")[2])


async def test_what_is_published_in_process_is_streamed(hub: HubApp) -> None:
    """The id that `publish` returns is the id on the stream; every field of a publish means what it means over HTTP."""
    listener = Listener(hub, CAR)
    await listener.count(1)
    message_id = await hub.publish(*CAR, {"n": [1, "é"]}, event="price", headers={"X-A": "b"}, ttl_s=60)
    await listener.count(2)
    (block,) = listener.messages
    assert (block.id, block.event) == (message_id, "price")
    envelope = json.loads(block.data or "")
    assert envelope["data"] == {"n": [1, "é"]}
    assert envelope["headers"]["X-A"] == "b"
    assert set(envelope["headers"]) == {"X-A", "send_time"}


async def test_a_key_makes_a_repeat_the_same_message(hub: HubApp) -> None:
    """After an unknown outcome the caller repeats with its key; another body under that key is a conflict."""
    first = await hub.publish(*CAR, 1, idempotency_key="k")
    assert await hub.publish(*CAR, 1, idempotency_key="k") == first
    with pytest.raises(KeyConflictError):
        await hub.publish(*CAR, 2, idempotency_key="k")
    assert await hub.publish(*CAR, 1) != first


async def test_the_rules_of_a_publish_hold_in_process(hub: HubApp) -> None:
    """What HTTP would refuse is raised, and nothing of it is stored."""
    listener = Listener(hub, CAR)
    await listener.count(1)
    with pytest.raises(BadChannelError):
        await hub.publish("a/b", "t", 1)
    with pytest.raises(BadRequestError):
        await hub.publish(*CAR, 1, event="fast-sse.gap")
    with pytest.raises(BadRequestError):
        await hub.publish(*CAR, object())
    with pytest.raises(BadRequestError):
        await hub.publish(*CAR, "\ud800")
    with pytest.raises(TooLargeError):
        await hub.publish(*CAR, "x" * 30_000)
    await hub.publish(*CAR, "end")
    await listener.count(2)
    assert [json.loads(block.data or "")["data"] for block in listener.messages] == ["end"]


async def test_a_caller_that_gives_up_does_not_take_its_publish_along(hub: HubApp) -> None:
    """A request whose client left is cancelled by some servers; what is with the store already is stored."""
    listener = Listener(hub, CAR)
    await listener.count(1)
    task = asyncio.create_task(hub.publish(*CAR, "kept"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await hub.publish(*CAR, "next")
    await listener.count(3)
    assert [json.loads(block.data or "")["data"] for block in listener.messages] == ["kept", "next"]


async def test_another_loop_is_refused_before_anything_happens(hub: HubApp) -> None:
    """`asyncio.run(hub.publish(...))` in a thread says what to do instead, and nothing is stored (G1)."""
    listener = Listener(hub, CAR)
    await listener.count(1)

    def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="publish_from_thread"):
            asyncio.run(hub.publish(*CAR, "elsewhere"))

    await asyncio.to_thread(elsewhere)
    await hub.publish(*CAR, "end")
    await listener.count(2)
    assert [json.loads(block.data or "")["data"] for block in listener.messages] == ["end"]


async def test_a_request_of_another_loop_is_refused(hub: HubApp) -> None:
    """An application that is served on one loop and opened on another could not answer what it did."""

    async def serve() -> None:
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        await hub(scope, AsyncMock(return_value={"type": "http.request"}), AsyncMock())

    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(asyncio.run, serve())


async def test_a_thread_publishes(hub: HubApp) -> None:
    """From a thread a publish blocks until it is stored, means the same, and raises the same."""
    listener = Listener(hub, CAR)
    await listener.count(1)
    more = {"event": "price", "headers": {"X-A": "b"}, "ttl_s": 60, "idempotency_key": "k"}
    message_id = await asyncio.to_thread(hub.publish_from_thread, *CAR, 1, **more)  # type: ignore[arg-type]
    assert await hub.publish(*CAR, 1, **more) == message_id  # type: ignore[arg-type]
    await listener.count(2)
    assert [(block.id, block.event) for block in listener.messages] == [(message_id, "price")]
    with pytest.raises(BadRequestError):
        await asyncio.to_thread(hub.publish_from_thread, *CAR, object())


async def test_the_hubs_own_thread_cannot_wait_for_itself(hub: HubApp, config: Config) -> None:
    """`publish_from_thread` on the loop's thread is refused at once; of a hub that does not run, it says so."""
    with pytest.raises(RuntimeError, match="await hub"):
        hub.publish_from_thread(*CAR, 1)
    with pytest.raises(NotStoredError):
        app(config).publish_from_thread(*CAR, 1)


def test_a_loop_that_ends_meanwhile_leaves_the_outcome_open(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread never waits for ever: a publish that is cancelled, or not answered in time, is unknown (G2)."""
    hub = app(config)
    asked: Future[None] = Future()

    async def forever(*_arguments: object) -> None:
        asked.set_result(None)
        await asyncio.Event().wait()

    async def life(pool: ThreadPoolExecutor) -> Future[str]:
        async with hub.lifespan():
            monkeypatch.setattr(hub._endpoints, "put", forever)
            publish = pool.submit(hub.publish_from_thread, *CAR, 1)
            await asyncio.wrap_future(asked)
            return publish

    with ThreadPoolExecutor(1) as pool:
        publish = asyncio.run(life(pool))  # which cancels what still runs
        with pytest.raises(UnknownOutcomeError):
            publish.result(5)


async def test_a_slow_client_costs_one_flush_and_misses_nothing(hub: HubApp) -> None:
    """While a server takes nothing we keep a flush above the mark and a cursor; then all comes, once and in order."""
    slow, quick = Listener(hub, CAR), Listener(hub, CAR)
    await slow.count(1)
    await quick.count(1)
    slow.reading.clear()
    taken = len(slow.pieces)
    ids = [await hub.publish(*CAR, f"{number}" + "x" * 20_000) for number in range(60)]
    await quick.count(61)
    assert len(slow.pieces) == taken, "the slow one was to be slow"
    slow.reading.set()
    await slow.count(61)
    assert [block.id for block in slow.messages] == ids
    assert [block.id for block in quick.messages] == ids
    # Two sends may be under way around the pause, each at most one flush above the mark.
    assert max(map(len, slow.pieces[taken:])) <= (64 + 256) * 1024


async def test_a_client_that_left_is_forgotten(hub: HubApp) -> None:
    """A disconnect ends the subscriber, and its request with it."""
    listener = Listener(hub, CAR)
    await listener.count(1)
    listener.left.set()
    await asyncio.wait_for(listener.task, 5)
    assert await number(hub, "streams_open") == 0


async def test_shutdown_ends_the_streams_that_a_server_left_open(config: Config) -> None:
    """Each is told when to come back, and nothing can be published afterwards."""
    hub = app(config)
    async with hub.lifespan():
        listener = Listener(hub, CAR)
        await listener.count(1)
        begun = len(listener.pieces)
    await asyncio.wait_for(listener.task, 5)
    assert b"retry: " in b"".join(listener.pieces[begun:])
    assert listener.status == 200
    with pytest.raises(NotStoredError):
        await hub.publish(*CAR, 1)


async def test_the_log_outlives_the_application(config: Config, tmp_path: Path) -> None:
    """On SQLite an application that starts again goes on where the last one stopped."""
    kept = config.model_copy(update={"store": "sqlite", "data_dir": tmp_path})
    async with app(kept).lifespan():
        pass
    hub = app(kept)
    async with hub.lifespan():
        newest = await hub.publish(*CAR, 1)
    async with hub.lifespan():
        listener = Listener(hub, CAR)
        await listener.count(1)
        assert listener.blocks[0].id == newest


def test_settings_come_from_the_environment(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """`app()` reads what `fast-sse serve` reads and refuses what it refuses."""
    assert isinstance(app(), HubApp)
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", "short")
    with pytest.raises(ConfigError, match=r"auth\.secret"):
        app()


async def test_operators_code_sees_and_replays_dead_letters(hub: HubApp) -> None:
    """Without a listener for operators the functions are there, by the rules that its routes have."""
    assert hub._node is not None
    package = b'{"event_id":"car","event_type":"sold","data":1}'
    source = Source("redis_stream", "q", "1-0")
    poison = Poison(source=source, raw=package, description="it was too large then")
    assert await hub._node._store.letters.keep(poison)
    (head,) = (await hub.letters.list(Wanted())).items
    assert (head.id, (await hub.letters.show(head.id)).raw) == (poison.id, package)
    listener = Listener(hub, CAR)
    await listener.count(1)
    done = await hub.letters.replay(head.id, by="the back office")
    await listener.count(2)
    (block,) = listener.messages
    assert block.id == done.message_id
    assert json.loads(block.data or "")["headers"]["fast-sse-replay-of"] == poison.id
    with pytest.raises(NotFoundError):
        await hub.letters.purge(head.id)
    assert (await hub.delivery(done.message_id)).state == "written"


async def test_letters_and_delivery_are_of_one_life_and_loop(hub: HubApp, config: Config) -> None:
    """Elsewhere it is an error that says so, and nothing is asked."""
    for ask in (lambda: hub.letters.list(Wanted()), lambda: hub.delivery("m1.0000000000000.1")):

        async def asking(ask: Callable[[], Awaitable[object]] = ask) -> None:
            await ask()

        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, asking())
    with pytest.raises(RuntimeError, match="not running"):
        _ = app(config).letters


# -- who may read -------------------------------------------------------------------------------------------

USERS = {"sid=ann": ["car/*", "mail/ann"], "sid=bob": ["mail/bob"], "sid=nobody": []}


def by_cookie(request: Request) -> list[str] | None:
    """The channels of a session."""
    if request.cookies.get("sid") == "banned":
        raise HTTPException(403, "not you")
    return USERS.get(request.headers.get("cookie", ""))


@pytest.fixture
async def shop(config: Config) -> AsyncIterator[Starlette]:
    """An application whose sessions say what may be read below `/sse`."""
    hub = app(config, authorize=by_cookie)
    async with hub.lifespan():
        yield Starlette(routes=[Mount("/sse", hub)])


async def answer(shop: ASGIApp, channel: Pair, cookie: str, **headers: str) -> int:
    """The status that a stream of this channel is answered with."""
    listener = Listener(shop, channel, {"cookie": cookie, **headers}, "/sse")
    while not listener.status:
        listener._changed.clear()
        await asyncio.wait_for(listener._changed.wait(), 5)
    listener.left.set()
    await asyncio.wait_for(listener.task, 5)
    return listener.status


async def test_a_session_is_enough_to_listen(shop: Starlette, hub: HubApp) -> None:
    """What it may read it reads, without a signature; no session, one of nothing and one of another are 401."""
    assert await answer(shop, CAR, "sid=ann") == 200
    assert await answer(shop, ("mail", "ann"), "sid=ann") == 200
    for channel, cookie in (
        (CAR, "sid=bob"),
        (CAR, "sid=nobody"),
        (CAR, "sid=unknown"),
        (CAR, ""),
        (("mail", "*"), "sid=bob"),
        (("*", "*"), "sid=ann"),
        (("car%2F..", "sold"), "sid=bob"),
    ):
        assert await answer(shop, channel, cookie) in (400, 401), (channel, cookie)
    assert await answer(shop, CAR, "sid=banned") == 403, "what it raises the application answers"
    assert await answer(hub, CAR, "sid=ann") == 404, "the path is below a mount"


async def test_a_wrong_signature_is_not_mended_by_a_session(shop: Starlette) -> None:
    """Who shows one is judged by it."""
    assert await answer(shop, CAR, "sid=ann", **{"x-signature": "0" * 64}) == 401
    assert await answer(shop, CAR, "sid=bob", **signed(CAR)) == 200


async def test_a_session_that_ends_ends_its_stream(config: Config) -> None:
    """At the moment that the application named, with `fast-sse.expired`; an answer may be awaited."""

    async def briefly(request: Request) -> Allowed:
        await asyncio.sleep(0)
        return Allowed([("car", "*")], time.time() + float(request.headers["x-rest"]))

    hub = app(config, authorize=briefly)
    async with hub.lifespan():
        listener = Listener(hub, CAR, {"x-rest": "0.2"})
        await asyncio.wait_for(listener.task, 5)
        assert b"fast-sse.start" in listener.pieces[1]
        assert b"event: fast-sse.expired" in b"".join(listener.pieces)
        late = Listener(hub, CAR, {"x-rest": "-5", "accept": "text/event-stream"})
        await asyncio.wait_for(late.task, 5)
        assert b"fast-sse.start" not in b"".join(late.pieces)
        assert b"event: fast-sse.expired" in b"".join(late.pieces)


async def test_a_failure_of_the_application_ends_no_page_for_good(config: Config) -> None:
    """EventSource comes back after a 200 only: its stream says when, and the application's log has the error all the same."""

    def fails(request: Request) -> list[str]:
        if "sid" in request.cookies:
            return ["car/*"]
        raise LookupError("the sessions are away")

    hub = app(config, authorize=fails)
    async with hub.lifespan():
        page = Listener(hub, CAR, {"accept": "text/event-stream"})
        with pytest.raises(LookupError, match="away"):
            await asyncio.wait_for(page.task, 5)
        assert page.status == 200
        said = b"".join(page.pieces)
        assert said.startswith(b"retry: ")
        assert said.count(b"\n") == 1
        program = Listener(hub, CAR, {"accept": "*/*"})
        with pytest.raises(LookupError, match="away"):
            await asyncio.wait_for(program.task, 5)
        assert program.status == 0, "the application answers, as everywhere"
        assert await number(hub, "streams_open") == 0
        assert await answer(Starlette(routes=[Mount("/sse", hub)]), CAR, "sid=ann") == 200


async def test_a_session_never_publishes(config: Config) -> None:
    """The application is not even asked: its own code publishes without HTTP."""
    asked: list[Request] = []

    def everything(request: Request) -> list[str]:
        asked.append(request)
        return ["*/*"]

    hub = app(config, authorize=everything)
    async with hub.lifespan():
        said: list[Message] = []

        async def send(message: Message) -> None:
            said.append(message)

        body = {"type": "http.request", "body": b'{"data":1}'}
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/sse/events/car/types/sold",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }
        await hub(scope, AsyncMock(return_value=body), send)
    assert said[0]["status"] == 401
    assert asked == []


# -- nothing to sign with -----------------------------------------------------------------------------------


@pytest.fixture
def unsigned(config: Config, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Settings without any secret."""
    monkeypatch.delenv("FAST_SSE_AUTH__SECRET")
    assert config.auth.secret is not None
    return load(mounted=True)


async def asked(
    hub: ASGIApp, method: str, path: str, headers: dict[str, str], query: str = "", body: bytes = b""
) -> int:
    """The status of one request that is no stream."""
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await asyncio.wait_for(
        hub(scope, AsyncMock(return_value={"type": "http.request", "body": body}), send), 5
    )
    status: int = said[0]["status"]
    return status


def forged(scope: Scope, body: bytes | None) -> list[str]:
    """What anybody can sign: with no key, with an empty one, and with one of zeros, under several names."""
    now, channels = int(time.time()), [] if scope == "batch" else [Channel(*CAR)]
    made = [sign_v1(b"", Channel(*CAR)), "0" * 64, ""]
    for key in (b"", bytes(32), bytes(64)):
        made += [
            sign_v2(key, kid, scope, channels, body=body, iat=now, exp=now + 60, nonce="n" * 16)
            for kid in ("web", "0", "-")
        ]
    return made


async def test_without_a_secret_sessions_read_and_the_process_publishes(unsigned: Config) -> None:
    """A hub inside an application that signs nothing needs nothing to sign with."""
    hub = app(unsigned, authorize=by_cookie)
    async with hub.lifespan():
        listener = Listener(hub, CAR, {"cookie": "sid=ann"})
        await listener.count(1)
        newest = await hub.publish(*CAR, 1)
        await listener.count(2)
        assert [block.id for block in listener.messages] == [newest]
        page = Starlette(routes=[Mount("/sse", hub)])
        assert await answer(page, CAR, "sid=bob") == 401
        assert await answer(page, CAR, "") == 401


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("pub", "POST", "/v1/sse/events/car/types/sold"),
        ("batch", "POST", "/v1/sse/batch"),
        ("sub", "GET", "/v1/subscribe/events/car/types/sold"),
        ("sub", "GET", "/v1/subscribe?channel=car/sold"),
        ("sub", "GET", "/v1/messages?channel=car/sold"),
        ("sub", "GET", "/v1/messages/{id}/delivery?channel=car/sold"),
        ("sub", "POST", "/v1/messages/{id}/ack?channel=car/sold"),
    ],
)
async def test_without_a_secret_no_signature_is_right(
    unsigned: Config, scope: Scope, method: str, path: str
) -> None:
    """Every one is 401 in a header and in a query, for each route, and not even a session mends it."""
    hub = app(unsigned, authorize=by_cookie)
    batch = b'{"event_id":"car","event_type":"sold","data":1}\n'
    body = {"pub": b'{"data":1}', "batch": batch, "sub": b'{"client":"c"}'}[scope]
    kind = "application/x-ndjson" if scope == "batch" else "application/json"
    async with hub.lifespan():
        listener = Listener(hub, CAR, {"cookie": "sid=ann"})
        await listener.count(1)
        route, _, query = path.replace("{id}", await hub.publish(*CAR, "first")).partition("?")
        for text in forged(scope, None if scope == "sub" else body):
            headers = {"content-type": kind, "x-signature": text}
            assert await asked(hub, method, route, headers, query, body) == 401, text
            if text:
                shown = f"{query}&signature={text}"
                headers = {"content-type": kind, "cookie": "sid=ann"}
                assert await asked(hub, method, route, headers, shown, body) == 401, text
        await hub.publish(*CAR, "last")
        await listener.count(3)
        assert [json.loads(block.data or "")["data"] for block in listener.messages] == ["first", "last"]


async def test_without_a_secret_nothing_is_signed(unsigned: Config) -> None:
    """An address would hold a signature that the hub itself refuses, so both settings are named in its place."""
    with pytest.raises(ConfigError, match=r"auth\.keys: .*auth\.secret"):
        app(unsigned, authorize=by_cookie).stream_url(CAR)


async def test_with_a_publish_secret_alone_http_publishes_and_sessions_read(
    unsigned: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each right has its own secret: the one that is absent verifies nothing, also where it may stand in a query."""
    monkeypatch.setenv("FAST_SSE_AUTH__PUBLISH_SECRET", SECRET)
    hub = app(authorize=by_cookie)
    signature = sign_v1(SECRET.encode(), Channel(*CAR))
    async with hub.lifespan():
        headers = {"content-type": "application/json", "x-signature": signature}
        route = "/v1/sse/events/car/types/sold"
        assert await asked(hub, "POST", route, headers, body=b'{"data":1}') == 200
        for text in (signature, sign_v1(b"", Channel(*CAR))):
            assert await asked(hub, "GET", subscribe_target(CAR), {"x-signature": text}) == 401
            assert await asked(hub, "GET", subscribe_target(CAR), {}, f"signature={text}") == 401


async def test_tokens_alone_open_streams(unsigned: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub whose process publishes may leave reading to an identity provider; a forged token is a 401."""
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__ISSUER", ISSUER)
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__AUDIENCE", AUDIENCE)
    monkeypatch.setenv("FAST_SSE_AUTH__JWT__SECRET", TOKEN_SECRET)
    hub = app()
    right = claims("car/*", now=time.time())
    async with hub.lifespan():
        listener = Listener(hub, CAR, {"authorization": f"Bearer {token(right, by_secret(), alg='HS256')}"})
        await listener.count(1)
        newest = await hub.publish(*CAR, 1)
        await listener.count(2)
        assert [block.id for block in listener.messages] == [newest]
        wrong = [token(right, by_secret(key), alg="HS256") for key in (b"", bytes(32), SECRET)]
        for text in [*wrong, token(right, lambda _data: b"", alg="none"), ""]:
            shown = {"authorization": f"Bearer {text}"}
            assert await asked(hub, "GET", subscribe_target(CAR), shown) == 401
        for text in forged("sub", None):
            assert await asked(hub, "GET", subscribe_target(CAR), {"x-signature": text}) == 401
        post = {"content-type": "application/json", "authorization": f"Bearer {token(right, by_secret())}"}
        assert await asked(hub, "POST", "/v1/sse/events/car/types/sold", post, body=b'{"data":1}') == 401


def test_without_a_secret_somebody_else_must_say_who_reads(unsigned: Config) -> None:
    """With neither `authorize` nor tokens nobody could read, whoever made the settings."""
    with pytest.raises(ConfigError, match=r"auth\.secret"):
        app(unsigned)
    with pytest.raises(ConfigError, match=r"auth\.secret"):
        app()
    assert isinstance(app(authorize=by_cookie), HubApp)


async def test_the_log_says_that_no_signature_is_taken(
    unsigned: Config, config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who forgot the secret reads it at the start; with one there is no such line."""
    for settings, told in ((unsigned, True), (config, False)):
        async with app(settings, authorize=by_cookie).lifespan():
            pass
        assert ("no signature is taken" in capsys.readouterr().err) is told


# -- inside the process -------------------------------------------------------------------------------------


async def test_code_of_the_process_subscribes(hub: HubApp) -> None:
    """It gets what is published after the call, without a signature, and where it stopped another one goes on."""
    await hub.publish(*CAR, 0)
    assert hub._node is not None
    await hub._node.hub._ground.fanout.reached(hub._node._store._log.newest)  # type: ignore[attr-defined]
    messages = hub.subscribe("car/sold")
    first = await hub.publish(*CAR, {"n": 1}, event="price", headers={"k": "v"})
    message = await anext(messages)
    assert isinstance(message, Published)
    assert (message.id, message.event, message.data) == (first, "price", {"n": 1})
    assert (message.event_id, message.event_type, message.headers["k"]) == ("car", "sold", "v")
    await messages.aclose()
    second = await hub.publish(*CAR, 2)
    several = hub.subscribe(CAR, "other/*", after=first)
    third = await hub.publish("other", "t", 3)
    assert [one.id async for one in limited(several, 2)] == [second, third]
    gap = await anext(hub.subscribe(CAR, after="of another hub"))
    assert isinstance(gap, Gap)
    assert gap.lost_from == "of another hub"
    assert [one.data async for one in limited(hub.subscribe(CAR, after="earliest"), 3)] == [0, {"n": 1}, 2]


async def limited(messages: AsyncGenerator[Published | Gap, None], most: int) -> AsyncIterator[Published]:
    """The first messages."""
    async for message in messages:
        assert isinstance(message, Published)
        yield message
        most -= 1
        if not most:
            await messages.aclose()
            return


async def test_a_subscription_inside_ends_with_the_hub(config: Config) -> None:
    """Its loop ends; elsewhere and afterwards it cannot begin; what is no channel is refused at once."""
    hub = app(config)
    async with hub.lifespan():
        with pytest.raises(BadChannelError):
            hub.subscribe("car")
        with pytest.raises(RuntimeError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, begin(hub))
        messages = hub.subscribe(CAR)
        await hub.publish(*CAR, 1)
        seen = [await anext(messages)]
        rest = asyncio.create_task(collect(messages))
        await asyncio.sleep(0)
    assert await asyncio.wait_for(rest, 5) == []
    assert len(seen) == 1
    with pytest.raises(RuntimeError, match="not running"):
        hub.subscribe(CAR)


async def begin(hub: HubApp) -> None:
    """Subscribe on the loop that runs."""
    hub.subscribe(CAR)


async def collect(messages: AsyncIterator[Published | Gap]) -> list[Published | Gap]:
    """All that is left."""
    return [message async for message in messages]


async def test_an_address_is_signed_with_the_hubs_own_key(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens a stream as it stands; without a key of format v2 the setting that is missing is named."""
    with pytest.raises(ConfigError, match=r"auth\.keys"):
        app(config).stream_url(CAR)
    monkeypatch.setenv("FAST_SSE_AUTH__KEYS", json.dumps({"a": f"a{KEY}", "b": f"b{KEY}"}))
    with pytest.raises(ConfigError, match=r"auth\.signing_kid"):
        app().stream_url(CAR)
    monkeypatch.setenv("FAST_SSE_AUTH__SIGNING_KID", "b")
    hub = app()
    url = hub.stream_url(CAR, ttl_s=60, base="/sse", last=1)
    assert url.startswith("/sse/v1/subscribe/events/car/types/sold?last=1&signature=v2.b.sub.")
    async with hub.lifespan():
        await hub.publish(*CAR, 1)
        path, _, query = url.removeprefix("/sse").partition("?")
        assert path == subscribe_target(CAR)
        listener = Listener(hub, CAR, {}, query=query)
        await listener.count(2)
        assert [json.loads(block.data or "")["data"] for block in listener.messages] == [1]

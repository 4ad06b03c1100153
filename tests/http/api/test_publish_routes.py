"""What every 2xx names: the durability that the store has at that moment, on each road to one (guarantee G1)."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from tests.http.api.test_batching import batch, line
from tests.http.rig import JSON, NOW, PUBLISH, SECRET, V1, Rig, publish
from tests.support.transport import FakeTransport

from fast_sse.http.asgi.app import AsgiApp
from fast_sse.http.front.front import Front
from fast_sse.http.message import Deferred, Request
from fast_sse.model.channel import Channel
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft
from fast_sse.model.signature import sign_v2

#: Publishes with new content, and gives the durability that the answer names.
Road = Callable[[Rig, int], Awaitable[str]]


async def named(rig: Rig, request: Request) -> str:
    """The durability in the answer about one message."""
    answer = await rig.ask(request)
    assert answer.status == 200, answer.body
    return str(json.loads(answer.body)["data"]["durability"])


async def by_v1(rig: Rig, number: int) -> str:
    return await named(rig, publish({"data": number}))


async def by_v2(rig: Rig, number: int) -> str:
    body, times = b'{"data":%d}' % number, {"iat": int(NOW), "exp": int(NOW) + 60}
    channel = Channel("cart1", "changed")
    signature = sign_v2(SECRET, "web-1", "pub", (channel,), body=body, nonce=f"{number:016}", **times)
    return await named(rig, publish(body, x_signature=signature))


async def again(rig: Rig, number: int) -> str:
    """A duplicate is an answer about a message that was stored earlier, and named as the store is now."""
    return await named(rig, publish({"data": 0, "idempotency_key": "k"}))


async def in_a_thread(rig: Rig, number: int) -> str:
    text = Random(number).randbytes(200_000).hex()
    packed = gzip.compress(json.dumps({"data": text}).encode(), compresslevel=1)
    return await named(rig, publish(packed, content_encoding="gzip"))


async def by_load(rig: Rig, number: int) -> str:
    return await named(rig, Request("POST", "/v1/sse/events", "", JSON, b'{"event_id":"c","body_size":1}'))


async def by_batch(rig: Rig, number: int) -> str:
    answer = await rig.ask(batch(line(number), line(number + 1), nonce=f"{number:016}"))
    words = [result["durability"] for result in json.loads(answer.body)["data"]["results"]]
    assert len(words) == 2
    assert len(set(words)) == 1
    return str(words[0])


def bytes_of(number: int) -> bytes:
    return (
        f"POST {PUBLISH} HTTP/1.1\r\nHost: a\r\nx-signature: {V1}\r\nContent-Type: application/json\r\n"
        f"Content-Length: 10\r\n\r\n"
    ).encode() + b'{"data":%d}' % number


class OverAConnection:
    """One kept connection of the front, whose head is known from the second request on."""

    def __init__(self) -> None:
        self._transport: FakeTransport | None = None

    async def __call__(self, rig: Rig, number: int) -> str:
        if self._transport is None:
            front = Front(rig.endpoints, Limits(), clock=lambda: 0.0)
            self._transport = FakeTransport(front())
        for _ in range(3):
            self._transport.feed(bytes_of(number))
            await asyncio.sleep(0)
        await rig.hub._ground.fanout.reached(rig.store._log.newest)
        bodies = [json.loads(sent.partition(b"\r\n\r\n")[2]) for sent in self._transport.writes[-3:]]
        (word,) = {body["data"]["durability"] for body in bodies}
        return str(word)


async def under_asgi(rig: Rig, number: int) -> str:
    @asynccontextmanager
    async def run() -> Any:
        yield rig.endpoints

    app, sent = AsgiApp(run, Limits()), []
    headers = {"x-signature": V1, **JSON}
    scope = {
        "type": "http",
        "method": "POST",
        "path": PUBLISH,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"data":%d}' % number}

    async def send(message: Any) -> None:
        sent.append(message)

    async with app.lifespan():
        await app(scope, receive, send)
    await rig.hub._ground.fanout.reached(rig.store._log.newest)
    return str(json.loads(sent[-1]["body"])["data"]["durability"])


@pytest.mark.parametrize(
    "road",
    [by_v1, by_v2, again, in_a_thread, by_load, by_batch, OverAConnection(), under_asgi],
    ids=lambda road: getattr(road, "__name__", "over a connection"),
)
async def test_a_2xx_names_what_the_store_is_now(rig: Rig, road: Road) -> None:
    """After a failover to a server without a file no answer says that there is one, and back again."""
    assert await road(rig, 1) == "process"
    for number, word in enumerate(("redis-always", "redis-memory", "redis-memory", "redis-always+wait1"), 2):
        rig.store.durability = word
        assert await road(rig, number) == word


@pytest.mark.parametrize("request_", [publish(), batch(line(1))], ids=["single", "batch"])
async def test_an_answer_that_waited_names_what_the_store_is_then(
    rig: Rig, request_: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word is that of the moment of the answer, not of the request."""
    asked: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    given: Sequence[Draft] = ()

    def later(drafts: Sequence[Draft]) -> asyncio.Future[Any]:
        nonlocal given
        given = drafts
        return asked

    monkeypatch.setattr(rig.hub, "publish", later)
    answer = rig.endpoints.handle(request_)
    assert isinstance(answer, Deferred)
    await asyncio.sleep(0)
    rig.store.durability = "redis-memory"
    asked.set_result(await rig.store.append(given))
    await asyncio.wait([answer.future])
    assert b'"durability":"redis-memory"' in answer.render(answer.future).body


async def test_the_words_of_a_2xx_are_made_once(rig: Rig) -> None:
    """While the store says the same word, an answer costs no text of its own."""
    await by_v1(rig, 1)
    tails = rig.endpoints._publishing._tails
    await by_v1(rig, 2)
    assert rig.endpoints._publishing._tails is tails

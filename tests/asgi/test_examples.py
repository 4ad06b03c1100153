"""The examples, run as they are: what a newcomer copies works."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.asgi.conftest import Serve, Served
from tests.support.http1 import Address, Reply, request
from tests.support.node import node_missing, node_program
from tests.support.proxy import Proxy
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.server import Hub, stable_port
from tests.support.sign import SECRET, v2
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
CART: Pair = ("carid000001", "cart_changed")
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub of the test's own."""
    with Hub(tmp_path, store="memory") as hub:
        yield hub


def publish(address: Address, *arguments: str, secret: str = SECRET) -> subprocess.CompletedProcess[str]:
    """Run examples/publish.py."""
    url = f"http://{address[0]}:{address[1]}"
    return subprocess.run(
        [sys.executable, EXAMPLES / "publish.py", "--url", url, *arguments],
        env={**os.environ, "FAST_SSE_SECRET": secret},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


async def test_publish_py_publishes(hub: Hub) -> None:
    """It prints the id that subscribers see; segments are percent-encoded; a refusal is shown and is exit 1."""
    place: Pair = ("a b?é", "cart_changed")
    client = await Client("c", hub.public, subscribe_target(place), signed(place)).start().ready()
    done = await asyncio.to_thread(publish, hub.public, *place, '{"quantity": 2}')
    await client.count(1)
    assert (done.returncode, done.stdout.strip()) == (0, client.events[0].id), done.stderr
    assert client.payloads == [{"quantity": 2}]
    refused = await asyncio.to_thread(publish, hub.public, *place, "1", secret=f"not {SECRET}")
    assert refused.returncode == 1
    assert "401" in refused.stderr
    short = await asyncio.to_thread(publish, hub.public, *place, "1", secret="short")
    assert (short.returncode, short.stderr) == (
        1,
        "the secret (auth.secret of the hub) is shorter than 32 bytes\n",
    )
    await client.stop()


@pytest.mark.skipif(node_missing(), reason="node is not installed")
async def test_subscribe_js_resumes_in_node(hub: Hub) -> None:
    """What is published before, between and after cut connections is printed once, in order."""
    assert (await publish_once(hub.public, CART, 0)).status == 200
    async with Proxy(hub.public) as proxy:
        target = f"{subscribe_target(CART)}?last=1&signature={v2('sub', *CART)}"
        process = await asyncio.create_subprocess_exec(
            *(node_program(), EXAMPLES / "subscribe.js", f"http://127.0.0.1:{proxy.address[1]}{target}"),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(20):
                seen = [await printed(process.stdout)]
                for number in range(1, 4):
                    proxy.cut()
                    for data in (number, f"line\nbreak {number}, é"):
                        assert (await publish_once(hub.public, CART, data)).status == 200
                    seen += [await printed(process.stdout), await printed(process.stdout)]
        finally:
            process.kill()
            await process.communicate()
    assert seen == [0, *(data for number in range(1, 4) for data in (number, f"line\nbreak {number}, é"))]


async def printed(stdout: asyncio.StreamReader) -> object:
    """The data of the next message that the example prints."""
    line = (await stdout.readline()).decode()
    return json.loads(line.partition(" ")[2])


@pytest.fixture
def shop(serve: Serve) -> Served:
    """The FastAPI example under uvicorn, on the command line of its head, with itself as the hub to call."""
    head = (EXAMPLES / "fastapi_app" / "main.py").read_text()
    found = re.search(r"^    (uvicorn .*)$", head, re.MULTILINE)
    assert found
    port = str(stable_port())
    command = found[1].replace("shutdown 5", "shutdown 1").split()
    return serve(*command, "--port", port, SHOP_HUB_URL=f"http://127.0.0.1:{port}/sse")


@dataclass
class Customer:
    """One session of the shop."""

    address: Address
    cart_id: str
    cookie: dict[str, str]

    @property
    def stream(self) -> str:
        """Where a page listens."""
        return f"/sse/v1/subscribe/events/{self.cart_id}/types/cart_changed"

    async def add(self, sku: str, by: str = "items", cart_id: str = "") -> Reply:
        """Put something into the cart, or into another one."""
        body = json.dumps({"sku": sku, "quantity": 1}).encode()
        path = f"/carts/{cart_id or self.cart_id}/{by}"
        return await request(self.address, "POST", path, {**JSON, **self.cookie}, body)


async def customer(shop: Served) -> Customer:
    """Somebody who has just come."""
    answer = await request(shop.address, "POST", "/carts")
    session = answer.headers["set-cookie"].partition(";")[0]
    return Customer(shop.address, answer.json()["cart_id"], {"Cookie": session})


async def test_fastapi_app_publishes_in_process_and_over_http(shop: Served) -> None:
    """A page that listens by its cookie, and an app at its address, see both kinds of publish, in the order of the answers."""
    ann = await customer(shop)
    place = (await request(shop.address, "GET", f"/carts/{ann.cart_id}/stream", ann.cookie)).json()["url"]
    page = await Client("page", shop.address, ann.stream, ann.cookie).start().ready()
    app = await Client("app", shop.address, place).start().ready()
    ids = []
    for path in ("items", "items/by-http", "items"):
        answer = await ann.add(path, path)
        assert answer.status == 200, answer
        ids.append(answer.json()["message_id"])
    for client in (page, app):
        await client.count(3)
        assert [event.id for event in client.events] == ids
        assert [payload["sku"] for payload in client.payloads] == ["items", "items/by-http", "items"]
        await client.stop()


async def test_fastapi_app_keeps_carts_apart(shop: Served) -> None:
    """Nobody listens to another one's cart, nor changes it, nor gets its address; a stranger gets nothing at all."""
    ann, bob = await customer(shop), await customer(shop)
    for target, headers, status in (
        (ann.stream, bob.cookie, 401),
        (ann.stream, {}, 401),
        (ann.stream, {"Cookie": "session=guessed"}, 401),
        ("/sse/v1/subscribe/events/*/types/cart_changed", bob.cookie, 401),
        (f"/sse/v1/messages?channel={ann.cart_id}/cart_changed", bob.cookie, 401),
        (f"/sse/v1/messages?channel={ann.cart_id}/cart_changed", ann.cookie, 200),
        (f"/carts/{ann.cart_id}/stream", bob.cookie, 403),
        (f"/carts/{ann.cart_id}/stream", {}, 403),
    ):
        assert (await request(shop.address, "GET", target, headers)).status == status, target
    assert (await bob.add("a", cart_id=ann.cart_id)).status == 403


async def test_fastapi_app_keeps_the_hubs_own_rules(shop: Served) -> None:
    """Below the mount a path is decoded once, what is no route is none, and what is no channel is refused."""
    for target, status in (
        ("/sse/v1/subscribe/events/a%252Fb/types/t", 400),
        ("/sse/v1/subscribe/events/%2e%2e/types/t", 400),
        ("/sse/v1/subscribe/events/a/types/t", 401),
        ("/sse/nothing", 404),
    ):
        assert (await request(shop.address, "GET", target)).status == status, target


async def test_fastapi_app_shows_numbers_to_its_operators(shop: Served) -> None:
    """What was published is counted, in the form that was asked for; without the key there is nothing to see."""
    assert (await (await customer(shop)).add("a")).status == 200
    for shown in ("", "Bearer wrong", "for-prometheus-only"):
        refused = await request(shop.address, "GET", "/metrics", {"Authorization": shown})
        assert (refused.status, b"fast_sse" in refused.body) == (401, False)
    key = {"Authorization": "Bearer for-prometheus-only"}
    told = await request(shop.address, "GET", "/metrics", key)
    assert told.headers["content-type"].startswith("text/plain; version=")
    assert re.search(
        rb'^fast_sse_publishes_total\{node="[^"]+",outcome="stored"\} 1.0$', told.body, re.MULTILINE
    )
    asked = {**key, "Accept": "application/openmetrics-text; version=1.0.0"}
    assert (await request(shop.address, "GET", "/metrics", asked)).body.endswith(b"# EOF\n")

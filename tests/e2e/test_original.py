"""The original's own curl lines, as its README prints them, against the hub (only host, port and signature differ)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.events import Block, Parser
from tests.support.server import Hub, missing
from tests.support.sign import v1

pytestmark = [
    pytest.mark.wire,
    pytest.mark.skipif(missing("curl"), reason="curl is not installed"),
]

BODY: dict[str, Any] = {
    "event_name": "CartItemUpdatedssss",
    "user": {"from_user": "system-inventory", "to_user": "user-session-abc123"},
    "data": {
        "car_id": "carid00000177777",
        "event_type": "cart_changed",
        "timestamp": 1234567890,
        "items": [{"sku": "SKU-45678", "quantity": 2, "price": 299.99, "action": "added"}],
        "total_items": 2,
        "total_amount": 599.98,
    },
    "headers": {
        "X-Request-ID": "req-uuid-1234666677",
        "X-Message-Priority": "high",
        "X-Trace-ID": "trace-abc-def",
    },
}


def curl(*words: str) -> tuple[str, ...]:
    """The command, quiet and without a proxy of this machine's."""
    return ("curl", "--silent", "--show-error", "--noproxy", "*", *words)


async def next_event(stream: asyncio.StreamReader, parser: Parser) -> list[Block]:
    """What the next bytes of curl's output complete."""
    async with asyncio.timeout(10):
        received = await stream.read(65_536)
    assert received, "curl ended"
    return [item for item in parser.feed(received) if isinstance(item, Block)]


async def test_curl_lines_of_the_original_work(hub: Hub) -> None:
    """Subscribe and publish with the original's two commands: the message arrives in the original's envelope."""
    base = f"http://localhost:{hub.public[1]}/v1"
    place = "events/carid000001/types/cart_changed"
    header = f"x-signature: {v1('carid000001', 'cart_changed')}"
    subscriber = await asyncio.create_subprocess_exec(
        *curl("--no-buffer", "--location", f"{base}/subscribe/{place}", "--header", header),
        stdout=asyncio.subprocess.PIPE,
    )
    assert subscriber.stdout is not None
    try:
        parser, blocks = Parser(), list[Block]()
        while not blocks:
            blocks = await next_event(subscriber.stdout, parser)
        assert blocks[0].is_position, "it begins with where the stream stands"
        publisher = await asyncio.create_subprocess_exec(
            *curl("--location", f"{base}/sse/{place}", "--header", header),
            *("--header", "Content-Type: application/json", "--data", json.dumps(BODY, indent=4)),
            stdout=asyncio.subprocess.PIPE,
        )
        answer = json.loads((await publisher.communicate())[0])
        assert (answer["code"], answer["message"]) == ("ok", "success")
        blocks = []
        while not blocks:
            blocks = await next_event(subscriber.stdout, parser)
    finally:
        subscriber.kill()
        await subscriber.communicate()
    (event,) = blocks
    assert (event.id, event.event) == (answer["data"]["message_id"], "message")
    envelope = json.loads(event.data or "")
    assert envelope["data"] == BODY["data"]
    assert {name: envelope["headers"][name] for name in BODY["headers"]} == BODY["headers"]
    assert set(envelope["headers"]) == {*BODY["headers"], "send_time"}


async def test_load_route_is_off_unless_asked_for(hub: Hub) -> None:
    """The original's unsigned load route does not exist unless `load_route` is set."""
    process = await asyncio.create_subprocess_exec(
        *curl("--write-out", "%{http_code}", f"http://localhost:{hub.public[1]}/v1/sse/events"),
        *(
            "--header",
            "Content-Type: application/json",
            "--data",
            '{"event_id": "carid000001", "body_size": 50}',
        ),
        stdout=asyncio.subprocess.PIPE,
    )
    output = (await process.communicate())[0]
    assert output.endswith(b"404")

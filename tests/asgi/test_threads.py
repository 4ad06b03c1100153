"""Plain `def` endpoints of FastAPI, under a real server: what docs/asgi.md tells their authors."""

from __future__ import annotations

import asyncio

import pytest
from tests.asgi.conftest import Serve
from tests.support.http1 import request
from tests.support.publisher import Pair, signed, subscribe_target
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

CAR: Pair = ("car é", "sold")


async def test_a_plain_endpoint_publishes_from_its_thread(serve: Serve) -> None:
    """What it was told is stored is delivered, once; what was refused, with the call that works, is not there."""
    served = serve("uvicorn", "tests.asgi.threads_app:app", "--port", "0")
    client = Client("c", served.address, f"/sse{subscribe_target(CAR)}", signed(CAR)).start()
    await client.ready()
    refused = await request(served.address, "POST", "/loops/0")
    assert "refused: " in refused.json()
    assert "publish_from_thread" in refused.json()
    answers = await asyncio.gather(
        *(request(served.address, "POST", f"/threads/{number}") for number in range(1, 9))
    )
    await client.count(8)
    assert {event.id: payload for event, payload in zip(client.events, client.payloads, strict=True)} == {
        answer.json(): number for number, answer in enumerate(answers, 1)
    }
    await client.stop()

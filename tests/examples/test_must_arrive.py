"""The notification that must arrive: acked by the app, or taken another way, whatever stands in between."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.support.http1 import Address, request
from tests.support.node import node_missing, node_program
from tests.support.publisher import Pair, signed, subscribe_target
from tests.support.server import ROOT, Hub
from tests.support.sign import SECRET
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

ALARM: Pair = ("user 17", "alarm")
DATA = {"text": "your parcel is at the door, é"}
#: Runs an example against an address, waiting so many seconds; what it printed.
Run = Callable[..., Coroutine[Any, Any, str]]


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub where a message dies after a second."""
    settings = {"FAST_SSE_DEAD_LETTERS__GRACE_S": "0.5"}
    async with Hub(tmp_path, store="memory", settings=settings) as hub:
        yield hub


@pytest.fixture(
    params=[
        "py",
        pytest.param("mjs", marks=pytest.mark.skipif(node_missing(), reason="node is not installed")),
    ]
)
def run(request: pytest.FixtureRequest) -> Run:
    """Either example."""

    async def run(address: Address, wait_s: float, secret: str = SECRET) -> str:
        url, text = f"http://{address[0]}:{address[1]}", json.dumps(DATA)
        arguments = {
            "py": [sys.executable, "must_arrive.py", *ALARM, text, "--wait-s", str(wait_s), "--url", url],
            "mjs": [node_program(), "must_arrive.mjs", url, *ALARM, text, str(wait_s)],
        }[request.param]
        process = await asyncio.create_subprocess_exec(
            *arguments,
            cwd=ROOT / "examples",
            env={**os.environ, "FAST_SSE_SECRET": secret},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        assert (process.returncode, err) == (0, b"")
        return out.decode().strip()

    return run


async def ack(hub: Hub, message_id: str) -> None:
    """What the app does with a message that it shows."""
    target = f"/v1/messages/{message_id}/ack?channel=user%2017/alarm"
    body = json.dumps({"client": "phone-7"}).encode()
    headers = {"x-signature": signed(ALARM)["x-signature"], "Content-Type": "application/json"}
    assert (await request(hub.public, "POST", target, headers, body)).status == 200


def mailed(printed: str) -> str:
    """Why a mail was sent; it has the data."""
    word, _, rest = printed.partition(" ")
    data, why = json.JSONDecoder().raw_decode(rest)
    assert (word, data) == ("mail", DATA)
    return rest[why:].strip(" ()")


async def test_an_ack_is_enough(hub: Hub, run: Run) -> None:
    """The app shows the message and says so: no mail."""
    app = await Client("app", hub.public, subscribe_target(ALARM), signed(ALARM)).start().ready()
    running = asyncio.create_task(run(hub.public, 20))
    await app.count(1)
    assert app.payloads == [DATA]
    await ack(hub, app.events[0].id)
    assert await running == "acked"
    await app.stop()


async def test_an_app_that_says_nothing(hub: Hub, run: Run) -> None:
    """Written is not enough: the socket took it, and perhaps nobody saw it."""
    app = await Client("app", hub.public, subscribe_target(ALARM), signed(ALARM)).start().ready()
    assert mailed(await run(hub.public, 1.5)) == "written"
    await app.stop()


async def test_nobody_there(hub: Hub, run: Run) -> None:
    """A dead letter is not waited for any longer."""
    async with asyncio.timeout(20):
        assert mailed(await run(hub.public, 60)) == "dead"


async def test_no_hub(hub: Hub, run: Run) -> None:
    """One that is away for all of the time, and one that refuses, are reasons like any other."""
    assert "401" in mailed(await run(hub.public, 5, secret=f"not {SECRET}"))
    hub.kill_now()
    assert mailed(await run(hub.public, 0.5))

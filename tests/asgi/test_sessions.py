"""A hub whose readers are told by sessions, under a real server, and the programs that have none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.asgi.conftest import Serve
from tests.support.http1 import request
from tests.support.publisher import Pair, subscribe_target
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

CART: Pair = ("ann", "cart_changed")


async def test_a_session_listens_and_nobody_else(serve: Serve) -> None:
    """The application's own error is the answer, as everywhere in it."""
    served = serve("uvicorn", "tests.asgi.sessions_app:app", "--port", "0")
    target = f"/sse{subscribe_target(CART)}"
    refused = await request(served.address, "GET", target)
    assert (refused.status, refused.json()) == (401, {"detail": "log in first"})
    client = Client("c", served.address, target, {"Cookie": "session=ann"}).start()
    await client.ready()
    await client.stop()


def test_a_script_waits_for_it(serve: Serve) -> None:
    """`fast-sse wait` has no session, so it asks what the application is not asked about."""
    served = serve("uvicorn", "tests.asgi.sessions_app:app", "--port", "0")
    url = "http://{}:{}/sse".format(*served.address)
    program = Path(sys.executable).parent / "fast-sse"
    waited = subprocess.run(
        [program, "wait", "--url", url, "--timeout", "20"], capture_output=True, text=True, check=False
    )
    assert (waited.stdout, waited.stderr) == (f"the hub at {url} is ready\n", "")

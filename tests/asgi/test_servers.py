"""The commands of docs/asgi.md, as they stand there: settings from the environment, streams that live, an end that ends."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from tests.asgi.conftest import Serve
from tests.support.publisher import Pair, publish_once, signed, subscribe_target
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

DOCS = (Path(__file__).parent.parent.parent / "docs" / "asgi.md").read_text()
CAR: Pair = ("car é", "sold")


def documented(program: str) -> list[str]:
    """The first command of the docs that runs a program, on a port that the kernel chooses and quicker to give up."""
    found = re.search(rf"^(?:[A-Z_]+=\S+ )*({program} .*)$", DOCS, re.MULTILINE)
    assert found, f"docs/asgi.md shows no {program}"
    quick = re.sub(r"\b8000\b", "0", found[1]).replace("graceful-shutdown 5", "graceful-shutdown 1")
    return shlex.split(quick.replace("graceful-timeout 5", "graceful-timeout 1"))


@pytest.mark.parametrize("program", ["uvicorn", "hypercorn"])
async def test_documented_command_serves_the_hub(serve: Serve, program: str) -> None:
    """The command starts a hub that publishes and streams, and SIGTERM ends it although a stream is open."""
    served = serve(*documented(program))
    client = Client("c", served.address, subscribe_target(CAR), signed(CAR)).start()
    await client.ready()
    assert (await publish_once(served.address, CAR, {"n": 1})).status == 200
    await client.count(1)
    assert client.payloads == [{"n": 1}]
    said = await asyncio.to_thread(served.stop)
    assert '"event": "hub stopped"' in said
    await client.stop()
    assert not client.finals


def test_refused_settings_end_the_start(serve: Serve) -> None:
    """A wrong setting is refused as by `fast-sse serve`: the server ends, names the key and shows no value."""
    with pytest.raises(RuntimeError, match=r"auth\.secret") as ended:
        serve(*documented("uvicorn"), FAST_SSE_AUTH__SECRET="too short")
    assert "too short" not in str(ended.value)


def test_a_store_that_cannot_open_ends_the_start(serve: Serve, tmp_path: Path) -> None:
    """A data directory that another process holds ends the start: there are no two writers of one log."""
    settings = {"FAST_SSE_STORE": "sqlite", "FAST_SSE_DATA_DIR": str(tmp_path)}
    serve(*documented("uvicorn"), **settings)
    with pytest.raises(RuntimeError, match="Application startup failed"):
        serve(*documented("uvicorn"), **settings)

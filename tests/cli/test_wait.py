"""`fast-sse wait`: 0 as soon as a hub takes publishes and streams, else 1 and what was seen last."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.support.server import Hub

pytestmark = pytest.mark.wire


@pytest.fixture
def free() -> Iterator[str]:
    """An address where nothing listens, and nothing will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy whose hub is away."""

    class Away(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(502)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Away) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_where_nothing_listens_it_ends_in_time(
    command: Command, capsys: pytest.CaptureFixture[str], free: str
) -> None:
    """The sentence names the address, the time and what was seen."""
    assert command("wait", "--url", free, "--timeout", "0.2") == 1
    said = f"fast-sse: the hub at {free} was not ready within 0.2 s: no answer: Connection refused (no hub listens there)\n"
    assert capsys.readouterr().err == said


def test_a_proxy_alone_is_no_hub(command: Command, capsys: pytest.CaptureFixture[str], proxy: str) -> None:
    """What answers in a hub's place is not taken for it."""
    assert command("wait", "--url", proxy, "--timeout", "0") == 1
    assert "the server there is not a hub (status 502)" in capsys.readouterr().err


@pytest.mark.slow
def test_it_waits_for_a_hub_that_starts(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It begins before the hub does, and ends when that is ready."""
    hub = Hub(tmp_path)
    url = "http://{}:{}".format(*hub.public)
    statuses: list[int] = []
    waiting = threading.Thread(
        target=lambda: statuses.append(command("wait", "--url", url, "--timeout", "30"))
    )
    waiting.start()
    with hub:
        waiting.join(30)
    assert statuses == [0]
    assert capsys.readouterr().out == f"the hub at {url} is ready\n"


@pytest.mark.parametrize("url", ["ftp://a", "127.0.0.1:30000", "http://"])
def test_a_wrong_address_is_a_wrong_argument(
    command: Command, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    """2, and the line names the option."""
    assert command("wait", "--url", url) == 2
    assert capsys.readouterr().err.startswith("fast-sse: --url")

"""SIGHUP: secrets, keys and allow-lists are read again; what they no longer allow ends, everything else stays."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.cli.conftest import spawn
from tests.support.server import READY
from tests.support.sign import KEY, KID, SECRET, v1, v2

pytestmark = [pytest.mark.wire, pytest.mark.slow]

CHANNEL = ("cart1", "changed")
PATH = "/v1/subscribe/events/cart1/types/changed"


def settings(file: Path, **auth: object) -> None:
    """Write a settings file."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in auth.items() if not isinstance(value, dict)]
    for table, entries in auth.items():
        if isinstance(entries, dict):
            lines += [
                f"[auth.{table}]",
                *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in entries.items()),
            ]
    file.write_text("\n".join(["[auth]", *lines]))


@contextmanager
def serving(file: Path) -> Iterator[tuple[subprocess.Popen[str], Clients]]:
    """A hub that reads `file`, and its clients."""
    free = ("--port", "0", "--admin-port", "0")
    process = spawn("serve", "--config", str(file), "--store", "memory", *free, FAST_SSE_DRAIN_S="0.1")
    try:
        assert process.stdout
        found = READY.match(process.stdout.readline().strip())
        assert found
        with Clients(int(found[2])) as clients:
            yield process, clients
    finally:
        process.terminate()
        process.communicate(timeout=20)


class Clients(ExitStack):
    """Subscribers of one hub; leaving it closes their connections."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def subscribe(self, signature: str) -> http.client.HTTPResponse:
        """The answer to a subscribe; a stream is behind its first block."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        self.callback(connection.close)
        connection.request("GET", PATH, headers={"x-signature": signature})
        answer = self.enter_context(connection.getresponse())
        if answer.status == 200:
            while answer.readline() != b"\n":
                pass
        return answer


def reload(process: subprocess.Popen[str], said: str) -> dict[str, object]:
    """Send SIGHUP and wait for the line of the log that says what became of it."""
    process.send_signal(signal.SIGHUP)
    assert process.stderr
    while True:
        line = process.stderr.readline()
        assert line, "the hub is gone"
        entry: dict[str, object] = json.loads(line)
        if entry["event"].startswith(said):  # type: ignore[attr-defined]
            return entry


def test_a_removed_key_ends_its_streams(tmp_path: Path) -> None:
    """Streams of a removed key are told `fast-sse.expired`; a rotated secret keeps its streams; new ones need new keys."""
    file = tmp_path / "hub.toml"
    settings(file, secret=SECRET, keys={KID: KEY})
    with serving(file) as (process, clients):
        by_key = clients.subscribe(v2("sub", *CHANNEL))
        by_secret = clients.subscribe(v1(*CHANNEL))
        settings(file, secret="another-secret-of-more-than-32-bytes", secret_previous=SECRET)
        assert reload(process, "reloaded")["streams_ended"] == 1
        assert b"event: fast-sse.expired" in by_key.read()
        assert clients.subscribe(v2("sub", *CHANNEL)).status == 401
        assert clients.subscribe(v1(*CHANNEL)).status == 200
        settings(file, secret="another-secret-of-more-than-32-bytes")
        assert reload(process, "reloaded")["streams_ended"] == 2
        assert b"event: fast-sse.expired" in by_secret.read()
        assert clients.subscribe(v1(*CHANNEL)).status == 401


def test_a_shrunk_list_ends_its_streams(tmp_path: Path) -> None:
    """A stream of a channel that is no longer allowed ends, and asking again is 403."""
    file = tmp_path / "hub.toml"
    settings(file, secret=SECRET)
    with serving(file) as (process, clients):
        stream = clients.subscribe(v1(*CHANNEL))
        settings(file, secret=SECRET, allowed_event_ids=["cart2"])
        assert reload(process, "reloaded")["streams_ended"] == 1
        assert b"event: fast-sse.expired" in stream.read()
        assert clients.subscribe(v1(*CHANNEL)).status == 403


def test_wrong_settings_change_nothing(tmp_path: Path) -> None:
    """A file that would not start a hub is refused by name; secrets and streams in force stay."""
    file = tmp_path / "hub.toml"
    settings(file, secret=SECRET)
    with serving(file) as (process, clients):
        stream = clients.subscribe(v1(*CHANNEL))
        settings(file, secret="short")
        refused = reload(process, "reload refused")
        assert refused["setting"] == "auth.secret"
        assert str(refused["problem"]).startswith("is shorter than")
        assert clients.subscribe(v1(*CHANNEL)).status == 200
        process.terminate()
        assert b"event:" not in stream.read()


def test_a_missing_secret_is_named_and_not_redacted(tmp_path: Path) -> None:
    """The line says what is wrong: the words behind a name like `secret` are no secret."""
    file = tmp_path / "hub.toml"
    settings(file, secret=SECRET)
    with serving(file) as (process, _clients):
        settings(file, keys={KID: KEY})
        refused = reload(process, "reload refused")
        assert (refused["setting"], str(refused["problem"])[:10]) == ("auth.secret", "is missing")


def test_a_reload_that_comes_before_the_hub_serves_ends_nothing(tmp_path: Path) -> None:
    """A manager may send it as soon as it has started the process, here while that still imports its libraries."""
    file = tmp_path / "hub.toml"
    settings(file, secret=SECRET)
    free = ("--port", "0", "--admin-port", "0")
    process = spawn("serve", "--config", str(file), "--store", "memory", *free, FAST_SSE_DRAIN_S="0.1")
    try:
        maps = Path(f"/proc/{process.pid}/maps")
        while "msgspec" not in maps.read_text():
            assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        assert process.stdout
        assert READY.match(process.stdout.readline().strip())
        assert reload(process, "reloaded")["streams_ended"] == 0
    finally:
        process.terminate()
        process.communicate(timeout=20)

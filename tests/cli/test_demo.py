"""`fast-sse demo`: every printed line works when it is pasted, also after the demo was killed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.server import READY, ROOT, stable_port

from fast_sse.cli.demo import CHANNEL, demo, lines
from fast_sse.cli.remote import Remote
from fast_sse.model.errors import ConfigError

pytestmark = [pytest.mark.wire, pytest.mark.slow]

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None and os.environ.get("CI") != "true", reason="curl is not installed"
)
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT / "src"),
    "FAST_SSE_LIMITS__RETRY_MS": "40",
    "NO_PROXY": "*",
}


Paste = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def paste() -> Iterator[Paste]:
    """Runs a printed line as a shell does; whatever still runs at the end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def run(line: str) -> subprocess.Popen[str]:
        shell = ["sh", "-c", f"exec {line}"]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(shell, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def until_ready(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    """What a demo prints before its ready line, and the lines to paste in it."""
    assert process.stdout
    shown = ""
    while line := process.stdout.readline():
        if READY.match(line.strip()):
            return shown, [
                block.strip()
                for block in shown.split("\n\n")
                if re.match(r"curl|('[^']+'|\S+) (-|subscribe)", block)
            ]
        shown += line
    raise AssertionError(f"the demo ended: {process.stderr.read() if process.stderr else ''}")


def first_data(process: subprocess.Popen[str]) -> object:
    """The data of the first message that a curl line shows."""
    assert process.stdout
    while line := process.stdout.readline():
        if line.startswith('data: {"data":'):
            return json.loads(line[6:])["data"]
    raise AssertionError("the stream ended")


@needs_curl
def test_every_printed_line_works_and_survives_a_kill(tmp_path: Path, paste: Paste) -> None:
    """Subscribe, wildcard, earliest and link show what publish sent; after kill -9 and the printed restart a client has all."""
    demo = paste(
        f"{shlex.quote(sys.executable)} -m fast_sse demo --port {stable_port()} --admin-port 0 --data-dir '{tmp_path}/my demo'"
    )
    _, (subscribe, publish, wildcard, history, resume) = until_ready(demo)
    earliest, link = history.rsplit("\n", 1)
    listening, killing, restarting = resume.split("\n")
    client = paste(f"{listening} --from earliest --count 2")
    live = [paste(line) for line in (subscribe, wildcard, f"curl -N '{link}'")]
    for process in live:  # the first block says that the stream is open
        assert process.stdout
        while not process.stdout.readline().startswith("id: "):
            pass
    answer = json.loads(paste(publish).communicate(timeout=20)[0])
    assert answer["code"] == "ok"
    late = [paste(earliest), paste(f"curl -N '{link}'")]
    sent = {"sku": "SKU-45678", "quantity": 2, "price": 299.99, "action": "added"}
    assert [first_data(process) for process in (*live, *late)] == [sent] * 5
    assert killing == f"kill -9 {demo.pid}"
    demo.send_signal(signal.SIGKILL)
    demo.communicate()
    again = paste(f"{restarting} --admin-port 0")
    until_ready(again)
    assert json.loads(paste(publish).communicate(timeout=20)[0])["code"] == "ok"
    out, err = client.communicate(timeout=20)
    assert [json.loads(line)["data"] for line in out.splitlines()] == [sent, sent]
    assert "GAP" not in err
    assert client.returncode == 0
    again.terminate()
    assert again.communicate(timeout=20)[1] == ""
    assert again.returncode == 0


def test_the_lines_are_those_of_the_original(tmp_path: Path) -> None:
    """The original's routes, headers and body fields, so that its users recognise them."""
    shown = lines(Remote.at("http://localhost:30000"), b"s" * 32, tmp_path)
    assert (
        "curl -N --location 'http://localhost:30000/v1/subscribe/events/carid000001/types/cart_changed'"
        in shown
    )
    assert "curl --location 'http://localhost:30000/v1/sse/events/carid000001/types/cart_changed'" in shown
    assert "--header 'Content-Type: application/json'" in shown
    assert CHANNEL == ("carid000001", "cart_changed")


def test_the_line_that_starts_it_again_says_where_it_was(tmp_path: Path) -> None:
    """Who moved the operators' port, because it was taken, moves it again."""
    hub = Remote.at("http://localhost:31000")
    assert f"demo --port 31000 --data-dir {tmp_path}\n" in lines(hub, b"s" * 32, tmp_path)
    assert f"demo --port 31000 --admin-port 31001 --data-dir {tmp_path}\n" in lines(
        hub, b"s" * 32, tmp_path, 31_001
    )


def test_the_environment_cannot_spoil_the_lines(tmp_path: Path, paste: Paste) -> None:
    """Settings of another hub in the environment do not change what the demo's lines are signed with."""
    environment = {"FAST_SSE_AUTH__V1": "off", "FAST_SSE_AUTH__PUBLISH_SECRET": "p" * 20 + "0123456789abcdef"}
    settings = " ".join(f"{name}={value}" for name, value in environment.items())
    demo = paste(
        f"env {settings} {shlex.quote(sys.executable)} -m fast_sse demo --port 0 --admin-port 0 --data-dir {tmp_path}"
    )
    _, (_, publish, *_) = until_ready(demo)
    if shutil.which("curl"):
        assert json.loads(paste(publish).communicate(timeout=20)[0])["code"] == "ok"


def test_batches_work_out_of_the_box(tmp_path: Path, paste: Paste) -> None:
    """A file is published with the demo's own key, whatever keys the environment has for another hub."""
    file = tmp_path / "messages.ndjson"
    file.write_text('{"event_id": "a", "event_type": "b", "data": 1}\n' * 3)
    demo = paste(
        f"env FAST_SSE_AUTH__SIGNING_KID=other FAST_SSE_AUTH__KEYS__other={'0123456789abcdef' * 2} "
        f"{shlex.quote(sys.executable)} -m fast_sse demo --port {(port := stable_port())} --admin-port 0 --data-dir {tmp_path}"
    )
    until_ready(demo)
    batch = f"publish --batch {file} --demo-dir {tmp_path} --url http://127.0.0.1:{port}"
    out, err = paste(f"{shlex.quote(sys.executable)} -m fast_sse {batch}").communicate(timeout=20)
    assert out.startswith("stored 3, duplicates 0, refused 0 ")
    assert "no v2 key" not in err


def test_a_demo_has_an_address(tmp_path: Path) -> None:
    """What it prints is for a browser, which reaches no Unix socket: refused before anything is made."""
    with pytest.raises(ConfigError, match=r"^--host: "):
        demo(host=f"unix:{tmp_path}/hub.sock", data_dir=tmp_path / "demo")
    assert list(tmp_path.iterdir()) == []

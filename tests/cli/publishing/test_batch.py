"""`fast-sse publish --batch`: every line is one message in the end, or is named; whoever stops it knows how to go on."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Command, spawn
from tests.cli.scripted import Scripted, answer
from tests.support.server import ROOT, Hub
from tests.support.sign import KEY, KID

STORED = '{"message_id":"s1.0.7","durability":"fsync","duplicate":false}'


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KEY", KEY)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def results(*items: str) -> bytes:
    """The answer to a batch."""
    return answer(200, f'{{"code":"ok","data":{{"results":[{",".join(items)}]}}}}', "Connection: close")


def write(name: str, count: int) -> str:
    """A file of messages over a few channels."""
    messages = ({"event_id": f"car{n % 3}", "event_type": "sold", "data": n} for n in range(count))
    Path(name).write_text("".join(json.dumps(message) + "\n" for message in messages))
    return name


def by_key(server: Scripted) -> tuple[str, ...]:
    """The options that lead to a scripted server with a v2 key."""
    return ("--url", server.url, "--secret-env", "HUB_KEY", "--kid", KID)


@pytest.mark.wire
@pytest.mark.slow
@pytest.mark.parametrize("more", [("--secret-env", "HUB_KEY", "--kid", KID), ("--secret-env", "HUB_SECRET")])
def test_a_file_again_is_duplicates(
    more: tuple[str, ...], hub: Hub, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run is stored, the same run again is duplicates, another run is new; bad lines are named and cost status 1."""
    write("messages.ndjson", 50)
    with Path("messages.ndjson").open("a") as file:
        file.write(
            '\x1b[2J\n{"event_id":"car1","event_type":"sold"}\n{"event_id":"car1","event_type":"sold","data":1}'
        )
    url = f"http://127.0.0.1:{hub.public[1]}"
    run = secrets.token_hex(4)
    arguments = ("publish", "--batch", "messages.ndjson", "--url", url, *more, "--batch-lines", "20")
    assert command(*arguments, "--run-id", run) == 1
    first = capsys.readouterr()
    assert first.out.startswith("stored 51, duplicates 0, refused 2 in ")
    assert "line 51: is not a message: " in first.err
    assert "line 52: " in first.err
    assert "\x1b" not in first.err
    assert command(*arguments, "--run-id", run) == 1
    assert capsys.readouterr().out.startswith("stored 0, duplicates 51, refused 2 in ")
    assert command(*arguments, "--run-id", run, "--from-line", "50") == 1
    assert capsys.readouterr().out.startswith("stored 0, duplicates 2, refused 2 in ")
    assert command(*arguments) == 1
    assert capsys.readouterr().out.startswith("stored 51, duplicates 0, refused 2 in ")


def test_standard_input(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """- reads it; a run without a bad line is status 0; empty input is nothing to do."""
    text = b'{"event_id":"a","event_type":"b","data":1}\n'
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    with Scripted(results(STORED)) as server:
        assert command("publish", "--batch", "-", *by_key(server)) == 0
    assert re.fullmatch(
        r"stored 1, duplicates 0, refused 0 in \d+\.\d s \(\d+ messages/s\)\n", capsys.readouterr().out
    )
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with Scripted() as server:
        assert command("publish", "--batch", "-", *by_key(server)) == 0


def test_a_cut_batch_is_sent_again_with_the_same_keys(command: Command) -> None:
    """The keys of a retry are those of the first try, and its signature is a new one: a nonce counts once."""
    write("messages.ndjson", 2)
    with Scripted(b"", results(STORED, STORED)) as server:
        assert command("publish", "--batch", "messages.ndjson", *by_key(server)) == 0
    first, again = (asked.partition("\r\n\r\n") for asked in server.asked)
    assert first[2] == again[2]
    assert len(set(re.findall(r'"idempotency_key":"([0-9a-f]{16}:\d+)"', first[2]))) == 2
    assert first[0] != again[0]


def test_a_hub_that_stays_away_ends_the_run_with_how_to_go_on(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was settled is counted, and the last line names the run and the line to go on with."""
    write("messages.ndjson", 5)
    with Scripted(results(STORED, STORED)) as server:
        options = ("--run-id", "r", "--batch-lines", "2", "--retries", "1")
        assert command("publish", "--batch", "messages.ndjson", *by_key(server), *options) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("stored 2, ")
    assert shown.err.endswith(
        "; lines up to 2 are settled; go on: the same command with --run-id r --from-line 3\n"
    )


def test_ctrl_c_says_how_far_it_came_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGINT while an answer is awaited: status 130, the summary, and the line to go on with."""
    monkeypatch.chdir(tmp_path)
    write("messages.ndjson", 5)
    with Scripted(results(STORED, STORED), b"") as server:
        options = ("--run-id", "r", "--batch-lines", "2", "--retries", "1000")
        process = spawn("publish", "--batch", "messages.ndjson", *by_key(server), *options)
        try:
            assert process.stderr
            assert any("trying again" in line for line in iter(process.stderr.readline, ""))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert out.startswith("stored 2, ")
    assert err.endswith(
        "interrupted; lines up to 2 are settled; go on: the same command with --run-id r --from-line 3\n"
    )


@pytest.mark.wire
@pytest.mark.slow
def test_a_bar_on_a_terminal_only(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal sees how far it is; a pipe sees lines of text and no control characters."""
    monkeypatch.chdir(tmp_path)
    write("messages.ndjson", 300)
    arguments = ("publish", "--batch", "messages.ndjson", "--url", f"http://127.0.0.1:{hub.public[1]}")
    options = ("--secret-env", "HUB_KEY", "--kid", KID, "--batch-lines", "20")
    piped = spawn(*arguments, *options)
    out, err = piped.communicate(timeout=20)
    assert "\x1b" not in out + err
    assert out.startswith("stored 300, ")
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm", "COLUMNS": "120"}
        process = subprocess.Popen(
            [sys.executable, "-m", "fast_sse", *arguments, *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b""
        try:
            while data := terminal.read(4096):
                shown += data
        except OSError:  # the other side is closed
            pass
        out_bytes, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out_bytes.startswith(b"stored 300, ")
    assert b"\x1b[" in shown
    assert "━".encode() in shown
    assert b"300 lines" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch", "absent"], "--batch: cannot read absent: No such file"),
        (["--batch", "."], "--batch: cannot read .: Is a directory"),
        (["--batch", "m", "a", "b"], "--batch: takes everything from its lines"),
        (["--batch", "m", "--key", "k"], "--batch: takes everything from its lines"),
        (["--batch", "m", "--run-id", ""], "--run-id: must have 1 to 200 bytes"),
        (["--data", "1"], "ID TYPE: name the channel of the message"),
        (["a", "--data", "1"], "ID TYPE: name the channel of the message"),
    ],
)
def test_what_cannot_be_sent_is_2(
    arguments: list[str], said: str, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that says what to change, before anything is sent."""
    write("m", 1)
    with Scripted() as server:
        assert command("publish", *arguments, *by_key(server)) == 2
    assert capsys.readouterr().err.startswith(f"fast-sse: {said}")
    assert server.asked == []

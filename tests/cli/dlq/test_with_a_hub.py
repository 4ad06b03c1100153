"""The commands about dead letters against a real hub with a key: list, replay at a pace, Ctrl-C, going on, purge."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Command, spawn
from tests.support.server import Hub

pytestmark = [pytest.mark.wire, pytest.mark.slow]

KEY = "operators-key-of-at-least-32-bytes"
COUNT = 30


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A hub where a message dies after half a second, and whose operators have a key."""
    settings = {"FAST_SSE_DEAD_LETTERS__GRACE_S": "0.5", "FAST_SSE_ADMIN__KEY": KEY}
    with Hub(tmp_path, store="memory", port=0, settings=settings) as hub:
        yield hub


class Ops:
    """The commands of one operator."""

    def __init__(self, hub: Hub, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
        self.admin: tuple[str, ...] = (
            "--admin",
            f"http://{hub.admin[0]}:{hub.admin[1]}",
            "--admin-key-env",
            "OPS",
        )
        self._public = f"http://{hub.public[0]}:{hub.public[1]}"
        self._command, self._capsys = command, capsys

    def dlq(self, *arguments: str, status: int = 0) -> list[str]:
        """The lines that a command prints."""
        assert self._command("dlq", *arguments, *self.admin) == status
        return self._capsys.readouterr().out.splitlines()

    def publish(self, path: Path) -> None:
        """COUNT messages to channels that nobody listens to."""
        lines = [{"event_id": f"c{number % 3}", "event_type": "t", "data": number} for number in range(COUNT)]
        path.write_text("\n".join(json.dumps(line) for line in lines))
        arguments = ("publish", "--batch", str(path), "--url", self._public, "--secret-env", "HUB_SECRET")
        assert self._command(*arguments) == 0
        self._capsys.readouterr()

    def dead(self, count: int) -> list[dict]:
        """The letters, once there are so many."""
        while True:
            lines = self.dlq("list", "--limit", "100", "--json")
            if len(lines) == count:
                return [json.loads(line) for line in lines]


@pytest.fixture
def ops(
    hub: Hub, command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Ops:
    """An operator with the key."""
    monkeypatch.setenv("OPS", KEY)
    return Ops(hub, command, capsys)


def test_a_run_that_is_interrupted_goes_on(ops: Ops, tmp_path: Path) -> None:
    """After Ctrl-C the same command replays what is left: each message once more, and each letter counted once."""
    ops.publish(tmp_path / "lines")
    ids = {letter["id"] for letter in ops.dead(COUNT)}
    arguments = ("dlq", "replay", "--all", "--yes", "--rate", "8", *ops.admin)
    running = spawn(*arguments, OPS=KEY, PYTHONUNBUFFERED="1")
    while int(ops.dlq("list")[-1].split()[2]) == COUNT:
        pass
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert err == "interrupted; the same command goes on with the rest\n"
    first = int(re.match(r"replayed (\d+), failed 0, gone 0 in ", out)[1])  # type: ignore[index]
    assert 0 < first < COUNT
    # What was replayed dies again: its letter has a second try, and is not among the first ones.
    again = ops.dead(COUNT)
    assert sum(letter["attempts"] == 2 for letter in again) == first
    assert {letter["original_id"] for letter in again} == ids
    (line,) = ops.dlq("replay", "--all", "--yes", "--rate", "0")
    assert line.startswith(f"replayed {COUNT}, failed 0, gone 0 in ")
    assert sorted(letter["attempts"] for letter in ops.dead(COUNT)) == [2] * (COUNT - first) + [3] * first


def test_filters_and_purge(ops: Ops, tmp_path: Path) -> None:
    """What is meant goes, what is not stays; a letter can be shown; without the key there is nothing."""
    ops.publish(tmp_path / "lines")
    letters = ops.dead(COUNT)
    assert ops.dlq("purge", "--event-id", "c1", "--dry-run") == ["would purge 10 dead letters"]
    (line,) = ops.dlq("purge", "--event-id", "c1", "--yes")
    assert line.startswith("purged 10, gone 0 in ")
    *rows, last = ops.dlq("list", "--after", "1h", "--event-type", "t")
    assert last.startswith(f"20 of {COUNT - 10} dead letters, ")
    assert not [row for row in rows if " c1/t " in row]
    assert ops.dlq("purge", "--before", "1h", "--yes")[-1].startswith("purged 0, gone 0 in ")
    kept = next(letter for letter in letters if letter["event_id"] == "c0")
    assert f"id          {kept['id']}" in ops.dlq("show", kept["id"])
    ops.admin = ops.admin[:2]
    assert ops.dlq("list", status=2) == []


def test_a_batch_of_ids(ops: Ops, tmp_path: Path) -> None:
    """Ids from a list, as with xargs: each to another channel; again they are gone, which is status 1."""
    ops.publish(tmp_path / "lines")
    ids = [letter["id"] for letter in ops.dead(COUNT)][:3]
    lines = ops.dlq("replay", *ids, "--to", "spare/t", "--yes")
    assert [line.split(" -> ")[0] for line in lines[:-1]] == ids
    assert ops.dlq("replay", *ids, "--yes", status=1)[-1].startswith("replayed 0, failed 0, gone 3 in ")
    assert {letter["event_id"] for letter in ops.dead(COUNT)[:3]} == {"spare"}


def test_a_broken_pipe_is_no_trace(ops: Ops, tmp_path: Path) -> None:
    """`fast-sse dlq list | head -1` ends quietly."""
    ops.publish(tmp_path / "lines")
    ops.dead(COUNT)
    running = spawn("dlq", "list", "--json", *ops.admin, OPS=KEY)
    assert running.stdout is not None
    running.stdout.close()
    try:
        running.wait(30)
    except subprocess.TimeoutExpired:
        running.kill()
        raise
    assert running.stderr is not None
    assert "Traceback" not in running.stderr.read()
    running.stderr.close()

"""A hub that cannot start says so in one line that names the setting, with a status that a supervisor understands.

2 is a wrong setting, which another try does not mend; 1 is anything else, which it may.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import spawn
from tests.support.server import Hub
from tests.support.sign import SECRET

pytestmark = [pytest.mark.wire, pytest.mark.slow]


def said(text: str) -> list[str]:
    """What is for a person: lines of standard error that are not the log's JSON."""
    lines = []
    for line in text.splitlines():
        try:
            json.loads(line)
        except ValueError:
            lines.append(line)
    return lines


def refusal(hub: Hub) -> tuple[int, str]:
    """Status and the one line."""
    status, text = hub.refuses_to_start()
    (line,) = said(text)
    assert "Traceback" not in text
    return status, line


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A directory in which not even root can write."""
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        yield tmp_path
        tmp_path.chmod(0o700)
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "fast-sse-test", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_a_directory_that_cannot_be_written_is_2(read_only: Path) -> None:
    """The one line names data_dir and the reason, whether the directory is there or would have to be made."""
    for directory in (read_only, read_only / "deeper"):
        hub = Hub(read_only, settings={"FAST_SSE_DATA_DIR": str(directory)}, port=0)
        status, line = refusal(hub)
        assert status == 2
        assert line.startswith(f"fast-sse: data_dir: cannot write to {directory}: ")
        assert line.endswith("; set data_dir to a directory that the user of the hub can write to")


def test_a_file_in_place_of_the_directory_is_2(tmp_path: Path) -> None:
    """The one line names data_dir."""
    (tmp_path / "data").write_text("not a directory")
    status, line = refusal(Hub(tmp_path, port=0))
    assert status == 2
    assert line.startswith("fast-sse: data_dir: ")
    assert line.endswith("data is a file, or below one; set data_dir to a directory")


def test_a_second_process_on_the_same_directory_is_1(tmp_path: Path) -> None:
    """One process writes a log: the second says who keeps it out, and a restart later may succeed; the first does not notice."""
    with Hub(tmp_path, port=0) as first:
        status, line = refusal(Hub(tmp_path, port=0))
        assert status == 1
        assert line.startswith("fast-sse: data_dir: another process holds it (")
        assert line.endswith("/log.lock); stop that one, or set data_dir to another directory")
        assert first.alive()


@pytest.mark.parametrize("setting", ["port", "admin_port"])
def test_a_taken_port_is_1(setting: str, tmp_path: Path) -> None:
    """The one line names the setting and the address; a restart later may succeed, so the status is not 2."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        hub = Hub(tmp_path, port=port if setting == "port" else 0)
        if setting == "admin_port":
            hub = Hub(tmp_path, port=0, settings={"FAST_SSE_ADMIN_PORT": str(port)})
        assert refusal(hub) == (
            1,
            f"fast-sse: {setting}: 127.0.0.1:{port} is already in use; stop what listens there, or set {setting}",
        )


@pytest.mark.parametrize("name", ["FAST_SSE_HEARTBEET_S", "FAST_SSE_AUTH__SECRETS"])
def test_an_unknown_variable_is_2(name: str, tmp_path: Path) -> None:
    """A misspelt variable is named by its dotted key, and what it held is not shown."""
    hub = Hub(tmp_path, settings={name: "a-value-that-may-be-a-secret"}, port=0)
    status, line = refusal(hub)
    assert status == 2
    assert line.startswith(
        f"fast-sse: {name.removeprefix('FAST_SSE_').lower().replace('__', '.')}: unknown setting"
    )
    assert "may-be-a-secret" not in line


def test_an_unknown_key_of_the_file_is_2(tmp_path: Path) -> None:
    """A misspelt key of the file is named by its dotted key, and its nearest neighbour with it."""
    file = tmp_path / "hub.toml"
    file.write_text("[retention]\nmax_age = 3")
    process = spawn("serve", "--config", str(file), FAST_SSE_AUTH__SECRET=SECRET)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    (line,) = said(err)
    assert line.startswith("fast-sse: retention.max_age: unknown setting; did you mean retention.max_age_s?")

"""`fast-sse serve` as a process: its one line of output, its exit status, its signals."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
from tests.cli.conftest import spawn
from tests.support.server import READY
from tests.support.sign import SECRET

pytestmark = [pytest.mark.wire, pytest.mark.slow]

FREE = ("--port", "0", "--admin-port", "0")


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ready_line_drain_and_0(loop: str, number: signal.Signals, tmp_path: Path) -> None:
    """Standard output is the ready line and nothing else; after a signal and a drain the status is 0."""
    process = spawn(
        *("serve", *FREE, "--data-dir", str(tmp_path)), FAST_SSE_AUTH__SECRET=SECRET, FAST_SSE_LOOP=loop
    )
    assert process.stdout
    line = process.stdout.readline()
    found = READY.match(line.strip())
    assert found, line
    assert found[5] == "sqlite"
    for port in (int(found[2]), int(found[4])):
        socket.create_connection(("127.0.0.1", port)).close()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "")
    assert "Traceback" not in err
    assert SECRET not in err


def test_a_second_signal_ends_at_once() -> None:
    """While it drains for a minute, another signal ends it with status 1."""
    process = spawn(
        *("serve", *FREE, "--store", "memory"), FAST_SSE_AUTH__SECRET=SECRET, FAST_SSE_DRAIN_S="60"
    )
    assert process.stdout
    found = READY.match(process.stdout.readline().strip())
    assert found
    # A request that is not complete keeps the drain waiting.
    with socket.create_connection(("127.0.0.1", int(found[2]))) as dawdler:
        dawdler.sendall(b"POST /v1/sse/events/a/types/b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1")
        assert process.stderr
        while '"ready"' not in process.stderr.readline():
            pass
        process.terminate()
        while '"stop"' not in process.stderr.readline():
            pass
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "ended at once by a second signal" in err


def test_a_wrong_setting_is_2() -> None:
    """One line on standard error, nothing on standard output."""
    process = spawn("serve", *FREE)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("fast-sse: auth.secret: is missing; ")
    assert len(err.splitlines()) == 1


def test_a_taken_port_is_1() -> None:
    """One line names address and setting."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        process = spawn(
            "serve", "--port", port, "--admin-port", "0", "--store", "memory", FAST_SSE_AUTH__SECRET=SECRET
        )
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert (
        err.splitlines()[-1]
        == f"fast-sse: port: 127.0.0.1:{port} is already in use; stop what listens there, or set port"
    )
    assert "Traceback" not in err

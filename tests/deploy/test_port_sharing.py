"""What docs/nodes.md says of a shared port when one of its nodes stops listening, shown by the kernel itself.

A network of the test's own (`unshare --net`), so that the setting is this test's alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tests.support.server import ROOT

pytestmark = pytest.mark.wire

WAITING = 40
#: Two of our listeners, connections that nobody has accepted, and one of the listeners closes: how did they fare?
SCRIPT = """
import json, pathlib, socket, sys
from fast_sse.http.front.listener import bind

def listener(port):
    made = bind("127.0.0.1", port, "", 30_000, shared=True).sockets[0]
    made.listen(128)
    return made

first = listener(0)
port = first.getsockname()[1]
second = listener(port)
clients = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(int(sys.argv[2]))]
for client in clients:
    client.sendall(b"x")
pathlib.Path("/proc/sys/net/ipv4/tcp_migrate_req").write_text(sys.argv[1])
first.close()
accepted = []
try:
    while True:
        accepted.append(second.accept()[0])
except BlockingIOError:
    pass
for one in accepted:
    one.sendall(b"y")
reset = 0
for client in clients:
    try:
        assert client.recv(1) == b"y"
    except ConnectionResetError:
        reset += 1
print(json.dumps([len(accepted), reset]))
"""
APART = ["unshare", "--user", "--map-root-user", "--net"]
APART += ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def fate(migrate: int) -> tuple[int, int]:
    """How many waiting connections the other listener got, and how many were reset."""
    command = [*APART, sys.executable, "-c", SCRIPT, str(migrate), str(WAITING)]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    accepted, reset = json.loads(done.stdout)
    return accepted, reset


@pytest.fixture(autouse=True)
def _may_be_apart() -> None:
    """Skip, saying so, where no network of our own can be made: it is the kernel's behaviour and not ours."""
    try:
        done = subprocess.run([*APART, "true"], capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError as error:
        pytest.skip(f"not installed: {error.filename}")
    if done.returncode:
        pytest.skip(f"no network namespace: {done.stderr.strip()}")


def test_a_waiting_connection_of_a_node_that_ends_is_reset() -> None:
    """As the kernel comes: its queue goes with the listener, the other one's stays."""
    accepted, reset = fate(migrate=0)
    assert accepted + reset == WAITING
    assert reset


def test_the_kernel_can_pass_it_to_another_node() -> None:
    """With `tcp_migrate_req`, set at any time before: none is reset."""
    assert fate(migrate=1) == (WAITING, 0)

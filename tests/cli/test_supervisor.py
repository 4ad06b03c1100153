"""The parent of a demo: it starts a killed hub again, and nothing outlives it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser.demo import Demo
from tests.support.server import ROOT

pytestmark = [pytest.mark.wire, pytest.mark.slow]

#: A hub that says who it is, and goes on as a test says.
CHILD = """
import os, signal, sys, time
from fast_sse.cli import supervisor
supervisor.RESTART_S = 0
life = supervisor.supervise()
life.tell(1000 + life.port)
{first}
print(os.getpid(), life.parent, life.port, flush=True)
{then}
"""
SLEEPS = "time.sleep(60)"


class Parent:
    """A parent in a process of its own, with the lines that its hubs say."""

    def __init__(self, then: str, first: str = "") -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(first=first, then=then)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def hub(self) -> tuple[int, int]:
        """Process and port of the next hub."""
        assert self.process.stdout
        process, parent, port = map(int, self.process.stdout.readline().split())
        assert parent == self.process.pid
        return process, port


@pytest.fixture
def parents() -> Iterator[list[Parent]]:
    """Those that a test made; all are killed after it."""
    made: list[Parent] = []
    yield made
    for parent in made:
        parent.process.kill()
        parent.process.communicate()


def test_a_killed_hub_is_followed_by_another_on_its_port(parents: list[Parent]) -> None:
    """Each SIGKILL makes a new process, which is told where the last one listened."""
    parents.append(parent := Parent(SLEEPS))
    first, port = parent.hub()
    assert port == 0
    os.kill(first, signal.SIGKILL)
    second, port = parent.hub()
    assert (second != first, port) == (True, 1000)
    os.kill(second, signal.SIGKILL)
    assert parent.hub()[1] == 2000


@pytest.mark.parametrize(
    ("end", "status"), [("sys.exit(2)", 2), ("pass", 0), ("os.kill(os.getpid(), signal.SIGSEGV)", 139)]
)
def test_any_other_end_is_the_end(end: str, status: int, parents: list[Parent]) -> None:
    """A hub that ends by itself is not started again, and its parent ends with its status."""
    parents.append(parent := Parent(end))
    parent.hub()
    assert parent.process.wait(20) == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_handed_on(number: signal.Signals, parents: list[Parent]) -> None:
    """The hub gets what its parent gets, and the parent ends after it with its status."""
    ends = f"signal.signal({int(number)}, lambda *_: sys.exit(3))"
    parents.append(parent := Parent(SLEEPS, ends))
    parent.hub()
    parent.process.send_signal(number)
    assert parent.process.wait(20) == 3


def test_no_hub_outlives_its_parent(parents: list[Parent]) -> None:
    """When the parent is killed its hub dies at once: its end of the pipe closes."""
    parents.append(parent := Parent(SLEEPS))
    parent.hub()
    parent.process.kill()
    assert parent.process.stdout
    assert select.select([parent.process.stdout], [], [], 20)[0]
    assert parent.process.stdout.read() == ""


def test_ctrl_c_reaches_the_hub_once(tmp_path: Path) -> None:
    """A terminal signals the whole group of the parent: the hub drains, where a second signal would end it at once."""
    with Demo(tmp_path) as demo:
        hub = int(Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text())
        assert os.getpgid(hub) != os.getpgid(demo.pid)
        os.kill(demo.pid, signal.SIGINT)
        assert demo.wait() == 0
        assert "ended at once" not in demo.tail_of_log()


def test_a_kill_while_it_ends_starts_no_other(parents: list[Parent]) -> None:
    """Asked to end, the parent takes a SIGKILL of its hub for the end."""
    says = "signal.signal(signal.SIGTERM, lambda *_: print(1, life.parent, 1, flush=True))"
    parents.append(parent := Parent(SLEEPS, says))
    process, _ = parent.hub()
    parent.process.terminate()
    parent.hub()  # it has the signal
    os.kill(process, signal.SIGKILL)
    assert parent.process.wait(20) == 128 + signal.SIGKILL

"""The processes of the generator: started, heard, and ended, whatever happens to them."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from tests.bench.test_target import ROUTES, TARGET

from fast_sse.bench.conductor import Round, conduct
from fast_sse.bench.crew import CrewJob
from fast_sse.bench.target import LoadError, LoadTarget


class Heard:
    """A worker of whom only the line is needed."""

    def __init__(self) -> None:
        self.line, self.theirs = socket.socketpair()

    def write(self, line: bytes) -> None:
        """As a worker's."""
        self.line.sendall(line)

    def close(self) -> None:
        """Both ends."""
        self.line.close()
        self.theirs.close()


def test_a_round_is_passed_on_when_all_have_spoken() -> None:
    """Values go to everybody in order of rank, not of arrival; progress is added up over the processes."""
    workers: Any = [Heard(), Heard()]
    told: list[tuple[str, float, float]] = []
    round_ = Round(workers, lambda *said: told.append(said))
    round_.hear(1, {"gather": "b"})
    round_.hear(1, {"progress": ["connect", 1, 10]})
    round_.hear(0, {"progress": ["connect", 3, 10]})
    round_.hear(0, {"gather": "a"})
    assert [worker.theirs.recv(100) for worker in workers] == [b'["a","b"]\n'] * 2
    assert told[-1] == ("connect", 4, 20)
    round_.hear(0, {"done": {"lost": 0}})
    assert round_.figures == [{"lost": 0}, None]
    with pytest.raises(LoadError, match="refused"):
        round_.hear(1, {"error": "refused"})
    for worker in workers:
        worker.close()


@pytest.mark.wire
@pytest.mark.slow
def test_a_server_that_is_not_there_is_an_error() -> None:
    """No figures of a load that was not made; every process is gone."""
    nobody = LoadTarget(name="none", host="127.0.0.1", port=1, routes=ROUTES)
    with pytest.raises(LoadError, match="cannot connect"):
        conduct(CrewJob(nobody, "idle", {"subscribers": 2, "seconds": 0.1}), processes=2)


@pytest.mark.slow
def test_a_process_that_dies_is_told() -> None:
    """Its status is in the error, and nobody waits for it."""
    with pytest.raises(LoadError, match="ended with status"):
        conduct(CrewJob(TARGET, "no such scenario", {}), prefix=["env", "PYTHONPATH=/nowhere", "false"])

"""Processes of the generator share the work without a gap, and hear from one another."""

from __future__ import annotations

import socket

import msgspec
import pytest
from tests.bench.test_target import TARGET

from fast_sse.bench.crew import Crew, CrewJob
from fast_sse.bench.loop import Loop
from fast_sse.bench.target import LoadError


def test_shares_are_everything_once() -> None:
    """What three processes take together is each thing once, whatever the number."""
    with Loop() as loop:
        crews = [Crew(loop, CrewJob(TARGET, "fanout", {}, rank, 3)) for rank in range(3)]
        for count in (0, 1, 2, 3, 10):
            assert sorted(n for crew in crews for n in crew.share(count)) == list(range(count))
        assert [crew.leads for crew in crews] == [True, False, False]


def test_one_alone_hears_itself() -> None:
    """Without others a scenario is the same code."""
    with Loop() as loop:
        crew = Crew(loop, CrewJob(TARGET, "fanout", {}))
        crew.tell("connect", 1, 2)
        assert crew.gather({"n": 1}) == [{"n": 1}]


def test_answers_are_taken_in_order() -> None:
    """A second round that is answered early waits for its turn, cut anywhere."""
    ours, theirs = socket.socketpair()
    with theirs, Loop() as loop:
        crew = Crew(loop, CrewJob(TARGET, "fanout", {}, 0, 2), ours)
        theirs.sendall(b"[1,2]\n[3,")
        assert crew.gather(1) == [1, 2]
        theirs.sendall(b"4]\n")
        assert crew.gather(3) == [3, 4]
        crew.finish({"lost": 0})
        said = [msgspec.json.decode(line) for line in theirs.recv(1000).splitlines()]
    assert said == [{"gather": 1}, {"gather": 3}, {"done": {"lost": 0}}]


def test_an_orphan_gives_up() -> None:
    """When who started it is gone, a process of the generator ends and loads nobody."""
    ours, theirs = socket.socketpair()
    with Loop() as loop:
        crew = Crew(loop, CrewJob(TARGET, "fanout", {}, 0, 2), ours)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(LoadError, match="gone"):
            crew.gather()
        theirs.close()

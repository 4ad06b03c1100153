"""The generator's loop hands events to whom they are for, and tells its idle time from its work."""

from __future__ import annotations

import select
import socket
import time

import pytest

from fast_sse.bench.loop import Loop


@pytest.mark.parametrize("spins", [True, False])
def test_what_is_ready_is_handled(spins: bool) -> None:
    """A byte reaches the handler of its socket, whether the loop spins or sleeps."""
    ours, theirs = socket.socketpair()
    with theirs, Loop() as loop:
        loop.spins = spins
        got: list[bytes] = []
        loop.add(ours, select.EPOLLIN, lambda _events: got.append(ours.recv(10)))
        theirs.send(b"x")
        assert loop.until(lambda: bool(got), 5.0)
        assert got == [b"x"]
    assert ours.fileno() == -1


def test_a_limit_of_time_is_told() -> None:
    """False when it was over before the condition; what the spinning took is idle time, not work."""
    with Loop() as loop:
        loop.spins = True
        start_s = time.process_time()
        assert not loop.until(lambda: False, 0.05)
        assert loop.idle_cpu_s <= time.process_time() - start_s
        assert loop.idle_cpu_s > 0

"""Every stream is the log: random histories against a plain list."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.hub.machine import KEPT, HubMachine
from tests.hub.support import now_ms

from fast_sse.store.base import Store
from fast_sse.store.sqlite.store import SqliteStore

UNHURRIED = settings(deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def _little_is_packed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the longer messages is packed in a thread, which here is a turn of the loop, and two are a portion."""
    monkeypatch.setattr("fast_sse.hub.packing.AT_ONCE_BYTES", 150)
    monkeypatch.setattr("fast_sse.hub.packing._PORTION_BYTES", 300)


class SqliteMachine(HubMachine):
    """The same over the store of real life."""

    def make_store(self) -> Store:
        """A store in a directory of its own."""
        self.directory = tempfile.TemporaryDirectory()
        return SqliteStore(Path(self.directory.name), KEPT, now_ms=now_ms, ballast_bytes=0)

    def teardown(self) -> None:
        """As ever, and the directory goes."""
        super().teardown()
        self.directory.cleanup()


def drive(machine: type[HubMachine], examples: int, steps: int) -> None:
    """Run a machine that many times."""
    run_state_machine_as_test(
        machine, settings=settings(UNHURRIED, max_examples=examples, stateful_step_count=steps)
    )


@pytest.mark.slow
@pytest.mark.usefixtures("_little_is_packed_at_once")
def test_every_stream_is_the_log() -> None:
    """Whatever publishers, peers, retention and restarts do: each stream is its filter of the log, in order, once,
    or it names its gap and goes on exactly there.
    """
    drive(HubMachine, 200, 40)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("_little_is_packed_at_once")
def test_every_stream_is_the_log_at_length() -> None:
    """As above, for long."""
    drive(HubMachine, 3000, 80)


@pytest.mark.slow
def test_every_stream_is_the_log_of_sqlite() -> None:
    """The same rules hold over the SQLite store, whose answers come from threads."""
    drive(SqliteMachine, 20, 30)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
def test_every_stream_is_the_log_of_sqlite_at_length() -> None:
    """As above, for long."""
    drive(SqliteMachine, 300, 60)

"""What a process sets up around the application."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from fast_sse.cli import process
from fast_sse.config import Config, load
from fast_sse.model.errors import ConfigError
from fast_sse.observe.logging import make_log


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """Any configuration."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", "0123456789abcdef0123456789abcdef")
    return load()


def test_uvloop_is_required(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without uvloop the hub does not silently run on another loop; asked for by name it does."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(ConfigError, match=r"^loop: uvloop is not installed"):
        process._loop_factory(config)
    monkeypatch.setenv("FAST_SSE_LOOP", "asyncio")
    loop = process._loop_factory(load())()
    assert type(loop).__module__.startswith("asyncio")
    loop.close()


def test_open_files_are_raised_to_the_hard_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soft limit is history; the hard one is what the operator meant. Where it cannot be raised, that is said."""
    limits = {"now": (1024, 50_000)}
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: limits.update(now=pair))
    process._raise_file_limit(make_log("error", sys.stderr))
    assert limits["now"] == (50_000, 50_000)

    def denied(_which: int, _pair: tuple[int, int]) -> None:
        raise OSError("not permitted")

    limits["now"] = (1024, 50_000)
    monkeypatch.setattr(resource, "setrlimit", denied)
    process._raise_file_limit(make_log("error", sys.stderr))


def test_a_process_with_its_standard_streams_gets_no_other() -> None:
    """What is opened to see which descriptors are free is closed again."""
    before = set(Path("/proc/self/fd").iterdir())
    process._fill_standard_descriptors()
    assert set(Path("/proc/self/fd").iterdir()) == before

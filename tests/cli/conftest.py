"""Commands run as a person runs them: the whole command line in this process, or a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.conftest import pytest_runtest_makereport, record
from tests.support.server import ROOT, Hub
from tests.support.sign import SECRET

from fast_sse.cli.main import app_main

# What the full counts prove here goes into the same book.
__all__ = ["pytest_runtest_makereport", "record"]

#: Runs a command here and returns its exit status.
Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """`command("sign", ...)` in an empty directory, with the shared hub's secret in HUB_SECRET."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_SECRET", SECRET)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # typer sets its own

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fast-sse", *arguments])
        with pytest.raises(SystemExit) as ended:
            app_main()
        return ended.value.code if isinstance(ended.value.code, int) else 0

    return run


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One real hub for all tests of a file."""
    with Hub(tmp_path_factory.mktemp("hub"), store="memory", port=0) as hub:
        yield hub


@pytest.fixture
def at(hub: Hub) -> list[str]:
    """The options that lead to the shared hub."""
    return ["--url", f"http://{hub.public[0]}:{hub.public[1]}", "--secret-env", "HUB_SECRET"]


def spawn(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own, which hears Ctrl-C also where this one ignores it (`pytest &`)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FAST_SSE_")}
    return subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "fast_sse", *arguments],
        env={**kept, "PYTHONPATH": str(ROOT / "src"), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

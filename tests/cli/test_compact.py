"""`fast-sse compact`: one line of what it did, or of why it did not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.support.server import Hub

from fast_sse.cli.compact import _show


@pytest.mark.slow
def test_a_stopped_hub_is_compacted_and_a_running_one_refused(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Status 1 and one line while it runs; the sizes before and after once it is stopped."""
    with Hub(tmp_path) as hub:
        assert command("compact", str(tmp_path / "data")) == 1
        assert "another process holds it" in capsys.readouterr().err
        hub.terminate_now()
        assert hub.wait() == 0
    assert command("compact", str(tmp_path / "data")) == 0
    assert re.fullmatch(r"log\.db: \d+\.\d MiB before, \d+\.\d MiB now\n", capsys.readouterr().out)


def test_a_directory_without_a_log_is_a_wrong_argument(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Status 2, and nothing is made."""
    assert command("compact", str(tmp_path / "elsewhere")) == 2
    assert "holds no log.db" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


def test_progress_is_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """What scripts read is the last line alone."""
    _show(3 << 20, 10 << 20)
    assert capsys.readouterr().err == "compacting: 3 of about 10 MiB\n"

"""`fast-sse restore`: one line of what the log holds now, or of why there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.store.rows.earlier import unpack

from fast_sse.store.sqlite.backup import back_up


def test_a_restore_says_what_the_log_holds(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Under its new epoch. A second one is a wrong argument: the directory is not empty any more."""
    unpack(4, tmp_path / "data")
    back_up(tmp_path / "data", tmp_path / "backup.db", lambda *_: None)
    new = tmp_path / "new"
    assert command("restore", "--data-dir", str(new), "backup.db") == 0
    found = re.fullmatch(
        rf"{re.escape(str(new))}: 12 messages up to s1\.(\w{{13}})\.15, 0 dead letters, 0\.\d MiB; its epoch is new\n",
        capsys.readouterr().out,
    )
    assert found
    assert found[1] != "3t33aq1q6fleb"
    assert command("restore", "--data-dir", str(new), "backup.db") == 2
    assert "holds a log already" in capsys.readouterr().err

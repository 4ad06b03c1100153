"""`fast-sse backup`: one line of what is in the file, or of why there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.store.rows.earlier import unpack

from fast_sse.cli.backup import told
from fast_sse.model.cursor import Cursor
from fast_sse.store.sqlite.verify import Contents


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The directory of a stopped hub, with a log of schema 4."""
    unpack(4, tmp_path / "data")
    return tmp_path / "data"


def test_a_backup_says_what_is_in_it(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    """The id up to which everything is in it, how many, how large, how long; `--check` says the same of the file."""
    to = tmp_path / "backup.db"
    assert command("backup", "--data-dir", str(data), str(to)) == 0
    line = capsys.readouterr().out
    found = r"12 messages up to s1\.3t33aq1q6fleb\.15, 0 dead letters, 0\.\d MiB"
    assert re.fullmatch(rf"{re.escape(str(to))}: {found}, in \d+\.\d s\n", line)
    assert command("backup", "--check", str(to)) == 0
    assert re.fullmatch(rf"{re.escape(str(to))} is whole: {found}\n", capsys.readouterr().out)


def test_one_is_one() -> None:
    """Numbers and words agree."""
    contents = Contents(Cursor("s1", "3t33aq1q6fleb", 7), 1, 1, 0, 5, 1 << 20)
    assert told(contents) == "1 message up to s1.3t33aq1q6fleb.7, 1 dead letter, 1.0 MiB"


def test_a_wrong_argument_is_status_2(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    """One line that names it: no log there, a file that is there already, a file that is no backup."""
    for arguments, said in (
        (("--data-dir", str(tmp_path / "elsewhere"), "backup.db"), "holds no log.db"),
        (("--data-dir", str(data), str(data / "log.db")), "nothing is overwritten"),
        (("--check", "nowhere.db"), "FILE: nowhere.db is not there"),
    ):
        assert command("backup", *arguments) == 2
        shown = capsys.readouterr()
        assert (shown.out, shown.err.count("\n")) == ("", 1)
        assert said in shown.err


def test_a_damaged_backup_is_status_1(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path
) -> None:
    """With a sentence, for whoever reads the mail of cron."""
    to = tmp_path / "backup.db"
    assert command("backup", "--data-dir", str(data), str(to)) == 0
    with to.open("r+b") as file:
        file.seek(8192)
        file.write(b"x" * 4096)
    assert command("backup", "--check", str(to)) == 1
    assert f"fast-sse: {to} is damaged" in capsys.readouterr().err

"""The command line as a whole: what it teaches and how it ends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.conftest import Command

from fast_sse import __version__
from fast_sse.cli.commands import COMMANDS
from fast_sse.cli.main import make_app

NAMES = [name for name in COMMANDS if name != "dlq"]


def test_version(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the version and nothing else."""
    assert command("--version") == 0
    assert capsys.readouterr().out == __version__ + "\n"


def test_help_lists_every_command(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, and with --help, one sees what there is and how to begin."""
    assert command("--help") == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^\W*{name} ", shown, re.MULTILINE) for name in NAMES)
    assert "fast-sse demo" in shown


@pytest.mark.parametrize("name", NAMES)
def test_help_teaches_with_examples(name: str, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command's help shows lines to copy, each on its own."""
    assert command(name, "--help") == 0
    shown = capsys.readouterr().out
    examples = shown.partition("Examples:")[2]
    assert re.search(rf"^ +(\S.* )?fast-sse {name}", examples, re.MULTILINE)


@pytest.mark.parametrize(
    "arguments", [["srve"], ["serve", "--prot", "1"], ["serve", "--port", "x"], ["sign", "a"]]
)
def test_a_wrong_argument_is_2(
    arguments: list[str], command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command, option or value that does not exist ends with 2 and no stack trace."""
    assert command(*arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err


def test_a_wrong_setting_is_one_line_and_2(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """The line names the key; what a file held cannot shape the terminal."""
    assert command("serve", "--store", "rocks") == 2
    assert capsys.readouterr().err == "fast-sse: store: must be sqlite, memory, redis or kafka\n"
    Path("evil.toml").write_text('"a\\u001b[2Jb\\n" = 1')
    assert command("serve", "--config", "evil.toml") == 2
    assert (
        capsys.readouterr().err
        == "fast-sse: a\\x1b[2Jb\\x0a: unknown setting; see them all with: fast-sse config show\n"
    )


def test_nothing_is_shared_between_two_builds() -> None:
    """The command line is made when it is called, not when it is imported."""
    assert make_app() is not make_app()

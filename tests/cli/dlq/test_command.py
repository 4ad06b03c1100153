"""The group of commands."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main
from tests.cli.conftest import Command

from fast_sse.cli.dlq.command import dlq_app


def test_there_are_five_commands(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order in which a person needs them, and without one the help is shown."""
    group: Any = typer.main.get_command(dlq_app())
    assert list(group.commands) == ["list", "show", "replay", "purge", "import"]
    assert command("dlq") == 2
    assert "import" in "".join(capsys.readouterr())


@pytest.mark.parametrize("name", ["list", "show", "replay", "purge", "import"])
def test_each_help_teaches_by_examples(
    command: Command, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The examples are lines of this command."""
    assert command("dlq", name, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.partition("Examples:")[2].count(f"fast-sse dlq {name}") >= 2

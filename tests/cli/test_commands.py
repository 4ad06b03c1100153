"""The list of commands: it is true, and it imports none of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fast_sse.cli.commands import COMMANDS
from fast_sse.cli.main import whole_commands


def test_the_list_says_what_each_command_says_of_itself() -> None:
    """A line of the list is the first sentence of the command's own help: the list imports no command, so it could differ."""
    first = {
        name: (one.help or "").split("\n\n")[0].replace("\n", " ") for name, one in whole_commands().items()
    }
    assert first == {name: entry.line for name, entry in COMMANDS.items()}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--help"], 0), (["sign", "a", "t", "--secret-env", "HOME", "--quiet"], 0), (["srve"], 2)],
)
def test_what_answers_at_once_imports_little(arguments: list[str], status: int) -> None:
    """Help, a signature and a mistyped command need neither the hub nor its settings, and do not wait for them."""
    program = (
        "import sys\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "from fast_sse.cli.main import app_main\n"
        "try:\n    app_main()\n"
        "except SystemExit as end:\n    status = end.code\n"
        "heavy = {'fast_sse.config', 'fast_sse.app', 'fast_sse.hub.hub', 'structlog', 'uvloop', 'starlette', 'pydantic_settings'}\n"
        "print(status, sorted(heavy & sys.modules.keys()), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == f"{status} []"

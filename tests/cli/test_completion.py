"""Completion in bash: the script that is printed or installed completes commands, options and values."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.server import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("bash") is None and os.environ.get("CI") != "true", reason="bash is not installed"
    ),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with `fast-sse` in its bin directory."""
    program = tmp_path / "bin" / "fast-sse"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m fast_sse "$@"\n')
    program.chmod(0o755)
    return tmp_path


def bash(home: Path, script: str) -> str:
    """What bash prints for a script, in a shell of its own."""
    environment = {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
        "SHELL": "/bin/bash",
    }
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\ntrue"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def completed(home: Path, load: str, line: str) -> list[str]:
    """What a tab behind `line` offers, after the completion was loaded."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _fast_sse_completion fast-sse"
    return bash(home, f'{load}\n{ask}\nprintf "%s\\n" "${{COMPREPLY[@]}}"').split()


def test_the_printed_script_completes(home: Path) -> None:
    """Commands, commands of a group, options, and values."""
    load = 'eval "$(fast-sse --show-completion)"'
    assert completed(home, load, "fast-sse pub") == ["publish"]
    assert set(completed(home, load, "fast-sse config ")) == {"init", "show", "check"}
    assert completed(home, load, "fast-sse publish --bat") == ["--batch", "--batch-lines"]
    assert completed(home, load, "fast-sse serve --store s") == ["sqlite"]


def test_what_is_installed_completes(home: Path) -> None:
    """--install-completion writes a script that ~/.bashrc reads; another shell then completes."""
    assert "installed" in bash(home, "fast-sse --install-completion")
    assert completed(home, 'source "$HOME/.bashrc"', "fast-sse doc") == ["doctor"]

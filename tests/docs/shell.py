"""Follows a page word by word: its shell blocks are pasted in order into one shell, in a tree like a fresh clone.

In a network of its own where the machine allows that, since the ports in the docs are fixed and a hub may run there.
Programs in a page whose first line is a comment with a file name are saved under it, as a reader would.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.server import ROOT

DOCS = ROOT / "docs"
PORTS = (30_000, 30_001)
WITHIN_S = 60
#: In a fresh network the loopback interface is down; SIOCSIFFLAGS with IFF_UP, then the shell in our place.
ALONE = """
import fcntl, os, socket, struct, sys
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))
os.execvp(sys.argv[1], sys.argv[1:])
"""

needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None and os.environ.get("CI") != "true", reason="curl is not installed"
)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def follow(name: str, directory: Path, *, installed: bool = True) -> list[str]:
    """Paste the shell blocks of docs/NAME; what each of them printed. Fails when a command fails or hangs.

    `installed`: whether `fast-sse` is on the PATH from the start; the page brings it there otherwise.
    """
    page = (DOCS / name).read_text()
    fresh_clone(directory)
    save_programs(page, directory)
    pasted = "".join(f"echo '== {number}'\n{block}" for number, block in enumerate(blocks(page, "sh")))
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    ours = str(Path(sys.executable).parent)
    elsewhere = [place for place in os.environ["PATH"].split(os.pathsep) if place != ours]
    path = os.pathsep.join([*([ours] if installed else []), *elsewhere])
    shell = subprocess.Popen(
        [*network(), "bash", "-eu", "-o", "pipefail", "-c", pasted],
        cwd=directory,
        env={**kept, "PATH": path, "PYTHONPATH": str(ROOT / "src"), "NO_PROXY": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    killed = ""
    try:
        shell.wait(WITHIN_S)
    except subprocess.TimeoutExpired:
        killed = f"not done in {WITHIN_S} s\n"
    finally:
        end(shell.pid)  # servers that the page leaves running hold the pipes open
    out, err = shell.communicate()
    logs = "".join(f"{file.name}:\n{file.read_text()[-2000:]}" for file in sorted(directory.glob("*.log")))
    assert (shell.returncode, killed) == (0, ""), f"{killed}{out}\n{err}\n{logs}"
    return re.split(r"^== \d+\n", out, flags=re.MULTILINE)[1:]


def end(group: int) -> None:
    """Kill what is left of a process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def network() -> list[str]:
    """What gives a command a network of its own; nothing where that is not allowed and the ports are free anyway."""
    alone = ["unshare", "--net", sys.executable, "-c", ALONE]
    if shutil.which("unshare"):
        tried = subprocess.run([*alone, "true"], capture_output=True, check=False)
        if tried.returncode == 0:
            return alone
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"something listens on {port}")
    return []


def fresh_clone(directory: Path) -> None:
    """The tree without what is made in it, and with the virtual environment that is there already."""
    for name in ("Makefile", "pyproject.toml", "requirements-core.lock", "requirements.lock"):
        shutil.copy2(ROOT / name, directory)
    for name in ("scripts", "examples"):
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    (directory / ".venv").mkdir()
    (directory / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for stamp in (".hub", ".ready"):
        (directory / ".venv" / stamp).touch()


def save_programs(page: str, directory: Path) -> None:
    """The blocks that name their file."""
    for block in re.findall(r"^```\w+\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        if named := re.match(r"(?:#|//) (\w+\.\w+)\n", block):
            (directory / named[1]).write_text(block)

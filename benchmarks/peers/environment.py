"""The Python peers' own virtual environment in benchmarks/scratch/, made once, with pinned versions.

Ours is not touched: what is measured as a peer must not change what is measured as Fast SSE.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.peers.process import PeerError

APPS = Path(__file__).parent / "apps"
DIRECTORY = Path(__file__).parents[1] / "scratch" / "python-peers"
PYTHON = DIRECTORY / "bin" / "python"
#: Newest at the time of writing, and the same uvloop and httptools as Fast SSE has.
PINNED = {
    "sse-starlette": "3.7.0",
    "starlette": "1.10.0",
    "uvicorn": "0.54.0",
    "aiohttp": "3.14.5",
    "uvloop": "0.23.0",
    "httptools": "0.9.0",
}


def requirements() -> list[str]:
    """As pip takes them."""
    return [f"{name}=={version}" for name, version in PINNED.items()]


def made() -> bool:
    """True when the environment is there and holds exactly the pinned versions."""
    note = DIRECTORY / "pinned.txt"
    return PYTHON.exists() and note.exists() and note.read_text().split() == requirements()


def install() -> None:
    """Have the environment; PeerError when pip could not."""
    if made():
        return
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements()]
    DIRECTORY.parent.mkdir(exist_ok=True)
    for command in ([sys.executable, "-m", "venv", str(DIRECTORY)], pip):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise PeerError(f"the Python peers could not be installed: {' '.join(last)}")
    (DIRECTORY / "pinned.txt").write_text("\n".join(requirements()) + "\n")


def versions(*names: str) -> dict[str, str]:
    """The pinned versions of some packages."""
    return {name: PINNED[name] for name in names}

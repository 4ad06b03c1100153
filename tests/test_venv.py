"""`.venv` in places where people put a clone: what works stays, what cannot work is made anew, and nobody's pip is in the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STAMPS = (".hub", ".ready")


def clone(directory: Path) -> Path:
    """A tree of what make needs."""
    directory.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements-core.lock", "requirements.lock"):
        shutil.copy(ROOT / name, directory)
    shutil.copytree(ROOT / "scripts", directory / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    return directory


def would_run(tree: Path) -> list[str]:
    """The commands of `make demo`."""
    told = subprocess.run(
        ["make", "-n", "--no-print-directory", "demo"], cwd=tree, capture_output=True, text=True, check=True
    )
    assert told.stderr == ""
    return told.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_clone_may_be_moved(tmp_path: Path) -> None:
    """Its .venv stays where it was made, in a path with a space, too; moved, copied or without its Python it is made anew."""
    here = clone(tmp_path / "a b" / "clone")
    subprocess.run([sys.executable, "-m", "venv", here / ".venv"], check=True)

    def ready(tree: Path) -> bool:
        for stamp in STAMPS:
            (tree / ".venv" / stamp).touch()
        commands = would_run(tree)
        assert commands[-1] == ".venv/bin/fast-sse demo"
        assert len(commands) == 1 or commands[0] == "scripts/setup-venv requirements-core.lock"
        return len(commands) == 1

    assert ready(here)
    (tmp_path / "link").symlink_to(tmp_path / "a b")
    assert ready(tmp_path / "link" / "clone")
    copy = shutil.copytree(here, tmp_path / "copy", symlinks=True)
    assert not ready(copy)
    moved = here.rename(tmp_path / "moved")
    assert not ready(moved)
    back = moved.rename(here)
    assert ready(back)
    for python in (back / ".venv" / "bin").glob("python*"):
        python.unlink()
        python.symlink_to("/nonexistent/python3")
    assert not ready(back)


def test_a_clone_without_an_environment_makes_one(tmp_path: Path) -> None:
    """Nothing is complained of where there is no .venv yet."""
    assert would_run(clone(tmp_path / "clone"))[0] == "scripts/setup-venv requirements-core.lock"


def test_what_cannot_work_is_made_anew(tmp_path: Path) -> None:
    """With the Python that is there now, and cleared: what an older Python left would be in the way."""
    tree, calls = clone(tmp_path / "clone"), tmp_path / "calls"
    (tree / ".venv" / "bin").mkdir(parents=True)
    (tree / ".venv" / "bin" / "python").symlink_to("/nonexistent/python3.9")
    python = program(tmp_path / "python", f'echo "$@" >> {calls}\nexit 0')
    setup(tree, PYTHON=str(python))
    assert f"-m venv --clear {Path('.venv')}" in calls.read_text().splitlines()


def test_settings_of_pip_put_nothing_elsewhere(tmp_path: Path) -> None:
    """Whoever installs into their home or another directory by default has a whole .venv all the same."""
    tree, seen = clone(tmp_path / "clone"), tmp_path / "seen"
    binaries = tree / ".venv" / "bin"
    binaries.mkdir(parents=True)
    python = program(binaries / "python", f"[ $1 = -c ] || env >> {seen}")
    (binaries / "pip").write_text(f"#!{python}\n")
    elsewhere = {name: str(tmp_path / "elsewhere") for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT")}
    setup(tree, PIP_USER="1", PIP_INDEX_URL="https://packages.example", **elsewhere)
    lines = seen.read_text().splitlines()
    assert lines.count("PIP_USER=0") == lines.count("PIP_INDEX_URL=https://packages.example") == 2
    assert not [line for line in lines if line.partition("=")[0] in elsewhere]


@pytest.mark.parametrize("home", ["/nonexistent", ""])
def test_a_home_that_cannot_be_written_is_left_alone(tmp_path: Path, home: str) -> None:
    """What pip and npm download is then kept in the clone; with another home it stays where they have it."""
    tree = clone(tmp_path / "a b" / "clone")

    def kept(home: str) -> list[str]:
        rule = 'kept: ; @echo "$$XDG_CACHE_HOME"; echo "$$npm_config_cache"'
        told = subprocess.run(
            ["make", "--no-print-directory", "--eval", rule, "kept"],
            cwd=tree,
            env={"PATH": os.environ["PATH"], "HOME": home},
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.splitlines()

    assert kept(home) == [f"{tree}/.cache", f"{tree}/.cache/npm"]
    assert kept(str(tmp_path)) == ["", ""]


def program(path: Path, text: str) -> Path:
    """A shell script as a program."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def setup(tree: Path, **environment: str) -> None:
    """Run what make runs; whether it ends well is the fake Python's matter."""
    command = [str(tree / "scripts" / "setup-venv"), "requirements-core.lock"]
    subprocess.run(command, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, check=False)

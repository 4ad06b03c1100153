"""`make demo` on a machine that lacks something: what it installs, and the one line that it asks for."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIND = ROOT / "scripts" / "find-python"


def find_python(
    directory: Path, *pythons: str, named: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """The script for an ordinary user on a machine whose PATH holds only these programs, each a shell text."""
    for tool in ("cat", "dirname"):
        (directory / tool).symlink_to(shutil.which(tool) or "")
    for name, text in zip(("id", "python3"), ("echo 1000", *pythons), strict=False):
        program = directory / name
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    environment = {"PATH": str(directory), **({"PYTHON": str(named)} if named else {})}
    return subprocess.run(
        ["/bin/sh", str(FIND)], env=environment, capture_output=True, text=True, check=False
    )


def test_a_python_that_will_do_is_printed(tmp_path: Path) -> None:
    """The path of a Python that makes virtual environments, and nothing else."""
    found = find_python(tmp_path, f'exec {shlex.quote(sys.executable)} "$@"')
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{tmp_path}/python3\n", "")


def test_a_python_is_named_in_a_path_with_a_space(tmp_path: Path) -> None:
    """`make PYTHON="/my tools/python3"`: the one that was named comes before those on the path."""
    mine = tmp_path / "my tools" / "python3"
    mine.parent.mkdir()
    mine.symlink_to(sys.executable)
    found = find_python(tmp_path, f'exec {shlex.quote(sys.executable)} "$@"', named=mine)
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{mine}\n", "")


def test_debians_missing_package_is_named(tmp_path: Path) -> None:
    """A Python without venv: one line to run before, with the package that Debian keeps it in."""
    found = find_python(
        tmp_path, f'case "$2" in *ensurepip*) exit 1 ;; esac\nexec {shlex.quote(sys.executable)} -I "$@"'
    )
    assert (found.returncode, found.stdout) == (1, "")
    assert "    sudo apt-get install python3-venv\n" in found.stderr
    assert f"is Python {sys.version_info.major}.{sys.version_info.minor} without its venv" in found.stderr


def test_a_python_that_lacks_sqlite_is_named(tmp_path: Path) -> None:
    """Built without the headers of SQLite, as happens to those who build their own: what it takes to build it again."""
    found = find_python(
        tmp_path, f'case "$2" in *sqlite3*) exit 1 ;; esac\nexec {shlex.quote(sys.executable)} -I "$@"'
    )
    assert (found.returncode, found.stdout) == (1, "")
    assert f"{tmp_path}/python3 was built without the module sqlite3 or ssl" in found.stderr
    assert "libsqlite3-dev" in found.stderr


@pytest.mark.parametrize("pythons", [(), ("exit 1",)])
def test_a_machine_without_python_is_told_what_it_takes(tmp_path: Path, pythons: tuple[str, ...]) -> None:
    """No Python, or one that is too old: the line names Python and venv."""
    found = find_python(tmp_path, *pythons)
    assert (found.returncode, found.stdout) == (1, "")
    assert "    sudo apt-get install python3 python3-venv\n" in found.stderr


def names(text: str) -> set[str]:
    """The packages of requirements."""
    return set(re.findall(r"^([a-z0-9-]+)(?=[=>\[])", text, re.MULTILINE))


def test_a_demo_takes_the_core_and_no_more() -> None:
    """What `make demo` installs holds each dependency of the hub, and neither a store's client nor a test tool."""
    locked = names((ROOT / "requirements-core.lock").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert names("\n".join(project["dependencies"])) <= locked
    assert not locked & {"pytest", "mypy", "playwright", "redis", "confluent-kafka", "cryptography"}
    assert locked <= names((ROOT / "requirements.lock").read_text())

"""A current Caddy, where Debian's is years old: built from its Go module, locked in caddy_current/."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tests.support.programs import need

MODULE = Path(__file__).parent / "caddy_current"
BUILD_S = 1800.0


def go() -> str:
    """A Go that is new enough for the module, or a skip that says what is missing: Debian 12 has an older one."""
    need("go")
    wanted = _numbers(r"^go (\d+)\.(\d+)", (MODULE / "go.mod").read_text())
    version = subprocess.run(["go", "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout
    if _numbers(r"^go(\d+)\.(\d+)", version) < wanted:
        pytest.skip(f"{version.strip()} is older than the Go {wanted[0]}.{wanted[1]} of a current Caddy")
    return "go"


def build(directory: Path) -> Path:
    """Build it; RuntimeError has what Go said."""
    binary = directory / "caddy"
    command = [go(), "build", "-mod=readonly", "-buildvcs=false", "-o", str(binary), "."]
    done = subprocess.run(command, cwd=MODULE, capture_output=True, text=True, timeout=BUILD_S, check=False)
    if done.returncode:
        raise RuntimeError(f"Caddy was not built\n{done.stderr[-3000:]}")
    return binary


def _numbers(pattern: str, text: str) -> tuple[int, ...]:
    found = re.search(pattern, text, re.MULTILINE)
    assert found, f"no version of Go in {text!r}"
    return tuple(int(number) for number in found.groups())

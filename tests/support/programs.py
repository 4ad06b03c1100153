"""Programs that a test runs and Python packages cannot bring: found, or the test is skipped and says so."""

from __future__ import annotations

import os
import shutil

import pytest


def program(name: str) -> str | None:
    """Where a program is; Debian keeps servers out of a user's path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def need(*names: str) -> None:
    """Skip, saying so, where a program is missing; in CI nothing may be skipped for want of one."""
    missing = [name for name in names if program(name) is None]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(missing)}")
    assert not missing, f"not installed: {', '.join(missing)}; see scripts/setup-test-packages"

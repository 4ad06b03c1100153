"""Node.js for tests: that of the machine, or the one that `scripts/setup-clients` installs for the clients of others."""

from __future__ import annotations

import shutil

from tests.support.server import ROOT

_OURS = ROOT / ".clients" / "node" / "bin" / "node"


def node_program() -> str:
    """Its path. One that is nowhere is left to the caller to miss: a laptop skips, CI fails."""
    return shutil.which("node") or str(_OURS)


def node_missing() -> bool:
    """Whether a test may be skipped for want of it: where it was not installed, which CI always does before."""
    return shutil.which(node_program()) is None

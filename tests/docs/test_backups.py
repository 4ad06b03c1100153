"""The commands of docs/backups.md, pasted: what they print, and what they leave."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.contract.asserting import everything, put
from tests.contract.backends import FOREVER, draft
from tests.docs.shell import DOCS, blocks
from tests.support.server import ROOT

from fast_sse.store.sqlite.store import SqliteStore

PAGE = (DOCS / "backups.md").read_text()
DAY = "2026-11-30"


async def opened(directory: Path) -> SqliteStore:
    store = SqliteStore(directory, FOREVER, ballast_bytes=4096)
    await store.open()
    return store


def paste(block: str, place: Path) -> str:
    """Run a block of the page in a place of the test's, on the day of the page; there is no systemd."""
    script = f"systemctl() {{ :; }}; date() {{ echo {DAY}; }}; {block}"
    for path in ("/var/lib/fast-sse", "/backup"):
        script = script.replace(path, f"{place}{path}")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", script],
        env={"PATH": path, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.replace(str(place), "")


@pytest.mark.slow
async def test_a_backup_is_taken_checked_and_restored(tmp_path: Path) -> None:
    """The first block prints the lines of the page, and deletes no backup of this week; the second makes a log of what is in
    it, beside the old one.
    """
    taking, restoring = blocks(PAGE, "sh")
    data, backups = tmp_path / "var/lib/fast-sse", tmp_path / "backup"
    data.mkdir(parents=True)
    backups.mkdir()
    store = await opened(data)
    await put(store, *(draft(data=b"%d" % n) for n in range(5)))
    shape = re.compile(r"[\d,.]+")
    shown = re.search(r"^```\n(/backup.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown
    printed = paste(taking, tmp_path).replace(store._origin.epoch, "k3v9x2qah5m2c")
    assert shape.sub("N", printed) == shape.sub("N", shown[1])
    held = await everything(store)
    await store.close()

    paste(restoring, tmp_path)
    assert (data / "old" / "log.db").exists()
    restored = await opened(data)
    assert await everything(restored) == held
    assert restored._origin.epoch != store._origin.epoch
    await restored.close()

"""docs/operations.md names only what there is, and reckons with the figures that were measured."""

from __future__ import annotations

import re

import pytest
from tests.docs.shell import DOCS
from tests.support.server import ROOT

from fast_sse.config import setting_names

PAGE = (DOCS / "operations.md").read_text()
BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text()


def test_every_number_to_watch_exists() -> None:
    """Each metric of the page has its row in metrics.md, and each outcome stands there."""
    metrics = (DOCS / "metrics.md").read_text()
    named = set(re.findall(r"`((?:fast_sse|process)_\w+)`", PAGE))
    assert len(named) >= 7
    assert [name for name in sorted(named) if f"| `{name}` |" not in metrics] == []
    (row,) = re.findall(r"^\| `fast_sse_publishes_total` .*", metrics, re.MULTILINE)
    (shown,) = re.findall(r"^\| `fast_sse_publishes_total` .*", PAGE, re.MULTILINE)
    words = re.findall(r"`(\w+)`", shown)[2:]
    assert words
    assert [word for word in words if f"`{word}`" not in row] == []


def test_every_setting_exists() -> None:
    """What has a dot and a group's name is a setting."""
    known = set(setting_names())
    groups = {name.partition(".")[0] for name in known if "." in name}
    named = {name for name in re.findall(r"`(\w+\.\w+)`", PAGE) if name.partition(".")[0] in groups}
    assert named >= {"retention.max_bytes", "dead_letters.max_bytes"}
    assert named - known == set()


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ("fanout: CPU per delivery (us)", r"(\d+) us of CPU each, less"),
        ("idle: RSS per idle subscriber (bytes)", r"(\d+\.\d) KB of memory each"),
        ("idle: CPU per subscription set up (us)", r"come back at once \| (\d+) us"),
        ("publish: CPU per publish, 32 connections (us)", r"(\d+) us of CPU each with SQLite"),
        ("publish: publishes/s, 1 connection", r"connections, ([\d,]+) over one"),
    ],
)
def test_the_page_reckons_with_what_was_measured(row: str, shown: str) -> None:
    """The figures of the table are those of the last benchmark with SQLite, to within a third."""
    (cells,) = [
        line.split("|")
        for line in BENCHMARKS.partition("<!-- bench:end -->")[0].splitlines()
        if f"| {row} |" in line
    ]
    measured = float(cells[4].split()[0].replace(",", ""))
    found = re.search(shown, PAGE)
    assert found, shown
    said = float(found[1].replace(",", "")) * (1000 if "KB" in shown else 1)
    assert measured / 1.33 < said < measured * 1.33

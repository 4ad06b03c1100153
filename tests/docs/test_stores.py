"""docs/stores.md against the code: what it promises of a store has a test, and what it lists is what the code knows."""

from __future__ import annotations

import re

from tests.docs.shell import DOCS
from tests.support.server import ROOT

PAGE = (DOCS / "stores.md").read_text()


def test_each_bad_day_has_its_test() -> None:
    """Every row of the tables of failures names a test that is there."""
    rows = [
        line
        for line in PAGE.partition("## What happens when")[2].splitlines()
        if line.startswith("| ") and "---" not in line and not line.startswith("| on ")
    ]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"

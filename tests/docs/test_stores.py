"""The pages of the stores against the code: each bad day that they describe has its test."""

from __future__ import annotations

import re

import pytest
from tests.docs.shell import DOCS
from tests.support.server import ROOT


@pytest.mark.parametrize(("name", "least"), [("sqlite", 10), ("redis", 25), ("kafka", 25)])
def test_each_bad_day_has_its_test(name: str, least: int) -> None:
    """Every row of a store's table of failures names a test that is there, or a file of them."""
    table = (DOCS / f"store-{name}.md").read_text().partition("## On a bad day")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [line for line in lines if not line.endswith("| what happens | test |")]
    assert len(rows) > least
    for row in rows:
        named = re.findall(r"`(tests/\S+?\.py)(?:::(\w+))?`", row)
        assert named, row
        for file, test in named:
            assert f"def {test or 'test_'}" in (ROOT / file).read_text(), f"{file}::{test}"

"""docs/quick-start.md, followed word by word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.docs.shell import DOCS, blocks, follow, needs_curl

pytestmark = [pytest.mark.wire, pytest.mark.slow, needs_curl, pytest.mark.timeout(120)]


def test_every_command_works_as_printed(tmp_path: Path) -> None:
    """No command fails, nothing is missing or there twice after the kill, and the answer has the shape that is shown."""
    printed = follow("quick-start.md", tmp_path, installed=False)
    (shown,) = blocks((DOCS / "quick-start.md").read_text(), "json")
    answer = printed[2].splitlines()[0]
    assert shape(json.loads(answer)) == shape(json.loads(shown))
    seen = [json.loads(line) for line in (tmp_path / "seen.log").read_text().splitlines()]
    assert [message["data"] for message in seen] == [{"n": 1}, {"n": 2}]
    resumed, *history = [json.loads(line) for line in printed[5].splitlines()]
    assert resumed["data"] == {"n": 2}
    assert [line["data"]["data"] for line in history] == [{"n": 1}, {"n": 2}]
    assert len({line["id"] for line in history}) == 2


def shape(value: object) -> object:
    """A JSON value with the kind of each leaf in its place."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    return type(value).__name__

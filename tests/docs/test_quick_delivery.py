"""docs/quick-delivery.md, followed word by word."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.docs.shell import DOCS, blocks, follow, needs_curl

pytestmark = [pytest.mark.wire, pytest.mark.slow, needs_curl, pytest.mark.timeout(120)]
VALUES = re.compile(r"s1\.\w{13}\.|\d{4}-\d\d-\d\dT[\d:]{8}Z|\d{4}-\d\d-\d\d [\d:.]{12}")


def outline(text: str) -> str:
    """A text without what differs from run to run, and without the spaces that follow from it."""
    return re.sub(r" +", " ", VALUES.sub("*", text))


def test_every_command_works_as_printed(tmp_path: Path) -> None:
    """The message dies, is listed, and is one message again for who listens now; each output is the one that is shown."""
    _, waited, looked, replayed, ended = follow("quick-delivery.md", tmp_path)
    page = (DOCS / "quick-delivery.md").read_text()
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    dead, listed, last = (text for language, text in fenced if not language)
    assert waited == f"status 1\n{dead}"
    assert outline(looked).startswith(outline(listed))
    assert 'data        "hello"' in looked
    summary, message = replayed.splitlines()
    assert re.fullmatch(r"replayed 1: s1\.\w{13}\.\d+", summary)
    (shown,) = (json.loads(block) for block in blocks(page, "json"))
    got = json.loads(message)
    assert got["data"]["data"] == shown["data"]["data"]
    assert got["data"]["headers"].keys() == shown["data"]["headers"].keys()
    assert got["data"]["headers"]["fast-sse-replay-of"] in looked
    assert outline(ended) == outline(last)

"""examples/README.md names every program there is, and no other, in plain sentences."""

from __future__ import annotations

import re

from tests.docs.test_readability import stumbles
from tests.support.server import ROOT

EXAMPLES = ROOT / "examples"
INDEX = EXAMPLES / "README.md"


def test_every_program_is_in_the_index() -> None:
    """A link for each file, and each link leads to something."""
    programs = {
        str(file.relative_to(EXAMPLES))
        for file in EXAMPLES.rglob("*.*")
        if file.suffix not in (".md", ".pyc") and file.is_file()
    }
    linked = set(re.findall(r"\]\(([^)]+)\)", INDEX.read_text()))
    assert len(programs) > 10
    assert {link for link in linked if not link.startswith("..")} == programs
    assert [link for link in linked if not (EXAMPLES / link).exists()] == []


def test_the_index_reads_at_first_sight() -> None:
    """The rules of the docs hold."""
    assert stumbles(INDEX.read_text()) == []

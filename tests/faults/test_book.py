"""docs/chaos.md: only the tool writes it, and its words are the tool's."""

from __future__ import annotations

from tests.faults.book import BOOK, HEAD, row, told
from tests.faults.checker import KINDS, check
from tests.faults.letters.judge import KINDS as LETTER_KINDS


def test_the_page_begins_as_the_tool_writes_it() -> None:
    """The words that explain the figures are in one place; below them are rows alone."""
    page = BOOK.read_text()
    assert page.startswith(HEAD)
    rows = page.removeprefix(HEAD).splitlines()
    assert rows
    assert [line for line in rows if not line.startswith("| 20") or line.count(" | ") != 5] == []


def test_every_kind_of_defect_is_explained() -> None:
    """A reader of a failed row finds its word in the head."""
    assert [kind for kind in {*KINDS, *LETTER_KINDS} if kind not in HEAD] == []


def test_a_figure_is_told_in_sentences() -> None:
    """Each part is one, each line of evidence too, and a bar does not end a cell."""
    figure = f"{check([], []).text()}; the last: 3 | 4"
    assert "\n" in figure
    assert "\n" not in told(figure)
    assert told(figure).endswith(". Empty: subscribers. The last: 3 | 4")
    assert row("test_x", "4 kills", figure, "passed").endswith(". The last: 3 / 4 | passed |\n")

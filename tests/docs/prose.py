"""The prose of a page in Markdown: its sentences, without code, links and marks."""

from __future__ import annotations

import re
from collections.abc import Iterator

_CODE = re.compile(r"^```.*?^```\n?", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_INLINE = re.compile(r"`[^`\n]+`")
#: What begins a piece of its own: an item of a list, a quotation.
_MARK = re.compile(r"^\s*([-*]|\d+\.|>)\s+")
_END = re.compile(r"(?<=[.!?])[*\")]*\s+")


def pieces(page: str) -> Iterator[str]:
    """Paragraphs, items of lists and cells of tables, each on one line, without headings. Code in a line is the word CODE."""
    text = _COMMENT.sub("", _CODE.sub("\n", page))
    text = _INLINE.sub("CODE", _LINK.sub(r"\1", _IMAGE.sub("", text)))
    for block in re.split(r"\n\s*\n", text):
        piece: list[str] = []
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line.startswith("|"):
                yield from (cell.strip() for cell in line.strip("|").split("|") if re.search(r"\w", cell))
            elif _MARK.match(line):
                yield " ".join(piece)
                piece = [_MARK.sub("", line)]
            else:
                piece.append(line.strip())
        yield " ".join(piece)


def sentences(page: str) -> list[str]:
    """All that a reader reads in one breath."""
    return [
        sentence.strip()
        for piece in pieces(page)
        for sentence in _END.split(piece.replace("**", ""))
        if sentence.strip()
    ]


def words(sentence: str) -> int:
    """How many; a dash or a dot in the middle is none."""
    return sum(1 for word in sentence.split() if re.search(r"\w", word))

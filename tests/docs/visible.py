"""The texts of the pages that the hub serves, collected from their HTML and their modules.

In a module every string with a space in it is one, wherever it stands: what is put together from pieces is read in pieces. A
value in a text is CODE, as code in a page is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from tests.support.server import ROOT

WEB = ROOT / "src" / "fast_sse" / "web"

#: Attributes that somebody reads or is read.
_READ = {"aria-label", "alt", "placeholder", "title"}
_INLINE = {"a", "b", "code", "em", "small", "span", "strong"}
_OTHER = {"script", "style", "svg"}

#: A comment, a regular expression, and both kinds of strings; what it begins with tells which.
_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|(?<=[(,=:\[!&|?{};])\s*/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])+/[a-z]*"
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`""",
    re.DOTALL,
)


def pages() -> dict[str, str]:
    """The source of every page and module of our own, by its path."""
    return {
        str(file.relative_to(WEB)): file.read_text()
        for file in sorted(WEB.rglob("*"))
        if file.suffix in {".html", ".js"} and "vendor" not in file.parts
    }


def visible(name: str, source: str) -> list[str]:
    """The texts of a file that are more than a word."""
    found = _of_html(source) if name.endswith(".html") else _of_module(source)
    return [text for text in found if len(re.findall(r"[A-Za-z]{2,}", text)) > 1 and " " in text]


def _of_html(source: str) -> list[str]:
    page = _Page()
    page.feed(source)
    return [" ".join(text.split()) for text in page.texts]


class _Page(HTMLParser):
    """A text goes on through what stands in its line, and ends at every other element."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = [""]
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            self.texts += [dict(attrs).get("content") or ""] if ("name", "description") in attrs else []
            return
        self._meet(tag)
        self.texts[-1:-1] = [value for name, value in attrs if name in _READ and value]
        if tag in _OTHER:
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._meet(tag)
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.texts[-1] += data

    def _meet(self, tag: str) -> None:
        if tag not in _INLINE:
            self.texts.append("")


def _of_module(source: str) -> list[str]:
    return list(_strings(source, 0, len(source)))


def _strings(source: str, at: int, end: int) -> Iterator[str]:
    """The strings of a piece of a program, and those inside the values of its templates."""
    while found := _TOKEN.search(source, at, end):
        token, at = found.group(), found.end()
        if token == "`":
            text, values, at = _template(source, at)
            yield text
            for begin, stop in values:
                yield from _strings(source, begin, stop)
        elif token[0] in "\"'":
            yield token[1:-1].replace('\\"', '"').replace("\\'", "'")


def _template(source: str, at: int) -> tuple[str, list[tuple[int, int]], int]:
    """A template whose mark stands before `at`: its text, where its values are, and what is behind it."""
    text: list[str] = []
    values: list[tuple[int, int]] = []
    while source[at] != "`":
        if source.startswith("${", at):
            stop = _closing(source, at + 2)
            values.append((at + 2, stop))
            text.append("CODE")
            at = stop + 1
        else:
            step = 2 if source[at] == "\\" else 1
            text.append(source[at : at + step])
            at += step
    return "".join(text), values, at + 1


def _closing(source: str, at: int) -> int:
    """Where the brace is that ends a value."""
    depth = 1
    while True:
        if source[at] == "`":
            *_, at = _template(source, at + 1)
            continue
        if source[at] in "\"'":
            found = _TOKEN.match(source, at)
            assert found
            at = found.end()
            continue
        depth += {"{": 1, "}": -1}.get(source[at], 0)
        if not depth:
            return at
        at += 1

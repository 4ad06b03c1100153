"""What an expression of PromQL names, held against the rows of docs/metrics.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.support.server import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text()
ERRORS = (ROOT / "docs" / "errors.md").read_text()

#: A number in an expression, with its labels and its range.
_SELECTOR = re.compile(r"\b((?:fast_sse|process)_\w+)(?:\{([^}]*)\})?(?:\[([\w$]+)\])?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
#: Added by whoever scrapes.
TARGET = {"job", "instance"}


class Row(NamedTuple):
    """A number, as it is described."""

    kind: str
    labels: set[str]
    text: str


class Selector(NamedTuple):
    """A number that an expression asks for. `series`: as it stands there, of a histogram with what is behind its name."""

    series: str
    name: str
    matchers: list[tuple[str, str]]
    span: str


TABLE = {
    name: Row(kind, {"node", *re.findall(r"`(\w+)`", labels)}, text)
    for name, kind, labels, text in re.findall(
        r"^\| `(\w+)` \| (\w+) \|([^|]*)\| (.*) \|$", PAGE, re.MULTILINE
    )
}
_PARTS = {
    f"{name}_{part}": name
    for name, row in TABLE.items()
    if row.kind == "histogram"
    for part in ("bucket", "count", "sum")
}


def selectors(expression: str) -> Iterator[Selector]:
    """Each number that an expression names."""
    for series, matchers, span in _SELECTOR.findall(expression):
        found = [(label, words) for label, _, words in _MATCHER.findall(matchers)]
        yield Selector(series, _PARTS.get(series, series), found, span)


def complaints(expression: str) -> Iterator[str]:
    """What is wrong with the numbers of an expression and their labels."""
    labels = {"le", *TARGET}
    for one in selectors(expression):
        row = TABLE.get(one.name)
        if row is None or (row.kind == "histogram") == (one.series == one.name):
            yield f"there is no {one.series}"
            continue
        labels |= row.labels
        counts = row.kind != "gauge"
        grows = re.search(rf"(?:rate|increase)\({one.series}\b", expression) is not None
        if counts != grows:
            yield f"{one.series} is a {row.kind}"
        if (
            one.series.endswith("_bucket")
            and "by (" in expression
            and not re.search(r"by \([^)]*\ble\b", expression)
        ):
            yield f"the buckets of {one.name} are added up"
        for label, words in one.matchers:
            if label not in row.labels | TARGET:
                yield f"{one.name} has no label {label}"
            elif label not in TARGET | {"node"}:
                yield from (
                    f"{one.name} has no {label} {word}"
                    for word in words.split("|")
                    if f"`{word}`" not in row.text + ERRORS
                )
    for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression):
        yield from (
            f"nothing has the label {word}" for word in re.findall(r"\w+", group) if word not in labels
        )

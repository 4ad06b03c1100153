"""The page of symptoms names only what there is: settings, metrics, codes, and places in other pages."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.docs.shell import DOCS
from tests.support.server import ROOT

from fast_sse.config import setting_names

PAGE = (DOCS / "troubleshooting.md").read_text()
NAMES = re.findall(r"`([^`\n]+)`", PAGE)


def rows() -> list[list[str]]:
    """The cells of every line of a table but the heads."""
    lines = [line.strip("|").split(" | ") for line in PAGE.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in cells] for cells in lines if cells[0].strip() != "you see"]


def anchors(page: str) -> Iterator[str]:
    """What the headings of a page are called in a link."""
    for heading in re.findall(r"^#+ (.*)$", (DOCS / page).read_text(), re.MULTILINE):
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_each_symptom_has_a_cause_and_a_change() -> None:
    """Three cells, none of them empty, and no symptom twice."""
    found = rows()
    assert len(found) > 40
    assert [row for row in found if len(row) != 3 or not all(row)] == []
    assert len({row[0] for row in found}) == len(found)


def test_every_setting_exists() -> None:
    """What looks like a setting of the hub's is one: by its dot, or because one of that name stands alone."""
    known = set(setting_names())
    groups = {name.partition(".")[0] for name in known if "." in name}
    dotted = {
        re.split(r" ?=", name)[0] for name in NAMES if name.partition(".")[0] in groups and "/" not in name
    }
    assert len(dotted) > 10
    assert dotted - known == set()
    assert {"heartbeat_s", "connection_age_s", "trusted_proxies", "log_level", "data_dir"} <= known & set(
        NAMES
    )


def test_every_metric_and_code_exists() -> None:
    """Numbers stand in metrics.md, codes behind a status in errors.md, reasons of a gap in subscribing.md."""
    metrics, errors = (DOCS / "metrics.md").read_text(), (DOCS / "errors.md").read_text()
    named = {name for name in NAMES if name.startswith("fast_sse_")}
    assert len(named) == 2
    assert [name for name in named if f"| `{name}` |" not in metrics] == []
    codes = re.findall(r"\b(4\d\d|5\d\d) `(\w+)`", PAGE)
    assert len(codes) > 4
    assert [pair for pair in codes if "| {} | `{}` |".format(*pair) not in errors] == []
    gaps = re.findall(r"gap `(\w+)`", PAGE)
    assert {f"| `{reason}` |" in (DOCS / "subscribing.md").read_text() for reason in gaps} == {True}
    assert len(set(gaps)) == 5


def test_every_message_is_one_of_the_hubs() -> None:
    """What a reader looks for in a terminal or a log is written by the code, word for word behind the setting's name."""
    code = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    quoted = [name for row in rows() for name in re.findall(r"`([a-z_]+(?:: | )[^`]+)`", row[0])]
    said = [name for name in quoted if re.fullmatch(r"[\w:(). ]+", name)]
    assert len(said) > 4
    assert [name for name in said if name.rpartition(": ")[2] not in code] == []


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)]+)\)", PAGE))))
def test_every_link_leads_somewhere(link: str) -> None:
    """The page is there, and the heading in it."""
    page, _, anchor = link.partition("#")
    page = page or "troubleshooting.md"
    assert (DOCS / page).is_file()
    assert not anchor or anchor in set(anchors(page))

"""deploy/prometheus is held to the numbers that there are: by docs/metrics.md, and by what a hub shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # of schemathesis, without types
from tests.support.http1 import request
from tests.support.publisher import publish_once
from tests.support.server import ROOT, Hub

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "fast-sse.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
PAGE = (ROOT / "docs" / "metrics.md").read_text()
ERRORS = (ROOT / "docs" / "errors.md").read_text()
#: Kind and text of each number, by its name.
TABLE = {
    name: (kind, labels, text)
    for name, kind, labels, text in re.findall(
        r"^\| `(\w+)` \| (\w+) \|([^|]*)\| (.*) \|$", PAGE, re.MULTILINE
    )
}
#: A number in an expression, with its labels and what stands behind it.
SELECTOR = re.compile(r"\b((?:fast_sse|process)_\w+)(?:\{([^}]*)\})?(\[\w+\])?")
MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')


def selectors() -> Iterator[tuple[str, str, str, str]]:
    """Alert, name, labels and range of each number that a rule asks for."""
    for rule in RULES:
        for name, labels, span in SELECTOR.findall(rule["expr"]):
            yield rule["alert"], name, labels, span


def test_each_rule_is_whole() -> None:
    """A name of its own, how bad it is, and what it says to whoever is woken; no letter of a message in it."""
    assert len(RULES) > 12
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        assert rule["annotations"].keys() == {"summary"}, rule


def test_each_number_is_described() -> None:
    """With its kind: a counter is asked how it grew, a gauge what it is or by how much it changed."""
    seen = list(selectors())
    assert len(seen) >= len(RULES)
    for alert, name, _, span in seen:
        assert name in TABLE, f"{alert}: there is no {name}"
        grew = re.search(rf"(?:rate|increase)\({name}", next(r["expr"] for r in RULES if r["alert"] == alert))
        assert bool(grew) == bool(TABLE[name][0] == "counter"), alert
        assert not span or grew or TABLE[name][0] == "gauge", alert


def test_each_label_and_word_is_described() -> None:
    """A label is one of the number's, and each of its words stands in its row, or is the code of an error."""
    for alert, name, labels, _ in selectors():
        for label, _, words in MATCHER.findall(labels):
            assert f"`{label}`" in TABLE[name][1], f"{alert}: {label}"
            for word in words.split("|"):
                assert f"`{word}`" in TABLE[name][2] + ERRORS, f"{alert}: {word}"


def test_each_label_in_a_text_is_kept_by_its_rule() -> None:
    """What a sum takes away is not there to be named."""
    for rule in RULES:
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        kept = re.search(r"^(?:time\(\) - )?(?:sum|max) by \(([\w, ]+)\)", rule["expr"])
        if kept:
            assert named <= {*re.findall(r"\w+", kept[1])}, rule["alert"]
        else:
            assert named <= {"node"}, rule["alert"]


def test_the_page_names_the_rules() -> None:
    """Each alert stands in docs/metrics.md, and no other."""
    section = PAGE.split("\n## What to watch\n")[1]
    assert {*re.findall(r"`(FastSse\w+)`", section)} == {rule["alert"] for rule in RULES}


@pytest.mark.wire
@pytest.mark.slow
async def test_a_hub_shows_each_number(tmp_path: Any) -> None:
    """With SQLite all of them but those of a queue, which only a hub with a queue has, and what has to happen first."""
    async with Hub(tmp_path, port=0) as hub:
        assert (await publish_once(hub.public, ("a", "b"), 1)).status == 200
        shown = (await request(hub.admin, "GET", "/metrics")).body.decode()
    names = {*re.findall(r"^# TYPE (\w+)", shown, re.MULTILINE)}
    missing = {name for _, name, _, _ in selectors()} - names
    assert {name for name in missing if not name.startswith("fast_sse_ingest_")} <= {
        "fast_sse_streams_evicted_total"
    }

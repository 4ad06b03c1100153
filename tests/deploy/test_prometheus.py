"""deploy/prometheus is held to the numbers that there are, and to docs/alerts.md, which says what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # of schemathesis, without types
from tests.deploy.expressions import TABLE, complaints, selectors
from tests.support.http1 import request
from tests.support.publisher import publish_once
from tests.support.server import ROOT, Hub

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy" / "prometheus" / "fast-sse.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = (ROOT / "docs" / "alerts.md").read_text()
#: What a hub with SQLite shows only after something has happened, or has not at all.
NOT_AT_FIRST = {
    "fast_sse_streams_evicted_total",
    "fast_sse_gaps_total",
    "fast_sse_auth_failures_total",
    "fast_sse_receipts_forgotten_total",
}


def test_each_rule_is_whole() -> None:
    """A name of its own, how bad it is, and what it says to whoever is woken; no letter of a message in it."""
    assert len(RULES) > 30
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule
        assert rule["annotations"].keys() == {"summary"}, rule


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_rule_asks_for_what_there_is(rule: dict[str, Any]) -> None:
    """Numbers, labels and words of docs/metrics.md; a counter is asked how it grew, a gauge what it is."""
    assert [*complaints(rule["expr"])] == []
    assert "up{" in rule["expr"] or [*selectors(rule["expr"])], "a rule that asks for nothing"


def test_each_label_in_a_text_is_kept_by_its_rule() -> None:
    """What a sum takes away is not there to be named."""
    for rule in RULES:
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        kept = re.search(r"(?:sum|max) by \(([\w, ]+)\)", rule["expr"])
        if kept:
            assert named <= {*re.findall(r"\w+", kept[1])}, rule["alert"]
        else:
            assert named <= ({"instance"} if rule["expr"].startswith("up{") else {"node"}), rule["alert"]


def test_each_alert_says_what_to_do() -> None:
    """In a section of its own of docs/alerts.md, of a few sentences; and no section is of an alert that is gone."""
    said = dict(re.findall(r"^## (\w+)\n\n((?:.+\n)+)", ALERTS, re.MULTILINE))
    assert said.keys() == {rule["alert"] for rule in RULES}
    for alert, text in said.items():
        assert text.count(".") >= 2, alert


def test_sections_follow_the_rules() -> None:
    """In their order, so that who reads one file finds the way in the other."""
    assert re.findall(r"^## (FastSse\w+)$", ALERTS, re.MULTILINE) == [rule["alert"] for rule in RULES]


@pytest.mark.wire
@pytest.mark.slow
async def test_a_hub_shows_each_number(tmp_path: Any) -> None:
    """With SQLite all of them but those of a queue, which only a hub with a queue has, and what has to happen first."""
    async with Hub(tmp_path, port=0) as hub:
        assert (await publish_once(hub.public, ("a", "b"), 1)).status == 200
        shown = (await request(hub.admin, "GET", "/metrics")).body.decode()
    names = {*re.findall(r"^# TYPE (\w+)", shown, re.MULTILINE)}
    missing = {one.name for rule in RULES for one in selectors(rule["expr"])} - names
    assert missing <= TABLE.keys()
    assert {name for name in missing if not name.startswith("fast_sse_ingest_")} <= NOT_AT_FIRST

"""deploy/grafana is held to the numbers that there are: a panel that asks for nothing would only look calm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from tests.deploy.expressions import TABLE, complaints, selectors
from tests.support.server import ROOT

BOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "fast-sse.json").read_text())
PANELS: list[dict[str, Any]] = BOARD["panels"]
ASKED = [(panel, target) for panel in PANELS for target in panel.get("targets", ())]


def overlaps(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two places on the grid share a cell."""
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@pytest.mark.parametrize(
    ("panel", "target"), ASKED, ids=[f"{panel['id']}{target['refId']}" for panel, target in ASKED]
)
def test_each_panel_asks_for_what_there_is(panel: dict[str, Any], target: dict[str, Any]) -> None:
    """Numbers, labels and words of docs/metrics.md, of the job and the nodes that are chosen."""
    expression = target["expr"]
    asked = [*selectors(expression)]
    assert asked, panel["title"]
    assert [*complaints(expression)] == [], panel["title"]
    for one in asked:
        assert {("job", "$job"), ("node", "$node")} <= {*one.matchers}, panel["title"]
        assert one.span in ("", "$__rate_interval"), panel["title"]


def test_each_legend_names_a_label_that_is_kept() -> None:
    """What a sum takes away is not there to be named."""
    for panel, target in ASKED:
        kept = {
            word
            for group in re.findall(r"by \(([^)]*)\)", target["expr"])
            for word in re.findall(r"\w+", group)
        }
        assert {*re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])} <= kept, panel["title"]


def test_job_and_node_can_be_chosen() -> None:
    """From what there is, of any data source; several nodes at once, and all of them at first."""
    chosen = {one["name"]: one for one in BOARD["templating"]["list"]}
    assert [*chosen] == ["datasource", "job", "node"]
    for name in ("job", "node"):
        (number, label) = re.fullmatch(
            r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", chosen[name]["definition"]
        ).groups()  # type: ignore[union-attr]
        assert (number in TABLE, label) == (True, name)
    assert (chosen["node"]["multi"], chosen["node"]["includeAll"]) == (True, True)
    for panel in PANELS:
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}", panel["title"]


def test_the_board_is_laid_out() -> None:
    """Each panel has a number, a title and a place of its own, within the 24 columns."""
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    assert all(panel["title"] and panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)
    crowded = [
        (one["title"], other["title"])
        for one, other in combinations(PANELS, 2)
        if overlaps(one["gridPos"], other["gridPos"])
    ]
    assert crowded == []


def series() -> Iterator[str]:
    """The number of each panel."""
    for _, target in ASKED:
        yield from (one.name for one in selectors(target["expr"]))


def test_each_histogram_is_drawn() -> None:
    """It is what a board is for: a percentile cannot be read off a scrape."""
    assert {name for name, row in TABLE.items() if row.kind == "histogram"} <= {*series()}

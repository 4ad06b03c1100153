"""The run over stores: what it asks, in which order, and how it is told."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from benchmarks.peers.nodes import Cores, FreshLog
from benchmarks.peers.process import PeerError

from benchmarks import stores
from fast_sse.bench.scenarios import SCENARIOS

CORES = Cores(0, 1, 1, 1)
FACTS = {
    "command": "benchmarks/stores.py",
    "commit": "abc",
    "changed_sources": False,
    "date": "2026-11-25",
    "cpu": "A CPU",
    "cores": 2,
    "memory_kib": 8 << 20,
    "kernel": "6",
    "load_average": 0.1,
    "redis": "7.0.15",
    "kafka": "3.9.1",
}


@contextmanager
def nothing(_core: int) -> Iterator[FreshLog]:
    """A log that nobody serves."""
    yield dict


def asked(**changes: Any) -> Namespace:
    """A command line."""
    usual = {"stores": ["a", "b"], "only": ["publish", "cross-node"], "rounds": 2, "quick": True}
    return Namespace(**(usual | changes))


def test_every_part_is_one_that_the_generator_knows() -> None:
    """Scenario, options and figures exist, so that a run does not find that out after an hour."""
    for name, part in stores.PARTS.items():
        assert set(part.options) <= {*SCENARIOS[part.scenario].full, "channels"}, name
        assert set(part.quick) <= set(part.options), name
    assert {row[0] for row in stores.ROWS} == set(stores.PARTS)


def test_stores_take_turns_and_only_shared_ones_have_two_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A B of one part, then the next; a store of one process is left out where there are two."""
    seen: list[Any] = []
    monkeypatch.setattr(stores, "measure", lambda *_: {"figures": {}})
    logs = {"a": stores.Log("sqlite", nothing, shared=False), "b": stores.Log("redis", nothing)}
    monkeypatch.setattr(stores, "STORES", logs)
    seen = [(run["round"], run["part"], run["store"]) for run in stores.run_all(asked(), CORES)]
    one_round = [("publish", "a"), ("publish", "b"), ("cross-node", "b")]
    assert seen == [(number, *turn) for number in (1, 2) for turn in one_round]


def run(store: str, number: int, figures: dict[str, Any], part: str = "publish") -> stores.Run:
    """One measurement."""
    return {"part": part, "store": store, "round": number, "options": {}, "figures": figures}


def test_the_table_has_a_row_a_figure_and_a_column_a_store() -> None:
    """Median and range of the rounds; an empty cell where a store does not play."""
    runs = [run("a", n, {"single_1_publishes_per_s": 100.0 * n}) for n in (1, 2, 3)]
    runs.append(run("b", 1, {"latency_p50_ms": 1.5}, "cross-node"))
    lines = stores.table(runs).splitlines()
    assert lines[0] == "| | a | b |"
    assert lines[2] == "| publishes/s, 1 connection | 200 [100, 300] |  |"
    assert lines[3].endswith("|  | 1.50 |")


def test_the_page_says_what_the_machine_allows() -> None:
    """Two cores for everything are named, and so is whatever went wrong."""
    failed = {"part": "replay", "store": "b", "round": 1, "options": {}, "error": "it broke"}
    text = stores.section(FACTS, [run("a", 1, {"lost": 2}), failed], CORES)
    assert "two nodes are not twice one" in text
    assert "two nodes are not twice one" not in stores.section(FACTS, [], Cores(0, 1, 2, 3))
    assert "- replay, b, round 1: it broke" in text
    assert "LOST 2" in text


def test_cores_are_shared_where_there_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The node has a core to itself in any case."""
    for cores, expected in (({4, 5}, (4, 5, 5, 5)), ({0, 1, 2, 3, 7}, (0, 1, 2, 3))):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _pid, cores=cores: cores)
        assert Cores.of_this_machine() == expected
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    with pytest.raises(PeerError):
        Cores.of_this_machine()

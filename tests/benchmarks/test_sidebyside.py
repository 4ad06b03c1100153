"""The order of a run, and that what it measured survives its end."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import pytest
from benchmarks.peers.process import PeerError
from benchmarks.peers.registry import PEERS
from benchmarks.plan import Part

from benchmarks import plan, report, sidebyside

BOTH = {name: PEERS[name] for name in ("nchan", report.MEMORY)}


def asked(**changes: Any) -> Namespace:
    """A command line."""
    usual = {
        "only": ["fanout", "idle"],
        "quick": True,
        "no_charts": True,
        "rounds": 2,
        "seconds_max": 1000.0,
        "peers": [],
    }
    return Namespace(**(usual | changes))


def fake(monkeypatch: pytest.MonkeyPatch, interrupt_at: int = 1 << 30) -> list[Part]:
    """Measure nothing; the parts that were asked for."""
    seen: list[Part] = []

    def measure(_peer: object, part: Part, _seconds_max: float) -> dict[str, Any]:
        seen.append(part)
        if len(seen) == interrupt_at:
            raise KeyboardInterrupt
        return {"figures": {"cpu_us_per_delivery": 1.0}}

    monkeypatch.setattr(sidebyside, "measure", measure)
    return seen


def test_servers_take_turns_and_rounds_are_outermost(monkeypatch) -> None:
    """A B of one part, A B of the next, and then again."""
    fake(monkeypatch)
    runs, left_out = sidebyside.run_all(asked(), BOTH)
    order = [(run["round"], run["scenario"], run["peer"]) for run in runs]
    assert order == [(n, part, peer) for n in (1, 2) for part in ("fanout", "idle") for peer in BOTH]
    assert left_out == []


def test_what_does_not_fit_is_left_out_with_a_line(monkeypatch) -> None:
    """The bound is kept before a block begins, and said."""
    fake(monkeypatch)
    runs, left_out = sidebyside.run_all(asked(seconds_max=1.0), BOTH)
    assert runs == []
    assert "round 1 of fanout: no time left of 1 s" in left_out


def test_an_interrupted_run_keeps_what_it_has(monkeypatch) -> None:
    """Ctrl-C ends a run and not its report."""
    fake(monkeypatch, interrupt_at=2)
    runs, left_out = sidebyside.run_all(asked(), BOTH)
    assert [run["peer"] for run in runs] == ["nchan"]
    assert left_out == ["the rest: interrupted"]


def test_only_a_whole_run_may_be_quoted() -> None:
    """Every goal, enough rounds of it; nothing quick, narrowed or cut short."""
    figures = {row.key: 1.0 for row in report.ROWS}
    runs = [
        {"scenario": name, "peer": peer, "round": number, "options": {}, "figures": figures}
        for peer in ("nchan", report.MEMORY, report.BARE, report.SQLITE)
        for name in reversed(plan.FULL)  # the last run is one that a goal needs in every round
        for number in range(1, plan.ROUNDS + 1)
    ]
    whole = asked(only=list(plan.FULL), quick=False, no_charts=False)
    assert sidebyside.quotable(whole, runs)
    assert not sidebyside.quotable(whole, runs[:-1])
    for change in ({"quick": True}, {"no_charts": True}, {"only": ["fanout"]}, {"peers": ["nchan"]}):
        assert not sidebyside.quotable(Namespace(**(vars(whole) | change)), runs)


def test_a_server_that_is_not_there_is_a_line_unless_it_was_asked_for(monkeypatch) -> None:
    """Nobody needs every peer, but who names one wants it."""

    def install() -> None:
        raise PeerError("set X=/path")

    absent = PEERS["nchan"]._replace(install=install)
    monkeypatch.setattr(sidebyside, "PEERS", {"nchan": absent, report.MEMORY: PEERS[report.MEMORY]})
    found, lines = sidebyside.to_be_had([])
    assert list(found) == [report.MEMORY]
    assert lines == ["nchan: set X=/path"]
    with pytest.raises(PeerError, match="set X"):
        sidebyside.to_be_had(["nchan"])

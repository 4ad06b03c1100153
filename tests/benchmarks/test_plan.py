"""A run that is cut short has fewer rounds of everything, and no run is longer than it may be."""

from __future__ import annotations

from benchmarks.plan import Budget, Part

from benchmarks import plan

SHORT = Part("short", "fanout", {"seconds": 2.0})


def test_rounds_are_the_outermost_loop() -> None:
    """All parts of a round come before the next round; a chart's point is in the first rounds only."""
    point = Part("point", "fanout", {}, rounds=1)
    order = [(number, part.name) for number, part in plan.in_order([SHORT, point], 2)]
    assert order == [(1, "short"), (1, "point"), (2, "short")]


def test_rounds_to_spare_come_when_all_else_is_done() -> None:
    """A run that ends early has all pairs that are judged, and charts of one round."""
    point = Part("point", "fanout", {}, rounds=2, spare=True)
    order = [(number, part.name) for number, part in plan.in_order([SHORT, point], 3)]
    assert order == [(1, "short"), (1, "point"), (2, "short"), (3, "short"), (2, "point")]


def test_a_block_is_begun_only_if_it_is_expected_to_end_in_time() -> None:
    """Before its first time by its options, afterwards by how long it took; what was spent is gone."""
    budget = Budget(40.0, servers=2)
    assert budget.fits(SHORT)
    budget.spend(SHORT, 25.0)
    assert budget.left_s == 15.0
    assert not budget.fits(SHORT)
    assert not budget.fits(Part("long", "fanout", {"seconds": 8.0}))
    assert budget.fits(Part("tiny", "fanout", {"seconds": 1.0}))


def test_a_quick_run_changes_numbers_and_not_questions() -> None:
    """The same parts, each with the same options, some of them smaller."""
    full, quick = (plan.parts(plan.FULL, quick=quick, charts=False) for quick in (False, True))
    assert [part.name for part in full] == [part.name for part in quick]
    for long, short in zip(full, quick, strict=True):
        assert long.options.keys() == short.options.keys()
        assert all(short.options[name] <= value for name, value in long.options.items())


def test_chart_points_stay_below_what_is_due() -> None:
    """Over subscribers the rate falls, so that cost is measured and not the limit."""
    points = [part for part in plan.parts([], quick=False, charts=True) if part.name == plan.BY_SUBSCRIBERS]
    assert [part.options["subscribers"] for part in points] == [10, 100, 1000, 10_000]
    for part in points:
        assert part.options["subscribers"] * part.options["rate"] <= plan.CHART_DELIVERIES_PER_S


def test_a_server_may_be_given_less_and_never_more() -> None:
    """Only the scenario that is named changes, and a quick run's smaller number stays."""
    part = Part("burst", "burst", {"messages": 200, "publishers": 32})
    assert part.for_peer({"burst": {"messages": 300}}) == part
    assert part.for_peer({"burst": {"messages": 100}}).options == {"messages": 100, "publishers": 32}
    assert part.for_peer({"idle": {"messages": 1}}) == part

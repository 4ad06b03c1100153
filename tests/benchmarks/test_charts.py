"""A chart is valid SVG that shows every point at its place, its range, and nothing that was not measured."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from benchmarks.charts import Point, Series
from benchmarks.report import Run

from benchmarks import charts, plan

SVG = "{http://www.w3.org/2000/svg}"


def point_of(peer: str, number: int, subscribers: int, cpu_us: float | None) -> Run:
    """One measurement of the chart over subscribers."""
    run: Run = {
        "scenario": plan.BY_SUBSCRIBERS,
        "peer": peer,
        "round": number,
        "options": {"subscribers": subscribers},
    }
    return run | ({"figures": {"cpu_us_per_delivery": cpu_us}} if cpu_us else {"error": "no"})


RUNS = [
    point_of("a", 1, 1000, 4.0),
    point_of("a", 1, 10, 20.0),
    point_of("a", 2, 10, 40.0),
    point_of("a", 2, 1000, None),
    point_of("<b>", 1, 10, 8.0),
]


def test_points_are_medians_in_order_with_their_range() -> None:
    """Rounds of one place are one point; a run that failed is none."""
    found = charts.curve(RUNS, plan.BY_SUBSCRIBERS, "a", "subscribers", "cpu_us_per_delivery")
    assert found == [Point(10, 30.0, 20.0, 40.0), Point(1000, 4.0, 4.0, 4.0)]


def test_axes_are_logarithmic_and_end_at_round_values() -> None:
    """Equal factors are equal distances; every value lies inside; ticks are 1, 2 and 5 of each decade."""
    axis = charts.axis([3.0, 70.0], 0, 100)
    assert (axis.low, axis.high) == (2.0, 100.0)
    assert axis.at(20) - axis.at(2) == pytest.approx(axis.at(50) - axis.at(5))
    assert [round(value, 6) for value in axis.ticks()] == [2, 5, 10, 20, 50, 100]
    assert charts.axis([5.0], 0, 100).high == 50.0


def test_a_wide_axis_has_ticks_at_powers_of_ten_only() -> None:
    """Six decades of 1, 2 and 5 would cover one another."""
    assert [round(value) for value in charts.axis([1.0, 100_000.0], 0, 1).ticks()] == [
        1,
        10,
        100,
        1000,
        10_000,
        100_000,
    ]


def test_a_chart_is_svg_with_a_line_for_each_server() -> None:
    """One polyline and one name for each, a circle for each point, a bar where rounds differ; names are escaped."""
    name, text = next(iter(charts.drawn(RUNS, "abc").items()))
    root = ET.fromstring(text)
    assert name == "cpu-against-subscribers.svg"
    assert len(root.findall(f"{SVG}polyline")) == 2
    assert len(root.findall(f"{SVG}circle")) == 3
    words = {element.text for element in root.iter(f"{SVG}text")}
    assert {"a", "<b>", "subscribers of one channel", "abc"} <= words


def test_points_lie_inside_the_frame() -> None:
    """No point is drawn over the legend or outside the picture."""
    series = [Series("a", [Point(10, 0.5, 0.1, 9.0), Point(5000, 7.0, 7.0, 7.0)])]
    root = ET.fromstring(charts.chart("t", "x", "y", series))
    for circle in root.iter(f"{SVG}circle"):
        assert charts.LEFT <= float(circle.attrib["cx"]) <= charts.WIDTH - charts.RIGHT
        assert charts.TOP <= float(circle.attrib["cy"]) <= charts.HEIGHT - charts.BOTTOM


def test_without_points_there_is_no_chart() -> None:
    """A run that left the charts out writes none, instead of an empty one."""
    assert charts.drawn([], "abc") == {}
    with pytest.raises(ValueError, match="without points"):
        charts.chart("t", "x", "y", [Series("a", [])])

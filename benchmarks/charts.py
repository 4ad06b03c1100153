"""Line charts as SVG, written by hand: both axes logarithmic, a line per server, the range of the rounds as a bar.

The file holds no script and no font, looks the same in a README and in a browser, and is the same bytes for the same
figures. Points are medians.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor, log10
from statistics import median
from typing import NamedTuple
from xml.sax.saxutils import escape

from benchmarks.plan import BY_CHANNELS, BY_RATE, BY_SUBSCRIBERS
from benchmarks.report import Run

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 64, 180, 56, 56
#: Readable beside one another also by those who see few colours (Okabe and Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


class Point(NamedTuple):
    """One place of a line: the median over rounds, and its range."""

    x: float
    y: float
    low: float
    high: float


class Series(NamedTuple):
    """One line."""

    name: str
    points: list[Point]
    dashed: bool = False
    colour: str = COLOURS[0]


class Axis(NamedTuple):
    """A logarithmic axis from `low` to `high`, drawn from pixel `start` to pixel `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """1, 2 and 5 of every decade; only the powers of ten where these would be too many."""
        decades = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        steps = (1, 2, 5) if len(decades) <= 4 else (1,)
        every = [step * 10.0**decade for decade in decades for step in steps]
        return [value for value in every if self.low <= value * 1.000001 and value <= self.high * 1.000001]


def axis(values: Iterable[float], start: float, end: float) -> Axis:
    """An axis that holds all values, ending at 1, 2 or 5 times a power of ten."""
    found = [value for value in values if value > 0]
    low, high = _rounded(min(found), up=False), _rounded(max(found), up=True)
    return Axis(low, high if high > low else low * 10, start, end)


def _rounded(value: float, *, up: bool) -> float:
    power = 10.0 ** floor(log10(value))
    steps = [step * power for step in (1, 2, 5, 10)]
    if up:
        return next(step for step in steps if step >= value * 0.999999)
    return [step for step in steps if step <= value * 1.000001][-1]


def curve(runs: Iterable[Run], scenario: str, peer: str, x: str, y: str) -> list[Point]:
    """The points of one server: `x` is an option, `y` a figure. A run without the figure is no point."""
    found: dict[float, list[float]] = {}
    for run in runs:
        value = run.get("figures", {}).get(y)
        if run["scenario"] == scenario and run["peer"] == peer and value:
            found.setdefault(float(run["options"][x]), []).append(value)
    return [Point(at, median(ys), min(ys), max(ys)) for at, ys in sorted(found.items())]


def chart(title: str, x_title: str, y_title: str, series: list[Series], foot: str = "") -> str:
    """The whole file; `foot` stands small below it. Raises ValueError where there is nothing to draw."""
    points = [point for one in series for point in one.points]
    if not points:
        raise ValueError("a chart without points")
    across = axis([point.x for point in points], LEFT, WIDTH - RIGHT)
    upward = axis([y for point in points for y in (point.low, point.high)], HEIGHT - BOTTOM, TOP)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="sans-serif" font-size="12" role="img">'
        ),
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, title, size=15),
        _text(LEFT, 42, y_title, colour="#555555"),
        _text((across.start + across.end) / 2, HEIGHT - 20, x_title, anchor="middle", colour="#555555"),
        _text(WIDTH - 8, HEIGHT - 6, foot, anchor="end", size=10, colour="#777777"),
        *_grid(across, upward),
    ]
    for place, one in enumerate(one for one in series if one.points):
        lines += _line(one, across, upward)
        y = TOP + 8 + 20 * place
        lines.append(_stroke(WIDTH - RIGHT + 16, y, WIDTH - RIGHT + 40, y, one.colour, 2, dashed=one.dashed))
        lines.append(_text(WIDTH - RIGHT + 46, y + 4, one.name))
    return "\n".join([*lines, "</svg>", ""])


def _grid(across: Axis, upward: Axis) -> list[str]:
    lines = []
    for value in across.ticks():
        x = across.at(value)
        lines.append(_stroke(x, upward.start, x, upward.end, "#e5e5e5", 1))
        lines.append(_text(x, upward.start + 18, f"{value:,g}", anchor="middle"))
    for value in upward.ticks():
        y = upward.at(value)
        lines.append(_stroke(across.start, y, across.end, y, "#e5e5e5", 1))
        lines.append(_text(across.start - 8, y + 4, f"{value:,g}", anchor="end"))
    return lines


def _line(one: Series, across: Axis, upward: Axis) -> list[str]:
    places = [(across.at(point.x), upward.at(point.y)) for point in one.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dash = ' stroke-dasharray="5 4"' if one.dashed else ""
    lines = [f'<polyline points="{path}" fill="none" stroke="{one.colour}" stroke-width="2"{dash}/>']
    for (x, y), point in zip(places, one.points, strict=True):
        lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{one.colour}"/>')
        if point.low != point.high:
            lines.append(_stroke(x, upward.at(point.low), x, upward.at(point.high), one.colour, 1))
    return lines


def _stroke(
    x1: float, y1: float, x2: float, y2: float, colour: str, width: int, *, dashed: bool = False
) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}"{dash}/>'


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", size: int = 12, colour: str = "#222222"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"'
    return f"<text {place}>{escape(words)}</text>"


def drawn(runs: list[Run], commit: str) -> dict[str, str]:
    """The charts that these runs give, by file name."""
    peers = list(dict.fromkeys(run["peer"] for run in runs))
    colours = {peer: COLOURS[place % len(COLOURS)] for place, peer in enumerate(peers)}

    def lines(scenario: str, x: str, y: str, suffix: str = "", *, dashed: bool = False) -> list[Series]:
        return [
            Series(peer + suffix, curve(runs, scenario, peer, x, y), dashed, colours[peer]) for peer in peers
        ]

    cpu = lines(BY_SUBSCRIBERS, "subscribers", "cpu_us_per_delivery")
    many = lines(BY_CHANNELS, "channels", "cpu_us_per_delivery")
    late = lines(BY_RATE, "rate", "latency_p99_ms", " p99")
    late += lines(BY_RATE, "rate", "latency_p50_ms", " p50", dashed=True)
    asked = {
        "cpu-against-subscribers.svg": (
            "CPU per delivery of 200 bytes, publishing included",
            "subscribers of one channel",
            "us per delivery, median and range",
            cpu,
        ),
        "cpu-against-channels.svg": (
            "CPU per delivery of 200 bytes, one subscriber a channel, 1,000 messages a second",
            "channels",
            "us per delivery, median and range",
            many,
        ),
        "latency-against-rate.svg": (
            "Latency from the time due to receipt, 100 subscribers",
            "messages a second",
            "ms, median and range",
            late,
        ),
    }
    return {
        name: chart(*words, commit) for name, words in asked.items() if any(one.points for one in words[3])
    }

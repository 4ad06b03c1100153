"""A run beside an earlier one: a ratio and a word for each figure, and what speaks against comparing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from fast_sse.cli.bench.compare import cautions, ratio_and_word, read_earlier, show_comparison
from fast_sse.cli.bench.rows import CPU, DELAY, MEMORY, SPEED, Measure
from fast_sse.model.errors import ConfigError

FACTS = {
    "version": "1.0",
    "date": "2026-11-29",
    "hub": "started here, memory",
    "machine": "x86_64",
    "cpu": "A",
    "cores": 2,
}
FACTS |= {"kernel": "6.1", "python": "3.11.2"}
OPTIONS: dict[str, Any] = {"subscribers": 10}
FIGURES = {"deliveries_per_s": 100.0, "latency_p50_ms": 4.0, "server_rss_bytes": 1 << 20}


def run(
    figures: dict[str, float] | None = None, options: dict[str, Any] = OPTIONS, **more: Any
) -> dict[str, Any]:
    """A run as --json has it."""
    return {
        "scenario": "burst",
        "options": options,
        "figures": FIGURES | (figures or {}),
        "doubts": [],
    } | more


def earlier(directory: Path, *runs: dict[str, Any], **facts: Any) -> Path:
    """A file that an earlier --json wrote."""
    file = directory / "earlier.json"
    file.write_bytes(msgspec.json.encode({"facts": FACTS | facts, "passed": True, "runs": runs}))
    return file


def printed(file: Path, now: dict[str, Any]) -> str:
    """What is printed of a run beside a file."""
    text = io.StringIO()
    console = Console(file=text, width=140)
    show_comparison(console, read_earlier(file, ["burst"]), FACTS, [now])
    return text.getvalue()


@pytest.mark.parametrize(
    ("measure", "ratio", "word"),
    [
        (SPEED, 1.5, "faster"),
        (SPEED, 0.5, "slower"),
        (DELAY, 1.5, "slower"),
        (DELAY, 0.5, "faster"),
        (CPU, 1.5, "more CPU"),
        (CPU, 0.5, "less CPU"),
        (MEMORY, 1.5, "larger"),
        (MEMORY, 0.5, "smaller"),
        (SPEED, 1.19, "within noise"),
        (SPEED, 1 / 1.19, "within noise"),
        (MEMORY, 1.19, "larger"),
    ],
)
def test_a_ratio_has_a_word(measure: Measure, ratio: float, word: str) -> None:
    """More is better of a rate and worse of all else; below what two equal runs differ by, it is noise."""
    assert ratio_and_word(measure, 200.0, 200.0 * ratio) == (f"x{ratio:.2f}", word)


def test_nothing_has_no_ratio() -> None:
    """A figure that was 0, or is, is compared in words only."""
    assert ratio_and_word(SPEED, 0.0, 5.0) == ("-", "cannot be compared")
    assert ratio_and_word(SPEED, 0.0, 0.0) == ("-", "within noise")


def test_each_figure_of_both_is_compared(tmp_path: Path) -> None:
    """Both values, their ratio and the word; a figure that only one has is left out."""
    text = printed(earlier(tmp_path, run()), run({"deliveries_per_s": 150.0, "latency_p99_ms": 9.0}))
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert rows == [
        ["deliveries", "100 /s", "150 /s", "x1.50", "faster"],
        ["latency p50", "4.00 ms", "4.00 ms", "x1.00", "within noise"],
        ["server RSS", "1.0 MiB", "1.0 MiB", "x1.00", "within noise"],
    ]
    assert "Compared with version 1.0 of 2026-11-29" in text
    assert "!" not in text


def test_another_machine_is_said_first(tmp_path: Path) -> None:
    """With what differs: figures of different machines say nothing about the hub."""
    other = read_earlier(earlier(tmp_path, run(), cores=8, cpu="B", hub="started here, sqlite"), ["burst"])
    assert list(cautions(other, FACTS)) == [
        "the machines differ (cpu B, now A, cores 8, now 2): the ratios say nothing about the hub",
        "the hubs differ: started here, sqlite, now started here, memory",
    ]


def test_what_speaks_against_the_earlier_run_is_repeated(tmp_path: Path) -> None:
    """Its doubts are doubts of the ratios."""
    assert "! the earlier run: other work" in printed(earlier(tmp_path, run(doubts=["other work"])), run())


def test_other_options_are_not_compared(tmp_path: Path) -> None:
    """They are named instead."""
    text = printed(earlier(tmp_path, run(options={"subscribers": 5})), run())
    assert "burst: not compared, for the options differ: subscribers 5, now 10" in text
    assert "x1.00 " not in text.partition("\n\n")[2].partition("burst")[2]


def test_a_run_that_failed_is_not_compared(tmp_path: Path) -> None:
    """Neither now nor then."""
    now = {key: value for key, value in run().items() if key != "figures"} | {"error": "no"}
    assert "burst: not compared, for this run failed" in printed(earlier(tmp_path, run()), now)
    then = run(figures=None) | {"figures": None}
    assert "burst: not compared, for it is not in the file" in printed(earlier(tmp_path, then), run())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot read"),
        ("{}", "is not from --json"),
        ("nonsense", "is not from --json"),
        ('{"facts": {}, "runs": []}', "holds no run, and not burst"),
        ('{"facts": {}, "runs": [{"scenario": "idle", "options": {}}]}', "holds idle, and not burst"),
    ],
)
def test_a_file_of_no_use_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    """With the option and the reason, so that nobody waits for a run first."""
    file = tmp_path / "earlier.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=f"--compare: .*{words}"):
        read_earlier(file, ["burst"])

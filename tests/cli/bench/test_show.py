"""What the bench prints names its denominator and what speaks against it."""

from __future__ import annotations

import io

from rich.console import Console

from fast_sse.cli.bench.show import bars, delivered, doubts, show, table

SOUND = {"expected": 3000, "delivered": 3000, "lost": 0, "duplicates": 0, "server_rss_bytes": 1}


def printed(width: int = 120) -> tuple[Console, io.StringIO]:
    """A console and what it printed."""
    text = io.StringIO()
    return Console(file=text, width=width), text


def test_zero_says_of_how_many() -> None:
    """`lost 0` comes with N and the bound 3/N; a loss comes without one."""
    assert delivered(SOUND) == (
        "lost 0 of 3000 deliveries, so fewer than 0.001 of all with 95 % confidence; duplicates 0"
    )
    assert delivered(SOUND | {"lost": 2}) == "lost 2 of 3000 deliveries; duplicates 0"


def test_a_sound_run_has_no_doubts() -> None:
    """Nothing is said where there is nothing to say."""
    assert doubts(SOUND) == []


def test_doubts_are_told() -> None:
    """The generator's limit, a taken core, a refusal, a cut, a disagreeing witness and an unknown process."""
    bad = {
        "expected": 1,
        "generator_was_limit": True,
        "generator_share": 0.95,
        "server_waited_share": 0.3,
        "refused": 2,
        "closed_by_server": 1,
        "witness_agrees": False,
    }
    text = "\n".join(doubts(bad))
    for words in (
        "the limit (95%",
        "server waiting",
        "30%",
        "refused: 2",
        "closed by server: 1",
        "disagrees",
        "--pid",
    ):
        assert words in text


def test_a_table_has_what_was_measured_and_nothing_else() -> None:
    """A figure that is missing has no row; connections stand as they were asked for."""
    console, text = printed()
    console.print(table({"publishers": 7}, {"single_7_publishes_per_s": 1234.5, "latency_p50_ms": 0.5}))
    assert "one a request, 7 connections" in text.getvalue()
    assert "0.50 ms" in text.getvalue()
    assert "RSS" not in text.getvalue()


def test_a_scenario_is_shown_with_its_numbers() -> None:
    """Question, options, denominator, doubts and verdict."""
    console, text = printed()
    show(console, "fanout", "how late?", {"rate": 30.0, "size": 2048}, SOUND | {"lost": 1})
    for words in (
        "fanout: how late?",
        "rate 30, size 2.0 KiB",
        "lost 1 of 3000",
        "! lost: 1",
        "Verdict: FAILED. ",
    ):
        assert words in text.getvalue()


def test_bars_are_for_terminals() -> None:
    """In a file or a pipe there are none; on a terminal each phase has one."""
    console, text = printed()
    with bars(console, "fanout") as on_progress:
        on_progress("connect", 1, 2)
    assert text.getvalue() == ""
    screen = io.StringIO()
    with bars(Console(file=screen, force_terminal=True, width=100), "fanout") as on_progress:
        on_progress("connect", 1, 2)
        on_progress("connect", 2, 2)
    assert "fanout: connect" in screen.getvalue()

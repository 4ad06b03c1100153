"""The report of `original` says what was measured, of how many, and n/a for what was not."""

from __future__ import annotations

from typing import Any

from fast_sse.bench.k6 import report

TREND = {"avg": 3.8, "min": 2.0, "p50": 3.0, "max": 8.0, "p90": 6.0, "p95": 7.0}
FIGURES: dict[str, Any] = {
    "way": "signed publishes",
    "wall_s": 100.0,
    "accepted": 148,
    "refused": 0,
    "produced_bytes": 7577600,
    "expected": 141,
    "delivered": 140,
    "received_bytes": 7_000_000,
    "lost": 1,
    "unheard": 7,
    "unheard_received": 0,
    "duplicates": 0,
    "connections": 50,
    "connections_ok": 49,
    **{f"{name}_{key}_ms": value for name in ("latency", "post") for key, value in TREND.items()},
    "latency_samples": 140,
    "post_samples": 148,
}


def line(text: str, name: str) -> str:
    """The value beside a name."""
    (found,) = [row for row in text.splitlines() if row.strip().startswith(name)]
    return found.partition(":")[2].strip()


def test_the_originals_lines_are_there() -> None:
    """The same names as in the original's report, with this run's figures."""
    text = report(FIGURES)
    trend = "avg=3.80ms min=2.00ms med=3.00ms max=8.00ms p(90)=6.00ms p(95)=7.00ms"
    assert line(text, "message_latency_ms") == f"{trend} of 140"
    assert line(text, "http_req_duration") == f"{trend} of 148"
    assert line(text, "produced_message_count").split() == ["148", "1.48/s"]
    size = line(text, "produced_message_size_bytes")
    assert size.split() == ["7577600", "75776/s", "(7.2", "MiB,", "74.0", "KiB/s)"]
    assert line(text, "sse_connection_ok") == "98.00%    49 out of 50"
    assert line(text, "Message Loss Rate") == "0.71%    1 out of 141"
    assert "4.73 %" in text


def test_unpacking_is_measured_where_messages_were_packed() -> None:
    """It is the original's line, of as many as were unpacked."""
    figures = FIGURES | {f"unpack_{key}_ms": value for key, value in TREND.items()} | {"unpack_samples": 139}
    trend = "avg=3.80ms min=2.00ms med=3.00ms max=8.00ms p(90)=6.00ms p(95)=7.00ms"
    assert line(report(figures), "decompress_latency_ms") == f"{trend} of 139"


def test_what_was_not_measured_is_not_made_up() -> None:
    """No compression, no samples, nobody connected: n/a, and not 0."""
    text = report(FIGURES | {"latency_samples": 0, "expected": 0, "lost": 0})
    assert line(text, "decompress_latency_ms").startswith("n/a")
    assert line(text, "message_latency_ms").startswith("n/a")
    assert line(text, "Message Loss Rate").startswith("n/a")

"""Every figure that is shown has a title, a unit, and a place in the table."""

from __future__ import annotations

from fast_sse.cli.bench.rows import ROWS, options_text, rows_of


def test_the_number_of_publishers_stands_in_key_and_title() -> None:
    """A key of the figures names the connections that were asked for, and so does its title."""
    titles = {row.key: row.title for row in rows_of({"publishers": 7})}
    assert titles["single_7_publishes_per_s"] == "one a request, 7 connections"
    assert titles["batch_1_publishes_per_s"] == "batches, 1 connection"


def test_sizes_are_for_people() -> None:
    """Memory, bytes on the wire and the size that was asked for are in KiB and MiB: no row counts bytes."""
    shown = {row.key: row.shown(66_187_264) for row in ROWS}
    assert shown["server_rss_bytes"] == "63.1 MiB"
    assert not [row.key for row in ROWS if "bytes" in row.key and row.form != "size"]
    assert options_text({"rate": 30.0, "size": 51_200}) == "rate 30, size 50.0 KiB"


def test_a_value_has_its_unit() -> None:
    """And no blank where it has none."""
    shown = {row.key: row.shown(0.5) for row in ROWS}
    assert shown["latency_p50_ms"] == "0.50 ms"
    assert shown["generator_share"] == "50%"

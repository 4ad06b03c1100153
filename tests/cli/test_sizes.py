"""Sizes are read by people."""

from __future__ import annotations

import pytest

from fast_sse.cli.sizes import size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1 << 20, "1.0 MiB"),
        (1233.7 * (1 << 20), "1,233.7 MiB"),
        (231.7, "232 B"),
    ],
)
def test_sizes_are_short(count: float, text: str) -> None:
    """In the unit that keeps the number small."""
    assert size(count) == text

"""The times of a first hour are written down, whether it went well or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.newcomer.times import PAGE, Times


@pytest.fixture
def times() -> Iterator[Times]:
    """Filled by the test, written when it ends."""
    kept = Times()
    yield kept
    if kept.seconds:
        kept.write(PAGE)

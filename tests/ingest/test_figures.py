"""Rules of `ingest.figures`."""

from __future__ import annotations

from fast_sse.ingest.figures import Figures


def test_a_queue_that_nobody_read_yet_has_no_lag() -> None:
    """Zero would say that there is nothing to do; nobody knows."""
    figures = Figures()
    assert figures.lag is None
    assert not figures.reading
    assert (figures.taken, figures.duplicates, figures.poison, figures.gone, figures.held_up) == (0,) * 5

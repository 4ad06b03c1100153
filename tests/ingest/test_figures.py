"""Rules of `ingest.figures`."""

from __future__ import annotations

from fast_sse.ingest.figures import Figures


def test_operators_see_what_was_done() -> None:
    """Each figure is a number of its own, told by the kind of the queue; a lag that nobody knows is left out."""
    figures = Figures()
    figures.taken, figures.poison, figures.reading = 5, 1, True
    found = {sample.name: sample.value for sample in figures.samples("redis_stream")}
    assert (found["ingest_taken_total"], found["ingest_poison_total"], found["ingest_reading"]) == (5, 1, 1)
    assert "ingest_lag" not in found
    figures.lag = 7
    (lag,) = (sample for sample in figures.samples("redis_stream") if sample.name == "ingest_lag")
    assert (lag.value, lag.labels) == (7, (("queue", "redis_stream"),))


def test_tombstones_are_kafkas() -> None:
    """A Redis stream has none, and says nothing of them."""
    figures = Figures()
    figures.tombstones = 3
    assert [one.value for one in figures.samples("kafka_topic") if "tombstones" in one.name] == [3]
    assert not [one for one in figures.samples("redis_stream") if "tombstones" in one.name]


def test_a_queue_that_nobody_read_yet_has_no_lag() -> None:
    """Zero would say that there is nothing to do; nobody knows."""
    figures = Figures()
    assert figures.lag is None
    assert not figures.reading
    assert (figures.taken, figures.duplicates, figures.poison, figures.gone, figures.held_up) == (0,) * 5

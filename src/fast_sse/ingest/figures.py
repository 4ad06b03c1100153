"""What a source has done so far, as plain integers: read by the exporter of metrics, written on the loop's thread only."""

from __future__ import annotations

from collections.abc import Iterator

from fast_sse.observe.metrics import Sample


class Figures:
    """Counts of one queue on this node since the start of the process.

    Attributes:
        taken: entries done with: stored, dead or passed over, and acknowledged to the queue.
        duplicates: of those, entries that the hub had stored before: read again, or repeated by their producer.
        poison: of those, entries that cannot become a message and are dead letters.
        tombstones: of those, records of Kafka that hold nothing and were passed over.
        gone: entries that the queue let go before they were done with: on Redis those that no reader had, as far as it can
            count them, and those that were pending; on Kafka all offsets that the group had not read.
        held_up: attempts to publish that the hub's store did not answer with a place in the log.
        lag: entries of the queue that are not done with, as last asked; None when the queue cannot say, or this
            node does not read it.
        reading: whether this node reads the queue now.
    """

    __slots__ = ("duplicates", "gone", "held_up", "lag", "poison", "reading", "taken", "tombstones")

    def __init__(self) -> None:
        self.taken = self.duplicates = self.poison = self.gone = self.held_up = self.tombstones = 0
        self.lag: int | None = None
        self.reading = False

    def samples(self, kind: str) -> Iterator[Sample]:
        """The same for the operators, with the kind of the queue as a label: a node reads at most one of each."""
        label = (("queue", kind),)
        yield Sample("ingest_taken_total", "counter", "Entries of a queue done with.", self.taken, label)
        yield Sample("ingest_duplicates_total", "counter", "Of those, stored before.", self.duplicates, label)
        yield Sample(
            "ingest_poison_total",
            "counter",
            "Of those, no messages: they are dead letters.",
            self.poison,
            label,
        )
        yield Sample("ingest_gone_total", "counter", "Entries lost unread by the queue.", self.gone, label)
        if kind == "kafka_topic":
            text = "Of those, records without a value."
            yield Sample("ingest_tombstones_total", "counter", text, self.tombstones, label)
        text = "Attempts that the hub's store did not take."
        yield Sample("ingest_held_up_total", "counter", text, self.held_up, label)
        yield Sample("ingest_reading", "gauge", "1 on the node that reads the queue.", self.reading, label)
        if self.lag is not None:
            yield Sample(
                "ingest_lag", "gauge", "Entries not done with, on the node that reads.", self.lag, label
            )

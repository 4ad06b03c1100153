"""The text that Prometheus reads, made from samples at the moment of the question.

prometheus_client knows the formats and what must be escaped in them; its own counters are not used, since an `inc()`
costs ten times a plain addition. Every series carries the name of the node and every name begins with `fast_sse_`,
but for the few about the process, which have the names that every dashboard knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from fast_sse.observe.metrics import Sample, Sampler, read_all

PREFIX = "fast_sse_"
#: Names that are not ours alone.
STANDARD = "process_"


class SampleCollector(Collector):
    """Asks every part and groups what they yield; one that fails costs its own numbers and no other's."""

    def __init__(self, samplers: Sequence[Sampler], node: str) -> None:
        self._samplers = samplers
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """One family for each name, in the order in which they came."""
        families: dict[str, Metric] = {}
        samples, failed = read_all(self._samplers)
        text = "Parts whose numbers could not be read just now."
        for sample in (*samples, Sample("metrics_failed", "gauge", text, failed)):
            name = sample.name if sample.name.startswith(STANDARD) else PREFIX + sample.name
            family = families.get(name)
            if family is None:
                base = name.removesuffix("_total") if sample.kind == "counter" else name
                family = families[name] = Metric(base, sample.help, sample.kind)
            labels = {"node": self._node, **dict(sample.labels)}
            if sample.kind == "histogram":
                _add_histogram(family, sample, labels)
            else:
                family.add_sample(name, labels, sample.value)
        yield from families.values()


def _add_histogram(family: Metric, sample: Sample, labels: dict[str, str]) -> None:
    """Its series: one for each bucket, counted from the smallest up, then how many there are and their sum."""
    for bound, total in sample.buckets:
        shown: str = floatToGoString(bound)  # type: ignore[no-untyped-call]
        family.add_sample(f"{family.name}_bucket", {**labels, "le": shown}, total)
    family.add_sample(f"{family.name}_count", labels, sample.buckets[-1].total)
    family.add_sample(f"{family.name}_sum", labels, sample.value)


def exposition(samplers: Iterable[Sampler], node: str, accept: str = "") -> tuple[bytes, str]:
    """The numbers of all parts and their media type; `accept` is the request's header, which may ask for OpenMetrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SampleCollector(tuple(samplers), node))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type

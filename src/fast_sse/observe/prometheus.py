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

from fast_sse.observe.metrics import Sample, Sampler

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
        for sample in self._samples():
            name = sample.name if sample.name.startswith(STANDARD) else PREFIX + sample.name
            family = families.get(name)
            if family is None:
                base = name.removesuffix("_total") if sample.kind == "counter" else name
                family = families[name] = Metric(base, sample.help, sample.kind)
            family.add_sample(name, {"node": self._node, **dict(sample.labels)}, sample.value)
        yield from families.values()

    def _samples(self) -> Iterator[Sample]:
        failed = 0
        for sampler in self._samplers:
            try:
                yield from list(sampler())
            except Exception:  # noqa: BLE001  one part's defect must not blind the operators to all others
                failed += 1
        yield Sample("metrics_failed", "gauge", "Parts whose numbers could not be read just now.", failed)


def exposition(samplers: Iterable[Sampler], node: str, accept: str = "") -> tuple[bytes, str]:
    """The numbers of all parts and their media type; `accept` is the request's header, which may ask for OpenMetrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SampleCollector(tuple(samplers), node))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type

"""The exposition: read back by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from fast_sse.observe.metrics import Histogram, Sample, Sampler
from fast_sse.observe.prometheus import exposition


def sampler(*samples: Sample) -> Sampler:
    """A part that always says the same."""
    return lambda: samples


def read(*samplers: Sampler, node: str = "n1") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every series of the exposition, by name and labels."""
    text, media_type = exposition(samplers, node)
    assert media_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_series_has_the_prefix_and_the_node() -> None:
    """What several nodes say can be told apart and added up; the process keeps the names that everybody knows."""
    found = read(
        sampler(
            Sample("streams_open", "gauge", "Open.", 3),
            Sample("gaps_total", "counter", "Gaps.", 2, (("reason", "epoch"),)),
            Sample("process_max_fds", "gauge", "Files.", 9),
        ),
        node="sse-1",
    )
    assert found == {
        ("fast_sse_streams_open", (("node", "sse-1"),)): 3,
        ("fast_sse_gaps_total", (("node", "sse-1"), ("reason", "epoch"))): 2,
        ("process_max_fds", (("node", "sse-1"),)): 9,
        ("fast_sse_metrics_failed", (("node", "sse-1"),)): 0,
    }


def test_types_and_help_are_told() -> None:
    """Prometheus treats a counter otherwise than a gauge, so each family says what it is."""
    text, _ = exposition(
        [sampler(Sample("a_total", "counter", "One.", 1), Sample("b", "gauge", "Two.", 1))], "n"
    )
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    assert (families["fast_sse_a"].type, families["fast_sse_a"].documentation) == ("counter", "One.")
    assert (families["fast_sse_b"].type, families["fast_sse_b"].documentation) == ("gauge", "Two.")


def test_values_of_one_name_from_several_parts_are_one_family() -> None:
    """A family that stood twice would make the whole scrape invalid."""
    first = Sample("lag", "gauge", "Lag.", 1, (("queue", "redis"),))
    found = read(sampler(first), sampler(first._replace(value=2, labels=(("queue", "kafka"),))))
    assert [value for (name, _), value in found.items() if name == "fast_sse_lag"] == [1, 2]


def test_text_in_labels_is_escaped() -> None:
    """Whatever a label holds, it ends where it should."""
    odd = 'a"b\\c\nd'
    found = read(sampler(Sample("x", "gauge", "X.", 1, (("store", odd),))))
    assert ("fast_sse_x", (("node", "n1"), ("store", odd))) in found


def test_a_part_that_fails_costs_its_own_numbers_only() -> None:
    """A defect in one part must not blind the operators to all others, and it shows."""

    def broken() -> Iterable[Sample]:
        raise RuntimeError("broken")

    found = read(broken, sampler(Sample("x", "gauge", "X.", 1)))
    assert found["fast_sse_x", (("node", "n1"),)] == 1
    assert found["fast_sse_metrics_failed", (("node", "n1"),)] == 1


def test_openmetrics_is_spoken_when_asked_for() -> None:
    """The Accept header of a newer Prometheus gets its own format, which ends in EOF."""
    parts = [sampler(Sample("a_total", "counter", "One.", 1))]
    text, media_type = exposition(parts, "n", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert media_type.startswith("application/openmetrics-text")
    (family, _) = openmetrics.text_string_to_metric_families(text.decode())
    assert (family.name, family.type, family.samples[0].value) == ("fast_sse_a", "counter", 1)


def test_a_histogram_is_told_as_prometheus_reads_it() -> None:
    """In both formats: buckets counted from the smallest up, the infinite one, the count and the sum, under one name."""
    histogram = Histogram((0.5, 1.0))
    for value in (0.25, 0.75, 5.0):
        histogram.observe(value)
    parts = [sampler(histogram.sample("wait_seconds", "Waits.", (("how", "long"),)))]
    for parse, accept in (
        (text_string_to_metric_families, ""),
        (openmetrics.text_string_to_metric_families, "application/openmetrics-text;version=1.0.0"),
    ):
        text, _ = exposition(parts, "n1", accept)
        (family, _) = parse(text.decode())
        assert (family.name, family.type) == ("fast_sse_wait_seconds", "histogram")
        assert all(sample.labels["node"] == "n1" for sample in family.samples)
        assert all(sample.labels["how"] == "long" for sample in family.samples)
        assert {(sample.name, sample.labels.get("le")): sample.value for sample in family.samples} == {
            ("fast_sse_wait_seconds_bucket", "0.5"): 1,
            ("fast_sse_wait_seconds_bucket", "1.0"): 2,
            ("fast_sse_wait_seconds_bucket", "+Inf"): 3,
            ("fast_sse_wait_seconds_count", None): 3,
            ("fast_sse_wait_seconds_sum", None): 6.0,
        }

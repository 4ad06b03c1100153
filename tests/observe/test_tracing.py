"""Spans by OpenTelemetry: where they hang, what they say, and that none is ever waited for."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from tests.support.collector import Kept, text

from fast_sse.model.errors import ConfigError
from fast_sse.observe import tracing
from fast_sse.observe.tracing import OtelSpans, make_spans

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_span_hangs_below_the_traceparent_that_it_is_given() -> None:
    """And its own traceparent is how others go on."""
    kept = Kept()
    span = kept.spans.begin("publish", {"url.path": "/a"}, parent=TRACE)
    span.end()
    (ended,) = kept.ended
    assert ended.parent is not None
    assert text(ended.parent) == TRACE
    assert text(ended.context) == span.traceparent
    assert ended.kind == trace.SpanKind.SERVER
    assert dict(ended.attributes or {}) == {"url.path": "/a"}
    assert ended.status.status_code == trace.StatusCode.UNSET


@pytest.mark.parametrize("parent", ["", "00-nonsense"])
def test_without_a_parent_a_trace_begins(parent: str) -> None:
    """What is no traceparent is as good as none."""
    kept = Kept()
    kept.spans.begin("publish", {}, parent=parent).end()
    assert kept.one("publish").parent is None


def test_a_span_is_current_only_where_it_is_told() -> None:
    """Children hang below the span that is current when they begin; it is not ended by that."""
    kept = Kept()
    assert kept.spans.here() == ""
    above = kept.spans.begin("publish", {})
    with above.current():
        assert kept.spans.here() == above.traceparent
        kept.spans.begin("append", {}).end()
    assert kept.spans.here() == ""
    kept.spans.begin("replay", {}).end()
    above.end()
    parent = kept.one("append").parent
    assert parent is not None
    assert text(parent) == above.traceparent
    assert kept.one("replay").parent is None
    assert [span.name for span in kept.ended] == ["append", "replay", "publish"]


def test_links_lead_to_other_traces() -> None:
    """One for each traceparent; what is none is left out."""
    kept = Kept()
    kept.spans.begin("replay", {}, links=[TRACE, "nonsense"]).end()
    (link,) = kept.one("replay").links
    assert text(link.context) == TRACE


def test_an_error_is_a_status_and_its_code() -> None:
    """By the code that a publisher is answered with, and never its text."""
    kept = Kept()
    kept.spans.begin("append", {}).end("disk_full", {"messaging.message.id": "s1.x.1"})
    span = kept.one("append")
    assert span.status.status_code == trace.StatusCode.ERROR
    assert dict(span.attributes or {}) == {"error.type": "disk_full", "messaging.message.id": "s1.x.1"}


def test_a_provider_of_the_application_around_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the hub is mounted, its spans go where those of the application go."""
    kept = Kept()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: kept.provider)
    make_spans("node-1").begin("publish", {}).end()
    assert [span.name for span in kept.ended] == ["publish"]


async def test_a_provider_of_the_application_around_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the hub is not the end of the application's traces."""
    kept = Kept()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: kept.provider)
    spans = make_spans("node-1")
    await spans.close()
    spans.begin("publish", {}).end()
    assert [span.name for span in kept.ended] == ["publish"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
    ],
)
def test_what_is_not_spoken_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A collector that never gets a span is noticed at the start, and the line names the variable."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"^tracing: {name} must be "):
        make_spans("node-1")


def test_the_environment_says_who_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the name of the product and that of the node; what the variables say comes first."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    spans = make_spans("node-1")
    assert isinstance(spans._provider, TracerProvider)
    attributes = spans._provider.resource.attributes
    assert (attributes[SERVICE_NAME], attributes["service.instance.id"]) == ("fast-sse", "node-1")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop-events")
    spans = make_spans("node-1")
    assert isinstance(spans._provider, TracerProvider)
    assert spans._provider.resource.attributes[SERVICE_NAME] == "shop-events"


@pytest.mark.slow
async def test_the_end_does_not_wait_for_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes for ever costs the end of a node a bounded time."""
    import threading

    stuck = threading.Event()

    class Stuck(SpanExporter):
        def export(self, spans: object) -> None:  # type: ignore[override]
            stuck.wait()

    monkeypatch.setattr(tracing, "CLOSE_S", 0.3)
    provider = TracerProvider(resource=Resource.get_empty(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(Stuck(), max_queue_size=4, max_export_batch_size=2))
    spans = OtelSpans(provider, owned=True)
    for _ in range(100):
        spans.begin("publish", {}).end()
    await spans.close()
    stuck.set()

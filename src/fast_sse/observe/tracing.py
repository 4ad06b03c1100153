"""Spans by OpenTelemetry, sent to a collector over OTLP/HTTP. Needs the extra `otel`.

A span never holds up a publish. It is put into a queue that a thread of the SDK empties; when the queue is full, because the
collector is slow or away, spans are dropped. Where to send, what to sample and how large the queue is say the OTEL_ variables
that every SDK reads (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).

An application that mounts the hub may have a provider of its own. Then spans go there, and it stays that application's.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from fast_sse import __version__
from fast_sse.model.errors import ConfigError
from fast_sse.model.trace import is_traceparent
from fast_sse.observe.spans import Attributes, Name

#: How long the end of a node waits for its last spans to be taken.
CLOSE_S = 2.0
_KINDS = {
    "publish": trace.SpanKind.SERVER,
    "append": trace.SpanKind.INTERNAL,
    "replay": trace.SpanKind.INTERNAL,
}


class OtelSpan:
    """A span of OpenTelemetry."""

    __slots__ = ("_span",)

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """See `spans.Span`."""
        return _text(self._span.get_span_context())

    def current(self) -> AbstractContextManager[object]:
        """See `spans.Span`."""
        return trace.use_span(
            self._span, end_on_exit=False, record_exception=False, set_status_on_exception=False
        )

    def end(self, error: str = "", attributes: Attributes | None = None) -> None:
        """See `spans.Span`."""
        if attributes:
            self._span.set_attributes(attributes)
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()


class OtelSpans:
    """Makes spans by `provider`; `owned`: it ends with this."""

    def __init__(self, provider: trace.TracerProvider, *, owned: bool = False) -> None:
        self._provider = provider
        self._owned = owned
        self._tracer = provider.get_tracer("fast_sse", __version__)

    def begin(
        self, name: Name, attributes: Attributes, *, parent: str = "", links: Iterable[str] = ()
    ) -> OtelSpan:
        """See `spans.Spans`."""
        above = _context(parent) if parent else None
        context = None if above is None else trace.set_span_in_context(trace.NonRecordingSpan(above))
        others = [trace.Link(other) for link in links if (other := _context(link)) is not None]
        return OtelSpan(
            self._tracer.start_span(name, context, _KINDS[name], attributes, others, record_exception=False)
        )

    def here(self) -> str:
        """See `spans.Spans`."""
        return _text(trace.get_current_span().get_span_context())

    async def close(self) -> None:
        """End a provider of our own. What the collector does not take in time is dropped, and the thread left behind."""
        if not self._owned or not isinstance(self._provider, TracerProvider):
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        provider = self._provider

        def end() -> None:
            provider.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=end, name="fast-sse-tracing-end", daemon=True).start()
        await asyncio.wait([asyncio.ensure_future(ended.wait())], timeout=CLOSE_S)


def make_spans(node: str) -> OtelSpans:
    """Spans of a node of this name: to the provider of the application around it, or else to a collector.

    Raises ConfigError when the environment asks for what is not spoken here.
    """
    around = trace.get_tracer_provider()
    if isinstance(around, TracerProvider):
        return OtelSpans(around)
    _check_environment()
    provider = TracerProvider(resource=_resource(node), shutdown_on_exit=False)
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none":
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OtelSpans(provider, owned=True)


def _check_environment() -> None:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if os.environ.get(name, "http/protobuf") != "http/protobuf":
            raise ConfigError("tracing", f"{name} must be http/protobuf, or absent")
    if os.environ.get("OTEL_TRACES_EXPORTER", "otlp") not in ("otlp", "none"):
        raise ConfigError("tracing", "OTEL_TRACES_EXPORTER must be otlp or none")


def _resource(node: str) -> Resource:
    """Who sends the spans. What the environment says of it comes first."""
    said = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if os.environ.get("OTEL_SERVICE_NAME"):
        said += f",{SERVICE_NAME}="
    ours = {SERVICE_NAME: "fast-sse", SERVICE_INSTANCE_ID: node, SERVICE_VERSION: __version__}
    return Resource.create({name: value for name, value in ours.items() if f"{name}=" not in said})


def _text(context: trace.SpanContext) -> str:
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _context(traceparent: str) -> trace.SpanContext | None:
    """The place in a trace that a text names; None for a text that is no traceparent."""
    if not is_traceparent(traceparent):
        return None
    _version, trace_id, span_id, flags = traceparent.split("-")
    return trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(flags, 16) & 1)
    )

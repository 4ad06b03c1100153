"""A collector of traces for tests: an HTTP server that decodes what OpenTelemetry exports, and spans kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fast_sse.observe.tracing import OtelSpans


class Kept:
    """Spans by the SDK, kept in memory as they end."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(resource=Resource.get_empty(), shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.spans = OtelSpans(self.provider)

    @property
    def ended(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self._exporter.get_finished_spans())

    def one(self, name: str) -> ReadableSpan:
        """The only one of its name."""
        (found,) = [span for span in self.ended if span.name == name]
        return found


def text(context: Any) -> str:
    """The traceparent of a span's context."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


class Collector:
    """What arrived over OTLP/HTTP."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.services: list[dict[str, str]] = []
        self._spans: dict[str, Any] = {}
        self._arrived = threading.Condition()

    def take(self, path: str, body: bytes) -> None:
        """Decode one export."""
        assert path == "/v1/traces"
        with self._arrived:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                attributes = resource.resource.attributes
                self.services.append({one.key: one.value.string_value for one in attributes})
                for scope in resource.scope_spans:
                    self._spans |= {span.name: span for span in scope.spans}
            self._arrived.notify_all()

    def span(self, name: str) -> Any:
        """The last one of a name, waited for."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: name in self._spans, 20), f"no span {name} arrived"
            return self._spans[name]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

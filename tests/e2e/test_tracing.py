"""Traces and the access log of a real hub: spans to a real collector over OTLP/HTTP, and one that takes nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.collector import collecting
from tests.support.http1 import Connection, request, request_bytes
from tests.support.publisher import publish_target, signed, subscribe_target
from tests.support.server import Hub
from tests.support.sse import Client

pytestmark = [pytest.mark.wire, pytest.mark.slow]

CHANNEL = ("cart1", "changed")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY = b'{"data":1}'
JSON = {"Content-Type": "application/json"}
HEADERS = {**JSON, **signed(CHANNEL)}


def lines(hub: Hub, event: str) -> list[dict[str, Any]]:
    """The lines of an event in the hub's log."""
    found = [json.loads(line) for line in hub.log.read_text().splitlines()]
    return [line for line in found if line["event"] == event]


async def test_a_publish_is_traced_and_logged(tmp_path: Path) -> None:
    """From the publisher's trace over publish and append to the subscriber, and each request is a line of the log."""
    settings = {
        "FAST_SSE_TRACING": "true",
        "FAST_SSE_ACCESS_LOG": "true",
        "FAST_SSE_LOG_LEVEL": "warning",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
        "FAST_SSE_DRAIN_S": "0.1",
    }
    with collecting() as collector:
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint
        async with Hub(tmp_path, store="memory", settings=settings) as hub:
            client = Client("c", hub.public, subscribe_target(CHANNEL), signed(CHANNEL), wait_ms=60_000)
            await client.start().ready()
            reply = await request(
                hub.public, "POST", publish_target(CHANNEL), {**HEADERS, "traceparent": TRACE}, BODY
            )
            assert reply.status == 200
            await client.count(1)
            carried = json.loads(client.events[0].data)["headers"]["traceparent"]
            publish, append = await asyncio.gather(
                *(asyncio.to_thread(collector.span, name) for name in ("publish", "append"))
            )
            refused = await request(hub.public, "POST", publish_target(CHANNEL), JSON, BODY)
            assert (await request(hub.admin, "GET", "/healthz?key=abc")).status == 200
            hub.terminate_now()
            assert await asyncio.to_thread(hub.wait) == 0
            await client.stop()
    assert publish.trace_id.hex() == append.trace_id.hex() == TRACE[3:35]
    assert publish.parent_span_id.hex() == TRACE[36:52]
    assert append.parent_span_id == publish.span_id
    assert carried == f"00-{TRACE[3:35]}-{publish.span_id.hex()}-01"
    assert collector.services[0]["service.name"] == "fast-sse"
    requests = [(one["listener"], one["method"], one["path"], one["status"]) for one in lines(hub, "request")]
    assert requests == [
        ("public", "POST", publish_target(CHANNEL), 200),
        ("public", "POST", publish_target(CHANNEL), 401),
        ("admin", "GET", "/healthz", 200),
    ]
    assert lines(hub, "request")[1]["request_id"] == refused.json()["request_id"]
    assert [(one["path"], one["ended"]) for one in lines(hub, "stream")] == [
        (subscribe_target(CHANNEL), "drain")
    ]
    assert {one["peer"] for one in lines(hub, "request")} == {"127.0.0.1"}
    assert signed(CHANNEL)["x-signature"] not in hub.log.read_text()


async def test_a_collector_that_takes_nothing_holds_up_nothing(tmp_path: Path) -> None:
    """Spans are dropped once the queue is full: each publish is answered, and the hub ends in time."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = {
            "FAST_SSE_TRACING": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{mute.getsockname()[1]}",
            "OTEL_BSP_MAX_QUEUE_SIZE": "8",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4",
        }
        async with Hub(tmp_path, store="memory", settings=settings) as hub:
            async with await Connection.open(hub.public) as connection:
                for _ in range(200):
                    raw = request_bytes("POST", publish_target(CHANNEL), HEADERS, BODY)
                    assert (await connection.exchange(raw)).status == 200
            hub.terminate_now()
            begun_s = time.monotonic()
            assert await asyncio.to_thread(hub.wait) == 0
            assert time.monotonic() - begun_s < 8
    assert len(lines(hub, "Queue full, dropping Span.")) <= 3

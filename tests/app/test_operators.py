"""What operators see of a node: numbers, and a log without secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.app.conftest import (
    BODY,
    PUBLISH,
    SIGNED,
    SUBSCRIBE,
    Start,
    StubbornStore,
    ask,
)
from tests.support.http1 import request, request_bytes
from tests.support.sign import SECRET, v1, v2

from fast_sse.model.errors import NotStoredError
from fast_sse.model.message import Draft
from fast_sse.store.base import Outcome

pytestmark = [pytest.mark.wire, pytest.mark.slow]

CHANNEL = "/v1/channels/carid000001/cart_changed"


async def test_numbers_of_every_part_are_read_in_one_place(start: Start) -> None:
    """/metrics joins process, node, hub and listener, and holds no word that a client chose."""
    running = start(node="sse-1")
    public, admin = await running.addresses()
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 200
    assert (await request(public, "GET", "/nothing/carid000001")).status == 404
    reply = await ask(admin, "/metrics")
    assert (reply.status, reply.headers["content-type"][:10]) == (200, "text/plain")
    lines = reply.body.decode().splitlines()
    for line in (
        'fast_sse_node_info{durability="process",node="sse-1",store="memory"} 1.0',
        'fast_sse_ready{node="sse-1"} 1.0',
        'fast_sse_store_up{node="sse-1"} 1.0',
        'fast_sse_publishes_total{node="sse-1",outcome="stored"} 1.0',
        'fast_sse_refused_total{code="not_found",node="sse-1"} 1.0',
        'fast_sse_requests_total{node="sse-1"} 2.0',
    ):
        assert line in lines
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)
    assert "carid000001" not in reply.body.decode()


async def test_numbers_are_told_while_the_store_is_away(start: Start, store: StubbornStore) -> None:
    """Before the log is there the process already has numbers, and says that it is not ready."""
    store.error = NotStoredError("the store is down")
    reply = await ask(await start().admin(), "/metrics")
    assert 'fast_sse_ready{node="' in reply.body.decode()
    assert "fast_sse_streams_open" not in reply.body.decode()


async def test_an_erasure_waits_for_the_store(start: Start, store: StubbornStore) -> None:
    """Before the store is open it is 503 and may be asked again; then it erases, and ends the channel's streams."""
    store.error = NotStoredError("the store is down")
    running = start()
    admin = await running.admin()
    early = await request(admin, "DELETE", CHANNEL)
    assert (early.status, early.code) == (503, "not_stored")
    store.error = None
    public, _ = await running.addresses()
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 200
    reader, writer = await asyncio.open_connection(*public)
    writer.write(request_bytes("GET", SUBSCRIBE, SIGNED))
    await reader.readuntil(b"\nid: ")
    erased = await request(admin, "DELETE", CHANNEL)
    assert (erased.status, erased.json()["data"]["erased"]) == (200, 1)
    assert (await reader.read()).endswith(b"0\r\n\r\n")
    writer.close()


async def test_no_log_line_holds_a_secret_or_a_signature(
    start: Start, store: StubbornStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session with right and wrong signatures, in headers and links, and a defect, leaves none in the log (S9)."""
    monkeypatch.setenv("FAST_SSE_ADMIN__KEY", "operators-only-key")
    running = start(demo=True)
    public, admin = await running.addresses()
    right, wrong = SIGNED["x-signature"], v1("other", "channel")
    version2 = v2("pub", "carid000001", "cart_changed", body=BODY)
    for signature in (right, wrong, version2, "garbage-signature-value"):
        headers = {"x-signature": signature, "Content-Type": "application/json"}
        await request(public, "POST", PUBLISH, headers, BODY)
        await request(public, "POST", f"{PUBLISH}?signature={signature}", headers, b"{")
        await request(public, "GET", f"/nothing?signature={signature}", headers)
    await request(
        admin, "GET", "/metrics?token=operators-only-key", {"Authorization": "Bearer operators-only-key"}
    )

    def broken(_drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        raise RuntimeError(f"broken with {right} and signature={version2}")

    monkeypatch.setattr(store, "append", broken)
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 500
    running.app.stop()
    await running.task
    (defect,) = running.lines("handler failed")
    assert "RuntimeError" in defect["traceback"]
    text = running.log.getvalue()
    assert len(text.splitlines()) > 5
    for hidden in (SECRET, right, wrong, version2, "garbage-signature", "operators-only-key"):
        assert hidden not in text

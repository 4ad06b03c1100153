"""The public routes where tracing is on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from tests.http.api.test_batching import batch, line
from tests.http.rig import PUBLISH, V1, publish, rigged, subscribe
from tests.support.collector import Kept, text
from tests.support.interface import Scripted

from fast_sse.http.api.traced import Traced
from fast_sse.http.errors import error_response
from fast_sse.http.message import Admission, Answer, Deferred, Request, Response, Stream
from fast_sse.model.errors import DefectError, DiskFullError, TooLargeError, UnknownOutcomeError
from fast_sse.model.limits import Limits
from fast_sse.observe.tracing import OtelSpans

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_publish_is_a_span_below_its_publishers() -> None:
    """And its message carries the span's place, so that who receives it goes on from the hub and not beside it."""
    kept = Kept()
    async with rigged(Limits()) as rig:
        request = publish({"data": 1}, traceparent=TRACE)
        given = request.headers
        answer = Traced(rig.endpoints, kept.spans).handle(request)
        assert isinstance(answer, Response | Deferred)
        if isinstance(answer, Deferred):
            await asyncio.wait([answer.future])
        await asyncio.sleep(0)
        (record,) = await rig.log()
    span = kept.one("publish")
    assert span.parent is not None
    assert text(span.parent) == TRACE
    assert json.loads(record.headers)["traceparent"] == text(span.context)
    assert given["traceparent"] == TRACE, "the head of a request is shared by others"
    assert span.kind == SpanKind.SERVER
    assert dict(span.attributes or {}) == {
        "http.request.method": "POST",
        "url.path": PUBLISH,
        "http.response.status_code": 200,
    }


async def test_without_a_trace_of_the_publisher_one_begins() -> None:
    """So every message of a traced hub has one."""
    kept = Kept()
    async with rigged(Limits()) as rig:
        Traced(rig.endpoints, kept.spans).handle(publish({"data": 1}))
        (record,) = await rig.log()
    await asyncio.sleep(0)
    assert kept.one("publish").parent is None
    assert json.loads(record.headers)["traceparent"] == text(kept.one("publish").context)


async def test_a_trace_that_is_not_sampled_goes_on_unsampled() -> None:
    """No span is kept, and who receives the message knows not to keep one."""
    provider = TracerProvider(ALWAYS_OFF, Resource.get_empty(), shutdown_on_exit=False)
    async with rigged(Limits()) as rig:
        Traced(rig.endpoints, OtelSpans(provider)).handle(publish({"data": 1}, traceparent=TRACE))
        (record,) = await rig.log()
    carried = json.loads(record.headers)["traceparent"]
    assert carried.startswith(TRACE[:36])
    assert carried.endswith("-00")


async def test_a_batch_is_one_span() -> None:
    """It ends with the answer of the batch."""
    kept = Kept()
    async with rigged(Limits()) as rig:
        answer = Traced(rig.endpoints, kept.spans).handle(batch(line(1), line(2)))
        assert isinstance(answer, Deferred)
        assert kept.ended == []
        await asyncio.wait([answer.future])
        await asyncio.sleep(0)
    assert (kept.one("publish").attributes or {})["http.response.status_code"] == 200


def outcome(value: object) -> Callable[[Request], Answer]:
    """Answers a publish with a future that has this result, or this exception."""

    def handle(_request: Request) -> Answer:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if isinstance(value, BaseException):
            future.set_exception(value)
        else:
            future.set_result(value)
        return Deferred(future, lambda _: Response(200))

    return handle


@pytest.mark.parametrize(
    ("handle", "status"),
    [
        (lambda _: error_response(TooLargeError()), 413),
        (lambda _: error_response(DefectError()), 500),
        (outcome(Response(429)), 429),
        (outcome([DiskFullError()]), 507),
        (outcome(UnknownOutcomeError()), 504),
        (outcome(LookupError()), 500),
    ],
)
async def test_a_span_has_the_status_of_the_answer(handle: Callable[[Request], Answer], status: int) -> None:
    """It is an error where the fault is the hub's, and not where the caller's is."""
    kept = Kept()
    Traced(Scripted(handle), kept.spans).handle(publish())
    await asyncio.sleep(0)
    span = kept.one("publish")
    assert (span.attributes or {})["http.response.status_code"] == status
    assert (span.status.status_code == StatusCode.ERROR) is (status >= 500)


async def test_a_defect_passes_and_ends_the_span() -> None:
    """The wall in front of the rules makes a 500 of it, as without tracing."""

    def broken(_request: Request) -> Answer:
        raise LookupError

    kept = Kept()
    with pytest.raises(LookupError):
        Traced(Scripted(broken), kept.spans).handle(publish())
    assert (kept.one("publish").attributes or {})["error.type"] == "internal"
    assert kept.one("publish").events == ()


async def test_what_is_no_publish_has_no_span() -> None:
    """Streams live for hours, and probes come every second."""
    kept = Kept()
    async with rigged(Limits()) as rig:
        traced = Traced(rig.endpoints, kept.spans)
        assert isinstance(traced.handle(subscribe()), Stream)
        traced.handle(Request("OPTIONS", PUBLISH, "", {}))
        traced.handle(Request("GET", "/", "", {}))
        assert traced.intake is rig.endpoints.intake
        assert isinstance(traced.admit(publish()), Admission)
    assert kept.ended == []


async def test_no_signature_stands_in_a_span() -> None:
    """Traces are read by many, and a v1 signature never ends (CWE-532)."""
    kept = Kept()
    async with rigged(Limits()) as rig:
        request = publish({"data": 1})
        request.query = f"signature={V1}"
        Traced(rig.endpoints, kept.spans).handle(request)
        await asyncio.sleep(0)
    assert V1 not in kept.one("publish").to_json()

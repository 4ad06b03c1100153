"""Appends and replays where tracing is on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.trace import StatusCode
from tests.support.collector import Kept, text

from fast_sse.hub.traced import TracedHub, traced_replays
from fast_sse.model.channel import Channel
from fast_sse.model.errors import DiskFullError, FastSseError, OverloadedError
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft
from fast_sse.observe.observer import NullObserver
from fast_sse.store.base import Outcome
from fast_sse.store.memory.store import MemoryStore

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def draft(headers: bytes = b"{}") -> Draft:
    return Draft(channel=Channel("a", "b"), data=b"1", headers=headers)


@asynccontextmanager
async def hub(kept: Kept, store: MemoryStore | None = None) -> AsyncIterator[TracedHub]:
    """A traced hub on a memory store."""
    store = store or MemoryStore(now_ms=lambda: 1)
    await store.open()
    traced = TracedHub(kept.spans, store, Limits(), NullObserver(), now_ms=lambda: 1, rng=random.Random(1))
    await traced.start()
    yield traced
    await traced.close()
    await store.close()


async def test_an_append_is_a_span_below_the_current_one() -> None:
    """With the id of the message that it stored."""
    kept = Kept()
    async with hub(kept) as traced:
        above = kept.spans.begin("publish", {})
        with above.current():
            future = traced.publish([draft()])
        (outcome,) = await future
        await asyncio.sleep(0)
    span = kept.one("append")
    assert span.parent is not None
    assert text(span.parent) == above.traceparent
    assert not isinstance(outcome, FastSseError)
    assert dict(span.attributes or {}) == {
        "messaging.batch.message_count": 1,
        "messaging.message.id": outcome.cursor.text,
    }


async def test_an_append_of_many_says_how_many() -> None:
    """And names none of them: a batch is one append."""
    kept = Kept()
    async with hub(kept) as traced:
        await traced.publish([draft(), draft()])
        await asyncio.sleep(0)
    assert dict(kept.one("append").attributes or {}) == {"messaging.batch.message_count": 2}


class Failing(MemoryStore):
    """Appends end as they are told."""

    def __init__(self, end: Any) -> None:
        super().__init__(now_ms=lambda: 1)
        self._end = end

    def append(self, drafts: Sequence[Draft]) -> asyncio.Future[list[Outcome]]:
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._end(future)
        return future


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda future: future.set_result([DiskFullError()]), "disk_full"),
        (lambda future: future.set_exception(DiskFullError()), "disk_full"),
        (lambda future: future.set_exception(LookupError()), "internal"),
        (lambda future: future.cancel(), "cancelled"),
    ],
)
async def test_an_append_that_fails_is_an_error_of_its_code(end: Any, code: str) -> None:
    """However the store says so."""
    kept = Kept()
    async with hub(kept, Failing(end)) as traced:
        await asyncio.wait([traced.publish([draft()])])
        await asyncio.sleep(0)
    span = kept.one("append")
    assert (span.attributes or {})["error.type"] == code
    assert span.status.status_code == StatusCode.ERROR


async def test_an_append_that_is_refused_at_once_is_an_error_too() -> None:
    """It raises as without tracing."""

    def refuse(_future: object) -> None:
        raise OverloadedError

    kept = Kept()
    async with hub(kept, Failing(refuse)) as traced:
        with pytest.raises(OverloadedError):
            traced.publish([draft()])
    assert (kept.one("append").attributes or {})["error.type"] == "overloaded"


async def test_a_replay_has_a_link_to_the_trace_of_each_message() -> None:
    """The original publish is found from the replay, whose append hangs below it; the message keeps its trace."""
    kept = Kept()
    given = [draft(b'{"traceparent":"%b"}' % TRACE.encode()), draft(), draft(b'{"traceparent":"x"}')]
    async with hub(kept) as traced:
        outcomes = await traced_replays(kept.spans, traced.publish)(given)
        await asyncio.sleep(0)
    assert len(outcomes) == 3
    replay, append = kept.one("replay"), kept.one("append")
    assert [text(link.context) for link in replay.links] == [TRACE]
    assert append.parent == replay.context
    assert dict(replay.attributes or {}) == {"messaging.batch.message_count": 3}


async def test_a_replay_that_fails_raises_as_without_tracing() -> None:
    """Its span says why."""

    async def publish(_drafts: Sequence[Draft]) -> list[Outcome]:
        raise DiskFullError

    kept = Kept()
    with pytest.raises(DiskFullError):
        await traced_replays(kept.spans, publish)([draft()])
    await asyncio.sleep(0)
    assert (kept.one("replay").attributes or {})["error.type"] == "disk_full"

"""The hub in numbers: what its parts count anyway, and two questions to the store that only a reader asks.

How far this node is behind the log, and whether a publish would be stored, are known by asking. `look` asks, bounded
in time, before the numbers are read; what the store does not answer is left out or stays what it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from fast_sse.hub.fanout import Fanout
from fast_sse.hub.follower import Follower
from fast_sse.hub.publishes import Publishes
from fast_sse.hub.streams import Streams
from fast_sse.model.cursor import KINDS, Cursor
from fast_sse.model.errors import FastSseError
from fast_sse.observe.metrics import Sample, counted
from fast_sse.store.base import Store


async def newest(store: Store, within_s: float) -> Cursor | None:
    """The last place of the log, or None where the store does not say so in time."""
    try:
        async with asyncio.timeout(within_s):
            return (await store.bounds()).newest
    except (FastSseError, TimeoutError):
        return None


def stream_samples(streams: Streams) -> Iterator[Sample]:
    """Who is connected, and what became of those who were slow or came back."""
    yield Sample("streams_open", "gauge", "Open streams.", streams.open_count)
    yield Sample("streams_opened_total", "counter", "Streams that began.", streams.opened)
    text = "Streams told that their signature ran out or was revoked, at once or later."
    yield Sample("streams_expired_total", "counter", text, streams.expired)
    yield from counted("streams_evicted_total", "Streams cut by the hub.", "reason", streams.evicted)
    yield from counted(
        "gaps_total", "Streams told that a cursor could not be continued.", "reason", streams.gaps
    )
    yield Sample("replayed_total", "counter", "Records sent by catch-ups.", streams.replayed)
    yield Sample(
        "fell_behind_total", "counter", "Times a stream was too slow for its live set.", streams.fell_behind
    )
    yield Sample("came_back_total", "counter", "Times a slow stream read on.", streams.came_back)


def fanout_samples(fanout: Fanout) -> Iterator[Sample]:
    """The way from the log to the sockets."""
    yield Sample("live_sets", "gauge", "Filters that somebody listens to.", len(list(fanout.sets)))
    yield Sample("flushes_total", "counter", "Joined writes, one for each live set and tick.", fanout.flushes)
    yield Sample(
        "deliveries_total", "counter", "Records times streams, handed to live sockets.", fanout.deliveries
    )
    yield Sample("pending_bytes", "gauge", "Frames that wait for a flush.", fanout.pending_bytes)
    yield Sample("tail_records", "gauge", "Recent records kept in memory.", len(fanout.tail))
    yield Sample("tail_bytes", "gauge", "What they take.", fanout.tail.size_bytes)


def follower_samples(follower: Follower, level: Cursor, end: Cursor | None) -> Iterator[Sample]:
    """How this node follows the log; `end` is the log's newest place, where that is known."""
    yield Sample("following", "gauge", "1 while this node reads the log.", follower.following)
    yield Sample("records_total", "counter", "Records taken from the log.", follower.records)
    yield Sample("follower_restarts_total", "counter", "Times the follower began again.", follower.restarts)
    if end is None or end.epoch != level.epoch:
        return
    behind = max(0, end.position - level.position)
    yield Sample("follower_level", "gauge", "1 when this node has taken all that is in the log.", not behind)
    if KINDS[end.kind].counts:
        text = "Positions of the log that this node has not taken yet; some may never have been given."
        yield Sample("follower_lag_positions", "gauge", text, behind)


def publish_samples(publishes: Publishes) -> Iterator[Sample]:
    """Messages on their way to the store, and what it said."""
    text = "Messages that the store was asked to keep, by what came of it."
    yield from counted("publishes_total", text, "outcome", publishes.outcomes)
    yield Sample("publishes_pending", "gauge", "Messages that the store has not answered.", publishes.drafts)
    yield Sample("publishes_pending_bytes", "gauge", "Their size.", publishes.bytes)
    text = "Messages whose line is longer than some clients can read."
    yield Sample("long_lines_total", "counter", text, publishes.long_lines.total)

"""How a subscriber that is not level moves along the log: pages of the store, then the tail.

One coroutine serves every reason to be behind: a fresh `Last-Event-ID`, `earliest`, `last=N`, and coming back
after a pause. It lives only while the subscriber is catching up and ends by itself when the subscriber joined
its live set, waits for a flush, was paused by its peer, or ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fast_sse.hub.subscriber import CATCHING_UP
from fast_sse.model.cursor import Cursor, parse_cursor
from fast_sse.model.frame import frame, gap
from fast_sse.model.message import addressed_envelope, bare_envelope

if TYPE_CHECKING:
    from fast_sse.hub.streams import Streams
    from fast_sse.hub.subscriber import Subscriber
    from fast_sse.store.base import Page


class Start(msgspec.Struct, frozen=True):
    """Where a stream begins: after a client's cursor text, at the earliest record, at the last `count`, or now."""

    after: str = ""
    earliest: bool = False
    last: int = 0


async def begin(subscriber: Subscriber, streams: Streams, start: Start) -> None:
    """First steps that need the store, then the common way."""
    if start.earliest:
        bounds = await streams.ask(streams.store.bounds)
        _prime(subscriber, bounds.trimmed)
    elif start.last:
        page = await streams.ask(lambda: streams.store.last(subscriber.filter, start.last))
        _prime(subscriber, page.start)
        _write_page(subscriber, streams, page)
    elif parse_cursor(start.after) is None:
        bounds = await streams.ask(streams.store.bounds)
        subscriber.cursor = bounds.newest
        subscriber.sent = bounds.newest.position
        streams.gaps["unreadable"] += 1
        subscriber.write(gap("unreadable", start.after, bounds.newest))
    await follow_up(subscriber, streams)


def _prime(subscriber: Subscriber, cursor: Cursor) -> None:
    subscriber.cursor = cursor
    subscriber.sent = -1
    subscriber.advance(subscriber.cursor)
    subscriber.sent = subscriber.cursor.position


async def follow_up(subscriber: Subscriber, streams: Streams) -> None:
    """Read and write pages until the subscriber is no longer catching up."""
    while subscriber.state == CATCHING_UP:
        if subscriber.level_from_tail():
            return
        after = subscriber.cursor
        page = await streams.read(subscriber.filter, after)
        if subscriber.state != CATCHING_UP or subscriber.cursor is not after:
            continue  # paused, ended, or became live and fell behind again during the read: this page is stale
        _write_page(subscriber, streams, page)
        if subscriber.cursor.epoch == streams.fanout.level.epoch:
            # After a hop this node's follower may lag behind what the store already showed.
            await streams.fanout.reached(subscriber.cursor.position)


def _write_page(subscriber: Subscriber, streams: Streams, page: Page) -> None:
    addressed = subscriber.filter.addressed
    envelope = addressed_envelope if addressed else bare_envelope
    now_ms = streams.now_ms()
    frames = []
    if page.gap is not None:
        frames.append(gap(page.gap.reason, subscriber.cursor.text, page.gap.resumed_at))
        subscriber.sent = page.gap.resumed_at.position
        streams.gaps[page.gap.reason] += 1
    for record in page.records:
        if not record.expired(now_ms):
            cursor = page.through.at(record.position, record.fingerprint)
            frames.append(frame(cursor.text, record.event, envelope(record)))
            subscriber.sent = record.position
    subscriber.cursor = page.through
    streams.replayed += len(page.records)
    if frames:
        subscriber.write(b"".join(frames))

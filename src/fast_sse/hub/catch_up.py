"""How a subscriber that is not level moves along the log: pages of the store, then the tail.

One coroutine serves every reason to be behind: a fresh `Last-Event-ID`, `earliest`, `last=N`, and coming back
after a pause. It lives only while the subscriber is catching up and ends by itself when the subscriber joined
its live set, waits for a flush, was paused by its peer, or ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from fast_sse.hub.outgoing import CATCHING_UP
from fast_sse.hub.tail import acceptor
from fast_sse.model.cursor import Cursor
from fast_sse.model.moment import Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from fast_sse.hub.streams import Streams
    from fast_sse.hub.subscriber import Subscriber
    from fast_sse.hub.tail import Entry, Tail
    from fast_sse.model.channel import Channel
    from fast_sse.model.cursor import Position
    from fast_sse.model.limits import Limits
    from fast_sse.store.base import Page


class Start(msgspec.Struct, frozen=True):
    """Where a stream begins: after a client's cursor text (whatever it is), at the earliest record, at a time of the
    store, at the last `last` records that match, or now.
    """

    after: str | None = None
    earliest: bool = False
    since: Moment | None = None
    last: int = 0

    @property
    def is_now(self) -> bool:
        """Whether it begins with what is published from now on."""
        return self.after is None and not (self.earliest or self.since or self.last)


async def begin(subscriber: Subscriber, streams: Streams, start: Start) -> None:
    """First steps that need the store (all but a cursor of ours, and now), then the common way."""
    store = streams.store
    if start.after is not None:
        bounds = await streams.ask(store.bounds)
        subscriber.say_gap("unreadable", start.after, bounds.newest)
    elif start.earliest:
        bounds = await streams.ask(store.bounds)
        subscriber.stand_at(bounds.trimmed)
    elif start.since is not None:
        _begin_at(subscriber, await _page_since(streams, start.since), start.since.text)
    else:
        bytes_max = streams.limits.page_bytes_max
        page = await streams.ask(lambda: store.last(subscriber.filter, start.last, bytes_max))
        _begin_at(subscriber, page, page.start.text)
        _write_records(subscriber, streams, page)
    await follow_up(subscriber, streams)


async def _page_since(streams: Streams, moment: Moment) -> Page:
    time_ms = moment.at(streams.now_ms())
    return await streams.ask(lambda: streams.store.since(time_ms))


def _begin_at(subscriber: Subscriber, page: Page, wanted_from: str) -> None:
    if page.gap is None:
        subscriber.stand_at(page.start)
    else:
        subscriber.say_gap(page.gap.reason, wanted_from, page.gap.resumed_at)


async def follow_up(subscriber: Subscriber, streams: Streams) -> None:
    """Read and write pages until the subscriber is no longer catching up. Only this moves its cursor meanwhile."""
    fanout = streams.fanout
    accepts = acceptor(subscriber.filter)
    dense = False
    while subscriber.state == CATCHING_UP:
        if subscriber.level_from_tail():
            return
        after = subscriber.cursor
        if dense and fanout.tail.covers(after):
            # A page was cut short by its bounds: from here the tail is the shorter way, in slices of the same reach.
            wanted, last = _slice(fanout.tail, after.position, accepts, streams.limits)
            subscriber.send_entries(wanted, after.at(last.position, last.record.fingerprint))
        else:
            # With the store away the client is told its own cursor, and waits.
            page = await streams.read(subscriber.filter, after, on_absent=subscriber.prime)
            if subscriber.state != CATCHING_UP:
                return
            _write_page(subscriber, streams, page)
            dense = page.through.position < fanout.level.position
            await _wait_for_follower(streams, page, after)
        await asyncio.sleep(0)  # a store that answers at once must not keep the loop from everybody else


def _slice(
    tail: Tail, after: Position, accepts: Callable[[Channel], bool], limits: Limits
) -> tuple[list[Entry], Entry]:
    """Entries of the tail that match, at most a page of them, and the last entry that was looked at."""
    wanted: list[Entry] = []
    entries = tail.first_after(after, limits.tail_scan_records_max)
    for entry in entries:
        if accepts(entry.record.channel):
            wanted.append(entry)
            if len(wanted) == limits.page_records_max:
                return wanted, entry
    return wanted, entries[-1]


async def _wait_for_follower(streams: Streams, page: Page, after: Cursor) -> None:
    """After a hop this node's follower may lag behind what the store already showed: nothing to read until it moves."""
    level = streams.fanout.level
    if page.through.epoch == level.epoch and page.through.position > level.position:
        await streams.fanout.reached(page.through.position)
    elif page.gap is None and page.through.position <= after.position:
        # No way forward and nobody to wait for, as when the follower has not noticed a new epoch yet.
        await asyncio.sleep(streams.limits.retry_store_s)


def _write_page(subscriber: Subscriber, streams: Streams, page: Page) -> None:
    if page.gap is not None:
        subscriber.say_gap(page.gap.reason, subscriber.cursor.text, page.gap.resumed_at)
    subscriber.prime()
    _write_records(subscriber, streams, page)


def _write_records(subscriber: Subscriber, streams: Streams, page: Page) -> None:
    if subscriber.state == CATCHING_UP:
        now_ms = streams.now_ms()
        # Most neither expire nor have an event: those need not be asked.
        records = [one for one in page.records if not (one.expires_ms or one.event) or one.due(now_ms)]
        streams.replayed += len(records)
        subscriber.send(records, page.through)

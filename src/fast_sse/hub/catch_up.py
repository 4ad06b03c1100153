"""How a stream that is not level moves along the log: pages of the store, then the tail.

One coroutine serves every reason to be behind: a fresh `Last-Event-ID`, `earliest`, `since`, `last=N`, and coming back
after a pause. It lives only while the stream is catching up and ends by itself when the stream has joined its live set,
waits for a flush, was paused by its peer, or has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fast_sse.hub.ground import Ground
from fast_sse.hub.outgoing import CATCHING_UP
from fast_sse.hub.subscriber import Subscriber
from fast_sse.hub.subscription import Start
from fast_sse.hub.tail import Entry, Tail, acceptor
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import StoreClosedError
from fast_sse.model.limits import Limits
from fast_sse.model.moment import Moment
from fast_sse.store.base import Page


class CatchUp:
    """Moves one stream on. Only this moves its cursor meanwhile."""

    __slots__ = ("_ground", "_stream")

    def __init__(self, stream: Subscriber, ground: Ground) -> None:
        self._stream = stream
        self._ground = ground

    async def run(self, start: Start | None) -> None:
        """Begin at `start` or, where that is None, at the cursor, and go on until the stream is no longer catching up.

        What it cannot survive ends this one stream, loudly, and the client resumes elsewhere.
        """
        try:
            if start is not None:
                await self._begin(start)
            await self._follow_up()
        except StoreClosedError:
            self._stream.cut("shutdown")
        except Exception as error:  # noqa: BLE001  a defect must not leave a stream that silently stands still
            self._stream.give_up(error)
        finally:
            self._stream.catch_up_ended()

    # -- where it begins ----------------------------------------------------------------------------

    async def _begin(self, start: Start) -> None:
        """First steps that need the store: all but a cursor of ours, and now."""
        stream, ask, store = self._stream, self._ground.ask, self._ground.store
        if start.after is not None:
            stream.say_gap("unreadable", start.after, (await ask(store.bounds)).newest)
        elif start.earliest:
            stream.stand_at((await ask(store.bounds)).trimmed)
        elif start.since is not None:
            self._begin_at(await self._page_since(start.since), start.since.text)
        else:
            bytes_max = self._ground.limits.page_bytes_max
            page = await ask(lambda: store.last(stream.filter, start.last, bytes_max))
            self._begin_at(page, page.start.text)
            await self._write_records(page)

    async def _page_since(self, moment: Moment) -> Page:
        time_ms = moment.at(self._ground.now_ms())
        return await self._ground.ask(lambda: self._ground.store.since(time_ms))

    def _begin_at(self, page: Page, wanted_from: str) -> None:
        if page.gap is None:
            self._stream.stand_at(page.start)
        else:
            self._stream.say_gap(page.gap.reason, wanted_from, page.gap.resumed_at)

    # -- the way ------------------------------------------------------------------------------------

    async def _follow_up(self) -> None:
        """Read and write until the stream is no longer catching up."""
        stream, fanout = self._stream, self._ground.fanout
        accepts = acceptor(stream.filter)
        dense = False
        while await self._has_turn():
            if stream.level_from_tail():
                return
            after = stream.cursor
            if (dense or stream.near) and fanout.tail.covers(after):
                # A page was cut short by its bounds: from here the tail is the shorter way, in slices of the same reach.
                # A stream that is near and has not joined has first to wait for what is to be packed.
                wanted, last = _slice(fanout.tail, after.position, accepts, self._ground.limits)
                if not await self._ground.packing.pack(wanted, stream.shape):
                    stream.prime()
                    if stream.state == CATCHING_UP:
                        stream.send_entries(wanted, after.at(last.position, last.record.fingerprint))
            else:
                page = await self._read(after)
                if stream.state != CATCHING_UP:
                    return
                await self._write_page(page)
                dense = page.through.position < fanout.level.position
                await self._wait_for_follower(page, after)
            await asyncio.sleep(0)  # a store that answers at once must not keep the loop from all others

    async def _has_turn(self) -> bool:
        """Whether it is still catching up when its turn has come."""
        if self._stream.state == CATCHING_UP:
            await self._ground.pace.turn()
        return self._stream.state == CATCHING_UP

    async def _read(self, after: Cursor) -> Page:
        """One page. With the store away the client is told its own cursor, and waits."""
        ground, wanted = self._ground, self._stream.filter
        records_max, bytes_max = ground.limits.page_records_max, ground.limits.page_bytes_max
        return await ground.ask(
            lambda: ground.store.read(wanted, after, records_max, bytes_max), on_absent=self._stream.prime
        )

    async def _write_page(self, page: Page) -> None:
        if page.gap is not None:
            self._stream.say_gap(page.gap.reason, self._stream.cursor.text, page.gap.resumed_at)
        self._stream.prime()
        await self._write_records(page)

    async def _write_records(self, page: Page) -> None:
        stream = self._stream
        if stream.state != CATCHING_UP:
            return
        now_ms = self._ground.now_ms()
        # Most neither expire nor have an event: those need not be asked.
        records = [one for one in page.records if not (one.expires_ms or one.event) or one.due(now_ms)]
        found = stream.frames(records, page.through)
        if stream.form.body == "payload":
            found = await self._ground.packing.run(records, stream.shape, found)
            if stream.state != CATCHING_UP:
                return
        self._ground.replayed += len(records)
        stream.send(records, found, page.through)

    async def _wait_for_follower(self, page: Page, after: Cursor) -> None:
        """After a hop this node's follower may lag behind what the store showed: nothing to read until it moves."""
        fanout = self._ground.fanout
        level = fanout.level
        if page.through.epoch == level.epoch and page.through.position > level.position:
            await fanout.reached(page.through.position)
        elif page.gap is None and page.through.position <= after.position:
            # No way forward and nothing to wait for, as when the follower has not noticed a new epoch yet.
            await asyncio.sleep(self._ground.limits.retry_store_s)


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

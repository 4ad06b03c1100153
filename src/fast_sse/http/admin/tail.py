"""A channel as it is written, for an operator's eyes: an event stream of what the log takes, whoever else gets it.

It reads the log and is no subscriber: a message that only an operator saw still becomes a dead letter, and its delivery is
counted as before. It looks for new messages a few times a second. It never holds more than one page, and reads the
next one when the browser has taken that. A channel that is faster than eyes and browsers is not caught up with: the tail
goes on with the newest messages, and says that it passed some over.

Whatever event name a message has, it comes as `message` with that name inside, so that a page can listen to all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.asked import RawRoute, channel_in, number, parameters, refusing
from fast_sse.http.admin.event_stream import ENDS, End, EventStream, OpenStreams, Refused, cut_of, last_words
from fast_sse.http.admin.messages import LISTED_BYTES, place_of
from fast_sse.http.admin.views import message_json
from fast_sse.hub.hub import Hub
from fast_sse.hub.retained import Retained
from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor, choose_cursor
from fast_sse.model.errors import BadRequestError, StoreClosedError, UnavailableError
from fast_sse.model.frame import frame, retry
from fast_sse.observe.access import Ended

#: Seconds between two looks, and messages of a page.
POLL_S = 0.2
PAGE = 100
#: Full pages, one after the other, after which a tail that was level goes on with the newest messages.
PAGES_BEHIND_MAX = 5
#: How long a browser may take nothing, and bytes that it may have waiting.
STALL_S = 10.0
BUFFER_BYTES_MAX = 256 * 1024
#: Looks without a message after which the id is moved on, so that the stream says that it lives.
QUIET_LOOKS = 75
LAST_MAX = 100
#: Seconds until a store that is away is asked again.
AWAY_S = 1.0

_RETRY_MS = 2_000


class Tailed(Protocol):
    """A node whose log can be followed."""

    @property
    def hub(self) -> Hub:
        """The hub. Raises UnavailableError before the store is open."""


class Begin(msgspec.Struct, frozen=True):
    """Where a tail begins: behind a place, with the last few messages, with all that is retained, or now."""

    shown: str = ""
    after: Cursor | None = None
    earliest: bool = False
    last: int = 0


class Tail:
    """One tail: the protocol of its transport."""

    def __init__(
        self,
        hub: Hub,
        wanted: Filter,
        begin: Begin,
        transport: Any,
        cut: Callable[[], None],
        on_lost: Callable[[Tail], None],
    ) -> None:
        self._hub = hub
        self._wanted = wanted
        self._begin = begin
        self._transport = transport
        self._cut = cut
        self._on_lost = on_lost
        self._cursor = hub.level
        self._room = asyncio.Event()
        self._room.set()
        self._level_once = False
        self.ended: Ended = "client"
        transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="tail")

    # -- the protocol -------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The browser has not read enough."""
        self._room.clear()

    def resume_writing(self) -> None:
        """The browser has read."""
        self._room.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        """See `Ending`."""
        self._task.cancel()
        self._on_lost(self)

    def end(self, reason: End) -> None:
        """See `Ending`."""
        self.ended = ENDS[reason]
        self._transport.write(last_words(reason))
        self._transport.close()

    # -- following ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._start()
            await self._follow()
        except StoreClosedError:
            self.end("stopping")
        except TimeoutError:
            self.ended = "stalled"
            self._cut()
        except Exception:
            self.ended = "defect"
            self._cut()  # the browser comes back; the loop reports what happened
            raise

    async def _start(self) -> None:
        """Say where it begins, and send what is asked for from before that."""
        begin, level = self._begin, self._hub.level
        resumed = choose_cursor(begin.shown, level) if begin.shown else None
        self._cursor = resumed or begin.after or level
        said = {"cursor": self._cursor.text, "resumed": resumed is not None}
        self._say("start", said, retry(_RETRY_MS))
        if begin.shown and resumed is None:
            gap = {"reason": "unreadable", "from": begin.shown[:200], "resumed_at": level.text}
            self._say("gap", gap)
        elif resumed is None and (begin.earliest or begin.last):
            pages = self._hub.retained
            if begin.last:
                page = await self._ask(lambda: pages.newest(self._wanted, begin.last))
            else:
                page = await self._ask(lambda: pages.after(self._wanted, None, PAGE))
            self._write(page)

    async def _follow(self) -> None:
        full = quiet = 0
        while True:
            async with asyncio.timeout(STALL_S):
                await self._room.wait()
            level = self._hub.level
            if self._is_at(level):
                self._level_once = True
                full = 0
            else:
                page = await self._ask(lambda: self._hub.retained.after(self._wanted, self._cursor, PAGE))
                full = 0 if page.ended else full + 1
                self._level_once |= page.ended
                if self._level_once and full > PAGES_BEHIND_MAX:
                    self._say("skipped", {"from": self._cursor.text})
                    page = await self._ask(lambda: self._hub.retained.newest(self._wanted, PAGE))
                quiet = 0 if page.records else quiet
                self._write(page)
            quiet += 1
            if quiet >= QUIET_LOOKS:
                quiet = 0
                self._say("position", {})
            await asyncio.sleep(POLL_S)

    def _is_at(self, level: Cursor) -> bool:
        here = self._cursor
        return (here.kind, here.epoch) == (level.kind, level.epoch) and here.position >= level.position

    async def _ask(self, question: Callable[[], Any]) -> Retained:
        """Ask the store, however long it is away."""
        while True:
            try:
                page: Retained = await question()
            except StoreClosedError:
                raise
            except UnavailableError:
                await asyncio.sleep(AWAY_S)
            else:
                return page

    def _write(self, page: Retained) -> None:
        if page.gap is not None:
            gap = {
                "reason": page.gap.reason,
                "from": self._cursor.text,
                "resumed_at": page.gap.resumed_at.text,
            }
            self._cursor = page.gap.resumed_at
            self._say("gap", gap)
        blocks = []
        for record in page.records:
            self._cursor = page.newest.at(record.position, record.fingerprint)
            record_id = self._cursor.text
            data = msgspec.json.encode(message_json(record, record_id, LISTED_BYTES))
            blocks.append(frame(record_id, "", data))
        if blocks:
            self._transport.write(b"".join(blocks))
        self._cursor = page.through

    def _say(self, event: str, data: dict[str, Any], before: bytes = b"") -> None:
        self._transport.write(before + frame(self._cursor.text, event, msgspec.json.encode(data)))


def routes(node: Tailed, streams: OpenStreams, now: Callable[[], float]) -> list[Route]:
    """The tail of a channel."""

    async def follow(request: Request) -> Response:
        wanted = Filter.of(channel_in(request))
        begin = _begin(request)
        hub = node.hub
        return EventStream(request, partial(_attach, hub, wanted, begin, streams, request), now)

    return [RawRoute("/v1/channels/{event_id}/{event_type}/tail", refusing(follow), methods=["GET"])]


def _attach(
    hub: Hub, wanted: Filter, begin: Begin, streams: OpenStreams, request: Request, transport: Any
) -> Tail | Refused:
    if reason := streams.refusal("tail"):
        return Refused(transport, reason)
    tail = Tail(
        hub, wanted, begin, transport, cut_of(request, transport.abort), partial(streams.discard, "tail")
    )
    streams.add("tail", tail)
    return tail


def _begin(request: Request) -> Begin:
    """Raises BadRequestError."""
    fields = parameters(request, frozenset({"after", "last"}))
    if len(fields) > 1:
        raise BadRequestError("after and last are two beginnings: give one of them")
    last = number("last", fields.get("last", "0"))
    if last > LAST_MAX:
        raise BadRequestError(f"last must be at most {LAST_MAX}")
    after = place_of(fields["after"]) if "after" in fields else None
    shown = request.headers.get("last-event-id", "")
    return Begin(shown, after, earliest="after" in fields and after is None, last=last)

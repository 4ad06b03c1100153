"""`GET /v1/messages`: what is retained of some channels, as JSON, a page at a time. A fetch that ends.

It is for a page that loads, a job that runs once a night, a test. It shows what a stream with the same cursor would replay, and no
more: `next` is a cursor like any other, for the next page or for a stream that goes on from there, without a hole between
them. A page may be shorter than asked for, because it is bounded in bytes, too; `more` says whether the log goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from fast_sse.http.api.access import Access
from fast_sse.http.api.credential import credential_of
from fast_sse.http.api.later import Later
from fast_sse.http.api.routes import Segments
from fast_sse.http.api.subscribing import parse_query
from fast_sse.http.message import Answer, Request, Response
from fast_sse.hub.frames import id_texts
from fast_sse.hub.hub import Hub
from fast_sse.hub.retained import PAGE_MAX, Retained, RetainedPages
from fast_sse.model.channel import Filter, channel_of
from fast_sse.model.cursor import choose_cursor
from fast_sse.model.errors import BadChannelError, BadRequestError, OverloadedError
from fast_sse.model.message import Record, addressed_envelope, bare_envelope
from fast_sse.model.moment import Moment, parse_moment

#: Pages that are read at once or wait for their turn.
READS_MAX = 256
#: What may stand in the query.
FIELDS = frozenset({"channel", "after", "since", "last", "limit", "signature", "token"})
_LIMIT = 100
_DIGITS_MAX = 4


class _Gap(msgspec.Struct, frozen=True):
    """As the event `fast-sse.gap` says it."""

    reason: str
    from_: str = msgspec.field(name="from")
    resumed_at: str


class _Asked(msgspec.Struct, frozen=True):
    """One page, as it is asked for. Of `after`, `since` and `last` at most one is set; without any it begins at the oldest."""

    after: str = ""
    since: Moment | None = None
    last: int = 0
    limit: int = _LIMIT


class HistoryRoute:
    """The route of one hub."""

    def __init__(self, hub: Hub, now: Callable[[], float], later: Later) -> None:
        """`now`: Unix seconds, for signatures."""
        self._store = hub.store
        self._pages = RetainedPages(hub.store)
        self._now = now
        self._now_ms = hub.now_ms
        self._later = later
        self._reading = 0

    def show(self, request: Request, _segments: Segments, access: Access) -> Answer:
        """`GET /v1/messages?channel=ID/TYPE`, signed as the stream of these channels would be."""
        query = parse_query(request.query)
        fields = dict(query)
        targets = {channel_of(value): None for name, value in query if name == "channel"}
        if not targets:
            raise BadChannelError("at least one channel=ID/TYPE is needed")
        wanted = Filter.of(*targets)
        access.reader(credential_of(request, fields), wanted.patterns, now=self._now())
        asked = _asked([name for name, _ in query], fields)
        if self._reading == READS_MAX:
            raise OverloadedError("too many pages are read at once", retry_after_s=1)
        self._reading += 1
        return self._later.answer(self._page(wanted, asked))

    async def _page(self, wanted: Filter, asked: _Asked) -> Response:
        try:
            found, gap = await self._read(wanted, asked)
        finally:
            self._reading -= 1
        log, now_ms = found.through, self._now_ms()
        text = id_texts(log)
        messages = [_message(one, text(one), wanted) for one in found.records if one.due(now_ms)]
        data: dict[str, Any] = {"messages": messages, "next": found.through.text, "more": not found.ended}
        if gap is not None:
            data["gap"] = gap
        return Response(200, msgspec.json.encode({"code": "ok", "data": data}))

    async def _read(self, wanted: Filter, asked: _Asked) -> tuple[Retained, _Gap | None]:
        """The page, and what of it could not be continued."""
        if asked.last:
            return await self._whole(self._pages.newest(wanted, asked.last), "")
        if asked.since is not None:
            from_ms = asked.since.at(self._now_ms())
            return await self._whole(self._pages.since(wanted, from_ms, asked.limit), asked.since.text)
        if not asked.after or asked.after == "earliest":
            return await self._whole(self._pages.after(wanted, None, asked.limit), "")
        newest = (await self._store.bounds()).newest
        cursor = choose_cursor(asked.after, newest)
        if cursor is None:  # as a stream goes on: from now
            gap = _Gap("unreadable", asked.after, newest.text)
            return Retained(records=(), through=newest, ended=True, gap=None, newest=newest), gap
        return await self._whole(self._pages.after(wanted, cursor, asked.limit), asked.after)

    async def _whole(
        self, reading: Coroutine[Any, Any, Retained], shown: str
    ) -> tuple[Retained, _Gap | None]:
        found = await reading
        gap = found.gap
        return found, None if gap is None else _Gap(gap.reason, shown, gap.resumed_at.text)


def _message(record: Record, id_text: str, wanted: Filter) -> msgspec.Raw:
    """One message: its id, the event's name where it has one, and the envelope as a stream carries it."""
    envelope = addressed_envelope(record) if wanted.addressed else bare_envelope(record)
    head = {"id": id_text} | ({"event": record.event} if record.event else {})
    return msgspec.Raw(msgspec.json.encode(head)[:-1] + b"," + envelope[1:])


def _asked(names: list[str], fields: dict[str, str]) -> _Asked:
    """Raises BadRequestError, naming the field."""
    for name in names:
        if name not in FIELDS:
            raise BadRequestError(
                f"there is no field {name[:64]!a} here; there are {', '.join(sorted(FIELDS))}"
            )
        if name != "channel" and names.count(name) > 1:
            raise BadRequestError(f"the field {name} comes twice")
    begins = [name for name in ("after", "since", "last") if fields.get(name)]
    if len(begins) > 1:
        raise BadRequestError(f"{' and '.join(begins)} both say where to begin; one of them is enough")
    return _Asked(
        after=fields.get("after", ""),
        since=parse_moment(fields["since"]) if fields.get("since") else None,
        last=_number("last", fields["last"]) if fields.get("last") else 0,
        limit=_number("limit", fields["limit"]) if fields.get("limit") else _LIMIT,
    )


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX and 1 <= int(text) <= PAGE_MAX):
        raise BadRequestError(f"{name} must be 1 to {PAGE_MAX}")
    return int(text)

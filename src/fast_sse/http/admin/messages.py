"""Messages that the log holds: those of a channel by id or by time, and one by its id, with what became of it."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import ok
from fast_sse.http.admin.asked import RawRoute, bounded, channel_in, number, parameters, refusing
from fast_sse.http.admin.views import head_json, message_json
from fast_sse.http.indicator import indicator_json
from fast_sse.hub.hub import Hub
from fast_sse.hub.retained import PAGE_MAX, Retained
from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor, parse_cursor
from fast_sse.model.errors import BadRequestError
from fast_sse.model.limits import KIB, MIB
from fast_sse.model.message import bare_envelope

#: Characters of a message that a list shows, and that are shown of one alone.
LISTED_BYTES = 8 * KIB
SHOWN_BYTES = MIB

_LIMIT = 50


class Kept(Protocol):
    """A node with a log."""

    @property
    def hub(self) -> Hub:
        """The hub. Raises UnavailableError before the store is open."""


def routes(node: Kept) -> list[Route]:
    """A channel's messages, and one message."""

    async def many(request: Request) -> Response:
        wanted = Filter.of(channel_in(request))
        fields = parameters(request, frozenset({"after", "from_ms", "before_ms", "limit"}))
        count = bounded(fields, "limit", _LIMIT, PAGE_MAX)
        before_ms = number("before_ms", fields["before_ms"]) if "before_ms" in fields else None
        pages = node.hub.retained
        if "after" in fields:
            if "from_ms" in fields:
                raise BadRequestError("after and from_ms are two beginnings: give one of them")
            page = await pages.after(wanted, place_of(fields["after"]), count, before_ms)
        elif "from_ms" in fields:
            page = await pages.since(wanted, number("from_ms", fields["from_ms"]), count, before_ms)
        elif before_ms is not None:
            page = await pages.after(wanted, None, count, before_ms)
        else:
            page = await pages.newest(wanted, count)
        return ok(await asyncio.to_thread(_page_json, page))

    async def one(request: Request) -> Response:
        parameters(request, frozenset())
        delivery = node.hub.delivery
        found = await delivery.find(request.path_params["id"])
        record = found.record or (found.letter.record if found.letter is not None else None)
        message = envelope = None
        if record is not None:
            message = message_json(record, found.cursor.text, SHOWN_BYTES)
            if not message["truncated"]:
                envelope = bare_envelope(record).decode()
        return ok(
            {
                "message": message,
                "envelope_text": envelope,
                "letter": None if found.letter is None else head_json(found.letter),
                "delivery": indicator_json(delivery.indicator(found)),
            }
        )

    return [
        RawRoute("/v1/channels/{event_id}/{event_type}/messages", refusing(many), methods=["GET"]),
        Route("/v1/messages/{id}", refusing(one), methods=["GET"]),
    ]


def place_of(text: str) -> Cursor | None:
    """An id as a place; None for `earliest`. Raises BadRequestError."""
    if text == "earliest":
        return None
    if (cursor := parse_cursor(text)) is None:
        raise BadRequestError("after must be the id of a message, or earliest")
    return cursor


def _page_json(page: Retained) -> dict[str, Any]:
    """In a thread: a page may be a megabyte."""
    log = page.newest
    return {
        "items": [
            message_json(one, log.at(one.position, one.fingerprint).text, LISTED_BYTES)
            for one in page.records
        ],
        "next": None if page.ended else page.through.text,
        "gap": None
        if page.gap is None
        else {"reason": page.gap.reason, "resumed_at": page.gap.resumed_at.text},
        "newest": page.newest.text,
    }

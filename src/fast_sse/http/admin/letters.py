"""The dead letters, for operators: list, show, replay, purge and import; and how far a message has come, without a signature.

A call over many letters does a bounded part of the work and says by `next` where the following call goes on. So the pace,
the progress and the end of it are the caller's.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol, cast, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import ok, sent
from fast_sse.http.admin.asked import address_of, body_of, decoded, number, parameters, refusing
from fast_sse.http.admin.views import bytes_of, head_json, whole_json
from fast_sse.http.indicator import indicator_response
from fast_sse.hub.delivery import Indicator
from fast_sse.hub.letters import LetterDesk
from fast_sse.model.channel import Channel, channel, check_segment
from fast_sse.model.errors import BadRequestError
from fast_sse.model.letter import Reason, Source
from fast_sse.model.limits import KIB, MIB
from fast_sse.store.letters import PAGE_MAX, Wanted

#: Of a body that names a channel.
BODY_BYTES_MAX = 4 * KIB
#: Of an import, and its letters.
IMPORT_BYTES_MAX = 4 * MIB
IMPORT_MAX = 500

_FILTERS = frozenset({"reason", "event_id", "event_type", "after", "before"})
_PAGING = frozenset({"limit", "cursor"})
_NONE: frozenset[str] = frozenset()
_REASONS = get_args(Reason)
_LIMIT = "100"


class Lettered(Protocol):
    """A node with dead letters."""

    @property
    def letters(self) -> LetterDesk:
        """What operators do with them. Raises UnavailableError before the store is open."""

    async def delivery(self, message_id: str) -> Indicator:
        """How far a message has come. Raises BadRequestError, NotFoundError, UnavailableError."""


class _To(msgspec.Struct, forbid_unknown_fields=True):
    event_id: str
    event_type: str


class _ReplayBody(msgspec.Struct, forbid_unknown_fields=True):
    """A field that is misspelt is refused: the letters would go to their own channels."""

    to: _To | None = None


_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    """A letter of another hub; `raw` is base64."""

    kind: Literal["redis_stream"]
    queue: _Name
    place: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}-[0-9]{1,20}\Z")]
    raw: bytes


class _ImportBody(msgspec.Struct, forbid_unknown_fields=True):
    items: Annotated[list[_Item], msgspec.Meta(max_length=IMPORT_MAX)]


def routes(node: Lettered) -> list[Route]:
    """All of them; a path that takes several methods is one route."""
    desk = _Routes(node)
    return [
        Route("/v1/dead-letters", refusing(desk.many), methods=["GET", "DELETE"]),
        Route("/v1/dead-letters/replay", refusing(desk.replay_many), methods=["POST"]),
        Route("/v1/dead-letters/import", refusing(desk.take_over), methods=["POST"]),
        Route("/v1/dead-letters/{id}", refusing(desk.one), methods=["GET", "DELETE"]),
        Route("/v1/dead-letters/{id}/replay", refusing(desk.replay), methods=["POST"]),
        Route("/v1/messages/{id}/delivery", refusing(desk.delivery), methods=["GET"]),
    ]


class _Routes:
    """The handlers. Each may raise a FastSseError."""

    def __init__(self, node: Lettered) -> None:
        self._node = node

    async def many(self, request: Request) -> Response:
        """`GET` and `DELETE /v1/dead-letters`."""
        return await (self._purge_many(request) if request.method == "DELETE" else self._page(request))

    async def _page(self, request: Request) -> Response:
        fields = parameters(request, _FILTERS | _PAGING | {"order"})
        order = fields.get("order", "newest")
        if order not in ("newest", "oldest"):
            raise BadRequestError("order must be newest or oldest")
        wanted = msgspec.structs.replace(_wanted(fields), newest_first=order == "newest")
        desk = self._node.letters
        page = await desk.list(wanted, number("limit", fields.get("limit", _LIMIT)), fields.get("cursor", ""))
        items = [head_json(letter) for letter in page.items]
        return ok({"items": items, "next": page.next, "total": page.total, "waiting": desk.waiting})

    async def _purge_many(self, request: Request) -> Response:
        fields = parameters(request, _FILTERS | _PAGING | {"all"})
        if fields.get("all", "true") != "true":
            raise BadRequestError("all must be true, or absent")
        if ("all" in fields) == bool(fields.keys() & _FILTERS):
            raise BadRequestError("either a filter or all=true is needed: this removes letters")
        limit = number("limit", fields.get("limit", str(PAGE_MAX)))
        purged = await self._node.letters.purge_many(
            _wanted(fields), limit, fields.get("cursor", ""), by=address_of(request)
        )
        return ok(msgspec.structs.asdict(purged))

    async def replay_many(self, request: Request) -> Response:
        """`POST /v1/dead-letters/replay`."""
        fields = parameters(request, _FILTERS | _PAGING)
        limit = number("limit", fields.get("limit", _LIMIT))
        done = await self._node.letters.replay_many(
            _wanted(fields), limit, fields.get("cursor", ""), await _to(request), by=address_of(request)
        )
        return ok(cast("dict[str, Any]", msgspec.to_builtins(done)))

    async def one(self, request: Request) -> Response:
        """`GET` and `DELETE /v1/dead-letters/{id}`."""
        letter_id = request.path_params["id"]
        if request.method == "DELETE":
            parameters(request, _NONE)
            await self._node.letters.purge(letter_id, by=address_of(request))
            return ok({"purged": 1})
        form = parameters(request, frozenset({"form"})).get("form", "json")
        if form not in ("json", "raw"):
            raise BadRequestError("form must be json or raw")
        letter = await self._node.letters.show(letter_id)
        if form == "json":
            return ok(whole_json(letter))
        # No browser shows it, whatever is in it.
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{letter.id}"',
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(bytes_of(letter), 200, headers, "application/octet-stream")

    async def replay(self, request: Request) -> Response:
        """`POST /v1/dead-letters/{id}/replay`."""
        parameters(request, _NONE)
        to = await _to(request)
        done = await self._node.letters.replay(request.path_params["id"], to, by=address_of(request))
        return ok(msgspec.structs.asdict(done))

    async def take_over(self, request: Request) -> Response:
        """`POST /v1/dead-letters/import`. Of a body that is not valid nothing is kept."""
        parameters(request, _NONE)
        asked = decoded(await body_of(request, IMPORT_BYTES_MAX), _ImportBody)
        found = [(Source(item.kind, item.queue, item.place), item.raw) for item in asked.items]
        kept, known = await self._node.letters.take_over(found, by=address_of(request))
        return ok({"kept": kept, "known": known})

    async def delivery(self, request: Request) -> Response:
        """`GET /v1/messages/{id}/delivery`."""
        parameters(request, _NONE)
        return sent(indicator_response(await self._node.delivery(request.path_params["id"])))


def _wanted(fields: dict[str, str]) -> Wanted:
    """The filter of a request. Raises BadRequestError."""
    reason = fields.get("reason")
    if reason is not None and reason not in _REASONS:
        raise BadRequestError(f"reason must be one of {', '.join(_REASONS)}")
    segments = {name: check_segment(fields[name]) for name in ("event_id", "event_type") if name in fields}
    times = {f"{name}_ms": number(name, fields[name]) for name in ("after", "before") if name in fields}
    return Wanted(reason=cast("Reason | None", reason), **segments, **times)  # type: ignore[arg-type]


async def _to(request: Request) -> Channel | None:
    """The channel that the body names instead of a letter's own; None for an empty body."""
    body = await body_of(request, BODY_BYTES_MAX)
    if not body.strip():
        return None
    to = decoded(body, _ReplayBody).to
    return None if to is None else channel(to.event_id, to.event_type)

"""The channels of a node: which are busy and which are listened to; and erasing what was published to one.

An answer never promises more than the store does, and no rate more than a bounded count can know.
"""

from __future__ import annotations

from typing import Protocol, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import ok
from fast_sse.http.admin.asked import RawRoute, bounded, channel_in, one_of, parameters, refusing
from fast_sse.hub.busy import COUNTED_MAX, WINDOW_S
from fast_sse.hub.hub import Erased, Hub
from fast_sse.hub.watch import ChannelsSeen, Top
from fast_sse.model.channel import Channel
from fast_sse.model.errors import BadRequestError

#: Channels of one answer.
_LIMIT, _LIMIT_MAX = 50, 200
_SEARCH_MAX = 512


class Erasing(Protocol):
    """A node that can erase a channel.

    Attributes:
        erased_stays: whether the store's backend keeps what was erased until retention takes it.
        hub: the hub. Raises UnavailableError before the store is open.
    """

    @property
    def erased_stays(self) -> bool: ...  # noqa: D102  see the class
    @property
    def hub(self) -> Hub: ...  # noqa: D102

    async def erase(self, target: Channel) -> Erased:
        """Erase a channel's history and dead letters, and end its streams; how many went. Raises UnavailableError."""


def routes(node: Erasing) -> list[Route]:
    """The list, and the one repair of a channel."""

    async def many(request: Request) -> Response:
        fields = parameters(request, frozenset({"top", "search", "limit"}))
        top: Top = one_of(fields, "top", get_args(Top))
        search = fields.get("search", "")
        if len(search) > _SEARCH_MAX:
            raise BadRequestError(f"search is longer than {_SEARCH_MAX} characters")
        seen = await node.hub.watch.channels(top, search, bounded(fields, "limit", _LIMIT, _LIMIT_MAX))
        return ok(_channels_json(seen))

    async def erase(request: Request) -> Response:
        parameters(request, frozenset())
        target = channel_in(request)
        erased = await node.erase(target)
        data: dict[str, str | int] = {
            "event_id": target.event_id,
            "event_type": target.event_type,
            "erased": erased.entries,
            "dead_letters": erased.letters,
        }
        if node.erased_stays:
            data["bodies"] = "stay in the backend until retention takes them; no node reads them"
        return ok(data)

    return [
        Route("/v1/channels", refusing(many), methods=["GET"]),
        RawRoute("/v1/channels/{event_id}/{event_type}", refusing(erase), methods=["DELETE"]),
    ]


def _channels_json(seen: ChannelsSeen) -> dict[str, object]:
    return {
        "items": [
            {
                **one.channel._asdict(),
                "per_s": one.per_s,
                "subscribers": one.subscribers,
                "listening": one.listening,
            }
            for one in seen.items
        ],
        "more": seen.more,
        "per_s_error": seen.error,
        "counted": seen.counted,
        "counted_max": COUNTED_MAX,
        "window_s": WINDOW_S,
        "streams": seen.streams,
    }

"""The streams of a node: who is slow, who is behind the log, who is there longest; and ending one.

Shown is what helps to find a client: the address of its connection, its channels, and by whose key it was let in. No secret
and no signature is kept with a stream, so that none can be shown.
"""

from __future__ import annotations

from typing import Any, Protocol, get_args

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import ok
from fast_sse.http.admin.asked import bounded, one_of, parameters, refusing
from fast_sse.hub.hub import Hub
from fast_sse.hub.watch import Order, StreamSeen
from fast_sse.model.channel import channel_of
from fast_sse.model.errors import NotFoundError
from fast_sse.model.signature import Grant

#: Streams of one answer.
_LIMIT, _LIMIT_MAX = 50, 200
_ORDERS: tuple[Order, ...] = ("oldest", "slow", "lagging")
assert set(_ORDERS) == set(get_args(Order))


class Streaming(Protocol):
    """A node with streams."""

    @property
    def hub(self) -> Hub:
        """The hub. Raises UnavailableError before the store is open."""


def routes(node: Streaming) -> list[Route]:
    """The list, and the end of one stream."""

    async def many(request: Request) -> Response:
        fields = parameters(request, frozenset({"order", "channel", "limit"}))
        wanted = channel_of(fields["channel"]) if "channel" in fields else None
        count = bounded(fields, "limit", _LIMIT, _LIMIT_MAX)
        seen = await node.hub.watch.streams(one_of(fields, "order", _ORDERS), wanted, count)
        return ok(
            {
                "items": [_stream_json(one) for one in seen.items],
                "more": seen.more,
                "total": node.hub.streams,
                "states": {state.name.lower(): count for state, count in seen.states.items()},
            }
        )

    async def end(request: Request) -> Response:
        parameters(request, frozenset())
        if not node.hub.watch.end(request.path_params["id"]):
            raise NotFoundError("no such stream: it has ended, or is one of another process")
        return ok({"ended": 1})

    return [
        Route("/v1/subscribers", refusing(many), methods=["GET"]),
        Route("/v1/subscribers/{id}", refusing(end), methods=["DELETE"]),
    ]


def _stream_json(one: StreamSeen) -> dict[str, Any]:
    return {
        "id": one.id,
        "state": one.state.name.lower(),
        "channels": [channel._asdict() for channel in one.channels],
        "channels_count": one.channels_count,
        "address": one.address,
        "principal": one.right.kid or one.right.principal if isinstance(one.right, Grant) else "",
        "age_s": int(one.age_s),
        "queued_bytes": one.queued_bytes,
        "stands_s": None if one.stands_s is None else int(one.stands_s),
        "behind": one.behind,
        "cursor": None if one.cursor is None else one.cursor.text,
    }

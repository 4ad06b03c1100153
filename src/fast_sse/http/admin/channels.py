"""What operators do to a channel: erase what was published to it. An answer never promises more than the store does."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from fast_sse.http.admin.answers import ok, refusal
from fast_sse.hub.hub import Erased
from fast_sse.model.channel import Channel, channel_from_path
from fast_sse.model.errors import FastSseError


class Erasing(Protocol):
    """A node that can erase a channel.

    Attributes:
        erased_stays: whether the store's backend keeps what was erased until retention takes it.
    """

    @property
    def erased_stays(self) -> bool: ...  # noqa: D102  see the class

    async def erase(self, target: Channel) -> Erased:
        """Erase a channel's history and dead letters, and end its streams; how many went. Raises UnavailableError."""


def routes(node: Erasing) -> list[Route]:
    """The one repair of a channel."""

    async def erase(request: Request) -> Response:
        try:
            target = channel_from_path(request.path_params["event_id"], request.path_params["event_type"])
            erased = await node.erase(target)
        except FastSseError as error:
            return refusal(error)
        data: dict[str, str | int] = {
            "event_id": target.event_id,
            "event_type": target.event_type,
            "erased": erased.entries,
            "dead_letters": erased.letters,
        }
        if node.erased_stays:
            data["bodies"] = "stay in the backend until retention takes them; no node reads them"
        return ok(data)

    return [_RawRoute("/v1/channels/{event_id}/{event_type}", erase, methods=["DELETE"])]


class _RawRoute(Route):
    """Matches the path as sent, so that a `%2F` is part of a segment, as on the public listener, and not one more."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        return super().matches({**scope, "path": str(scope["raw_path"], "latin-1")})

"""The numbers of a node, for Prometheus. They ask for `admin.key`, unless `admin.metrics_open` opens them."""

from __future__ import annotations

from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

METRICS = "/metrics"


class Metered(Protocol):
    """A node with numbers."""

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """The numbers of this moment in a form that the Accept header asks for, and its media type."""


def routes(node: Metered) -> list[Route]:
    """The one page of numbers."""

    async def metrics(request: Request) -> Response:
        text, media_type = await node.metrics(request.headers.get("accept", ""))
        return Response(text, 200, {"Cache-Control": "no-store"}, media_type)

    return [Route(METRICS, metrics)]

"""A hub as one writes it with sse-starlette: a queue per subscriber, POST puts the body into every queue.

    uvicorn --app-dir benchmarks/peers/apps starlette_hub:app

It keeps no history, checks no signature and bounds no queue: what the library's own examples do.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import count

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

channels: defaultdict[str, set[asyncio.Queue[ServerSentEvent]]] = defaultdict(set)
ids = count(1)


async def publish(request: Request) -> JSONResponse:
    """POST /pub/{channel}: the body is the event's data."""
    body = await request.body()
    event = ServerSentEvent(data=body.decode(), id=str(next(ids)), sep="\n")
    subscribers = channels[request.path_params["channel"]]
    for queue in subscribers:
        queue.put_nowait(event)
    return JSONResponse({"subscribers": len(subscribers)})


async def subscribe(request: Request) -> EventSourceResponse:
    """GET /sub/{channel}."""

    async def events() -> AsyncIterator[ServerSentEvent]:
        queue: asyncio.Queue[ServerSentEvent] = asyncio.Queue()
        subscribers = channels[request.path_params["channel"]]
        subscribers.add(queue)
        try:
            yield ServerSentEvent(comment="ready", sep="\n")
            while True:
                yield await queue.get()
        finally:
            subscribers.discard(queue)

    return EventSourceResponse(events(), sep="\n")


app = Starlette(
    routes=[
        Route("/pub/{channel}", publish, methods=["POST"]),
        Route("/sub/{channel}", subscribe),
    ]
)

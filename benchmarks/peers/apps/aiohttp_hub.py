"""A hub as one writes it with aiohttp: a queue per subscriber, and a handler that writes what is in it.

    python benchmarks/peers/apps/aiohttp_hub.py PORT

An event is formatted once and shared by all queues. It keeps no history, checks no signature and bounds no queue.
"""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from itertools import count

import uvloop
from aiohttp import web

HEARTBEAT_S = 15.0

channels: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)
ids = count(1)


async def publish(request: web.Request) -> web.Response:
    """POST /pub/{channel}: the body is the event's data."""
    event = b"id: %d\ndata: %b\n\n" % (next(ids), await request.read())
    subscribers = channels[request.match_info["channel"]]
    for queue in subscribers:
        queue.put_nowait(event)
    return web.json_response({"subscribers": len(subscribers)})


async def subscribe(request: web.Request) -> web.StreamResponse:
    """GET /sub/{channel}."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    subscribers = channels[request.match_info["channel"]]
    subscribers.add(queue)
    try:
        await response.write(b": ready\n\n")
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
            except TimeoutError:
                event = b": ping\n\n"
            await response.write(event)
    finally:
        subscribers.discard(queue)


if __name__ == "__main__":
    uvloop.install()
    app = web.Application(client_max_size=4 * 1024 * 1024)
    app.add_routes([web.post("/pub/{channel}", publish), web.get("/sub/{channel}", subscribe)])
    # The streams do not end by themselves: a stop need not wait for them.
    run = {"shutdown_timeout": 0.5, "backlog": 4096, "access_log": None, "print": None}
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), loop=asyncio.new_event_loop(), **run)

"""An application that answers whoever has no session by an error of its own, as FastAPI's dependencies do."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException, Request

import fast_sse.asgi


async def channels_of(request: Request) -> list[str]:
    """A session is its own name here."""
    if "session" not in request.cookies:
        raise HTTPException(401, "log in first")
    return [f"{request.cookies['session']}/*"]


hub = fast_sse.asgi.app(authorize=channels_of)
app = FastAPI(lifespan=hub.lifespan)
app.mount("/sse", hub)

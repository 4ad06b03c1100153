"""An application whose endpoints are plain functions: FastAPI calls each on a thread of its own."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

import fast_sse.asgi

hub = fast_sse.asgi.app()
app = FastAPI(lifespan=hub.lifespan)
app.mount("/sse", hub)


@app.post("/threads/{number}")
def publish(number: int) -> str:
    """As docs/asgi.md says."""
    return hub.publish_from_thread("car é", "sold", number)


@app.post("/loops/{number}")
def publish_on_a_loop_of_its_own(number: int) -> str:
    """As one might try."""
    try:
        return asyncio.run(hub.publish("car é", "sold", number))
    except RuntimeError as error:
        return f"refused: {error}"

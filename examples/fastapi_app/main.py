"""A shop that tells its pages what happened to a cart: the hub mounted in FastAPI.

    POST /carts/{cart_id}/items            changes a cart and publishes that, in this process
    POST /carts/{cart_id}/items/by-http    publishes it as any other service would, over HTTP
    GET  /carts/{cart_id}/stream           where a page listens: an address that is good for ten minutes
    GET  /metrics                          the hub's numbers, for who shows SHOP_METRICS_KEY
    /sse/v1/...                            the hub, with all its routes, below its mount

Run it from the root of the repository:

    export FAST_SSE_AUTH__SECRET=$(openssl rand -hex 32) SHOP_KEY=$(openssl rand -hex 32)
    export FAST_SSE_AUTH__KEYS='{"shop": "'$SHOP_KEY'"}' SHOP_HUB_URL=http://127.0.0.1:8000/sse
    export SHOP_METRICS_KEY=$(openssl rand -hex 32)
    uvicorn --timeout-graceful-shutdown 5 --no-access-log examples.fastapi_app.main:app
"""

from __future__ import annotations

import asyncio
import hmac
import os
import secrets
import time
from typing import Annotated
from urllib.parse import quote

from examples.publish import publish
from examples.signatures.sign import v2
from fastapi import FastAPI, Header, HTTPException, Response
from pydantic import BaseModel

import fast_sse.asgi
from fast_sse.model.errors import FastSseError

STREAM_S = 600

hub = fast_sse.asgi.app()
# The hub opens its store and ends its streams with the application around it: nobody tells what is mounted.
app = FastAPI(lifespan=hub.lifespan)
app.mount("/sse", hub)


class Item(BaseModel):
    """One line of a cart."""

    sku: str
    quantity: int


@app.post("/carts/{cart_id}/items")
async def add_item(cart_id: str, item: Item) -> dict[str, str]:
    """Publish in this process: no signature and no HTTP, the same rules and the same log."""
    try:
        return {"message_id": await hub.publish(cart_id, "cart_changed", item.model_dump())}
    except FastSseError as error:
        raise HTTPException(error.status, error.message) from error


@app.post("/carts/{cart_id}/items/by-http")
async def add_item_by_http(cart_id: str, item: Item) -> dict[str, str]:
    """Publish as another service does. Its address is a setting: never build one from a request (CWE-918)."""
    url, secret = os.environ["SHOP_HUB_URL"], os.environ["FAST_SSE_AUTH__SECRET"]
    message_id = await asyncio.to_thread(publish, url, secret, cart_id, "cart_changed", item.model_dump())
    return {"message_id": message_id}


@app.get("/carts/{cart_id}/stream")
async def stream_of(cart_id: str) -> dict[str, str]:
    """The address for `new EventSource(...)`. A real shop first asks who is there: whoever gets it may listen."""
    now = int(time.time())
    channel = (cart_id, "cart_changed")
    signature = v2(
        os.environ["SHOP_KEY"], "shop", "sub", (now, now + STREAM_S), secrets.token_urlsafe(18), channel
    )
    place = f"events/{quote(cart_id, safe='')}/types/cart_changed"
    return {"url": f"/sse/v1/subscribe/{place}?signature={signature}"}


@app.get("/metrics")
async def metrics(
    authorization: Annotated[str, Header()] = "", accept: Annotated[str, Header()] = ""
) -> Response:
    """The hub shows its numbers nowhere by itself: how many listen is the shop's business, and so is this guard."""
    right = f"Bearer {os.environ['SHOP_METRICS_KEY']}"
    if not hmac.compare_digest(authorization.encode(), right.encode()):
        raise HTTPException(401)
    text, media_type = await hub.metrics(accept)
    return Response(text, media_type=media_type)

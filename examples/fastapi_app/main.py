"""A shop that tells its pages what happened to a cart: the hub mounted in FastAPI.

    POST /carts                            a new cart; its session cookie lets the page listen to it
    POST /carts/{cart_id}/items            changes a cart and publishes that, in this process
    POST /carts/{cart_id}/items/by-http    publishes it as any other service would, over HTTP
    GET  /carts/{cart_id}/stream           an address that is good for ten minutes, for an app that has no cookie
    GET  /metrics                          the hub's numbers, for who shows SHOP_METRICS_KEY
    /sse/v1/...                            the hub, with all its routes, below its mount

A page listens by its cookie: new EventSource("/sse/v1/subscribe/events/CART/types/cart_changed").

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
from typing import Annotated

from examples.publish import publish
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel

import fast_sse.asgi
from fast_sse.model.errors import FastSseError

STREAM_S = 600

#: Session to cart. A real shop keeps its sessions where they survive a restart.
sessions: dict[str, str] = {}


def channels_of(request: Request) -> list[tuple[str, str]] | None:
    """What a request may read: the cart of its session. Whoever has no session reads nothing."""
    cart_id = sessions.get(request.cookies.get("session", ""))
    return None if cart_id is None else [(cart_id, "cart_changed")]


def own_cart(cart_id: str, session: Annotated[str, Cookie()] = "") -> str:
    """The cart of the session, and no other."""
    if sessions.get(session) != cart_id:
        raise HTTPException(403, "this is not your cart")
    return cart_id


OwnCart = Annotated[str, Depends(own_cart)]

hub = fast_sse.asgi.app(authorize=channels_of)
# The hub opens its store and ends its streams with the application around it: nobody tells what is mounted.
app = FastAPI(lifespan=hub.lifespan)
app.mount("/sse", hub)


class Item(BaseModel):
    """One line of a cart."""

    sku: str
    quantity: int


@app.post("/carts")
async def new_cart(response: Response) -> dict[str, str]:
    """An empty cart, whose session is in a cookie that no script can read."""
    cart_id, session = secrets.token_hex(8), secrets.token_urlsafe(24)
    sessions[session] = cart_id
    response.set_cookie("session", session, httponly=True, samesite="lax")
    return {"cart_id": cart_id}


@app.post("/carts/{cart_id}/items")
async def add_item(cart_id: OwnCart, item: Item) -> dict[str, str]:
    """Publish in this process: no signature and no HTTP, the same rules and the same log."""
    try:
        return {"message_id": await hub.publish(cart_id, "cart_changed", item.model_dump())}
    except FastSseError as error:
        raise HTTPException(error.status, error.message) from error


@app.post("/carts/{cart_id}/items/by-http")
async def add_item_by_http(cart_id: OwnCart, item: Item) -> dict[str, str]:
    """Publish as another service does. Its address is a setting: never build one from a request (CWE-918)."""
    url, secret = os.environ["SHOP_HUB_URL"], os.environ["FAST_SSE_AUTH__SECRET"]
    message_id = await asyncio.to_thread(publish, url, secret, cart_id, "cart_changed", item.model_dump())
    return {"message_id": message_id}


@app.get("/carts/{cart_id}/stream")
async def stream_of(cart_id: OwnCart) -> dict[str, str]:
    """The address of the cart's stream, with a signature: whoever gets it may listen until it ends."""
    return {"url": hub.stream_url((cart_id, "cart_changed"), ttl_s=STREAM_S, base="/sse")}


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

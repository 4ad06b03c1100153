"""A shop that shows every change of a cart at once, on every page its owner has open: FastAPI with the hub inside.

    GET  /               the page
    POST /login          name and password; the answer sets a session cookie
    GET  /cart           what is in the cart
    POST /cart/{sku}     put one more into the cart
    /sse/v1/...          the hub, for pages with a session

The tutorial in Fast SSE's docs builds it step by step, and runs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

import fast_sse.asgi

HERE = Path(__file__).parent
#: Your user table. A real one keeps hashes of passwords.
PASSWORDS = {"ada": "lovelace", "grace": "hopper"}
TABLES = """
    CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, user TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS changes (
        number INTEGER PRIMARY KEY, request TEXT NOT NULL UNIQUE, user TEXT NOT NULL,
        message TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0
    );
"""

db = sqlite3.connect(os.environ.get("SHOP_DB", "shop.db"), check_same_thread=False)
db.executescript(TABLES)
#: One thread at a time uses the database, so changes are published in the order in which they were made.
turn = threading.Lock()


def user_of(session: str) -> str | None:
    """The user of a session, if there is one."""
    with turn:
        row = db.execute("SELECT user FROM sessions WHERE token = ?", (session,)).fetchone()
    return str(row[0]) if row else None


async def channels_of(request: Request) -> list[str]:
    """What a page may listen to: the cart of its user. The hub asks this for every stream."""
    user = await asyncio.to_thread(user_of, request.cookies.get("session", ""))
    return [f"{user}/cart"] if user else []


hub = fast_sse.asgi.app(authorize=channels_of)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start the hub, then publish what a shop that was killed had not published yet."""
    async with hub.lifespan(app):
        await asyncio.to_thread(publish_changes)
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/sse", hub)


class Login(BaseModel):
    """What the form sends."""

    name: str
    password: str


def logged_in(session: Annotated[str, Cookie()] = "") -> str:
    """Who sends this request. Raises 401."""
    if user := user_of(session):
        return user
    raise HTTPException(401)


User = Annotated[str, Depends(logged_in)]


@app.get("/")
def page() -> FileResponse:
    """The whole shop is one page."""
    return FileResponse(HERE / "page.html")


@app.post("/login")
def login(login: Login, response: Response) -> None:
    """Begin a session. A shop with HTTPS adds `secure=True` to the cookie."""
    password = PASSWORDS.get(login.name)
    if password is None or not hmac.compare_digest(password.encode(), login.password.encode()):
        raise HTTPException(401)
    token = secrets.token_urlsafe(32)
    with turn, db:
        db.execute("INSERT INTO sessions VALUES (?, ?)", (token, login.name))
    response.set_cookie("session", token, httponly=True, samesite="strict")


@app.get("/cart")
def show(user: User) -> dict[str, Any]:
    """The cart of this user, and nobody else's."""
    with turn:
        return {"user": user, "cart": cart_of(user)}


@app.post("/cart/{sku}")
def add(sku: str, user: User, request: Annotated[str, Header(alias="Idempotency-Key")]) -> None:
    """Keep the change, then publish it. A page that got no answer sends the same request again: it counts once."""
    with turn, db:
        cart = cart_of(user)
        cart[sku] = cart.get(sku, 0) + 1
        message = json.dumps({"added": sku, "cart": cart})
        db.execute(
            "INSERT OR IGNORE INTO changes (request, user, message) VALUES (?, ?, ?)",
            (f"{user} {request}", user, message),
        )
    publish_changes()


def cart_of(user: str) -> dict[str, int]:
    """The cart after the newest change."""
    newest = "SELECT message FROM changes WHERE user = ? ORDER BY number DESC LIMIT 1"
    row = db.execute(newest, (user,)).fetchone()
    return dict(json.loads(row[0])["cart"]) if row else {}


def publish_changes() -> None:
    """Publish what is not published yet, oldest first. The number is the key: a second try makes no second message."""
    with turn:
        waiting = "SELECT number, user, message FROM changes WHERE NOT published ORDER BY number"
        for number, user, message in db.execute(waiting).fetchall():
            hub.publish_from_thread(user, "cart", json.loads(message), idempotency_key=f"change-{number}")
            with db:
                db.execute("UPDATE changes SET published = 1 WHERE number = ?", (number,))

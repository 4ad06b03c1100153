"""Mercure 1.0, when `MERCURE` names its binary. In memory, or with `MERCURE_STORE=bolt` on disk and fsynced.

Publishers carry an access token (RFC 9068, HMAC), which the hub checks; subscribers are anonymous.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.process import PeerError, free_port, listening, program_of, said_by, scratch
from benchmarks.peers.routes import ACCEPT, one_channel_only
from fast_sse.bench.target import LoadRoute, LoadTarget

NAME = "mercure"
NOTE = "Go, publishers with a token, one processor"
CONFIG = Path(__file__).parent / "config" / "Caddyfile"
KEY = "a-key-for-benchmarks-only-0123456789abcdef"
ISSUER, RESOURCE = "https://example.com", "https://example.com/.well-known/mercure"
STORES = {"memory": "transport local", "bolt": "transport bolt {\n path mercure.db\n }"}
LIFETIME_S = 24 * 3600


def store() -> str:
    """`MERCURE_STORE`, or `memory`."""
    wanted = os.environ.get("MERCURE_STORE", "memory")
    if wanted not in STORES:
        raise PeerError(f"MERCURE_STORE={wanted}: there are {', '.join(STORES)}")
    return wanted


def install() -> None:
    """Raise PeerError when there is no binary: it is not installed from here."""
    program_of("MERCURE", "Mercure")
    store()


def version() -> dict[str, str]:
    """What the binary says, and its store."""
    return {"mercure": said_by([program_of("MERCURE", "Mercure"), "version"]), "mercure store": store()}


def configuration(port: int) -> str:
    """The Caddyfile with everything filled in."""
    text = CONFIG.read_text()
    filled = {"PORT": str(port), "ISSUER": ISSUER, "KEY": KEY, "RESOURCE": RESOURCE, "STORE": STORES[store()]}
    comments, _, body = text.partition("{\n")
    for word, value in filled.items():
        body = body.replace(word, value)
    return f"{comments}{{\n{body}"


def token(now_s: float) -> str:
    """An access token that may publish to every topic."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    detail = {
        "type": "https://mercure.rocks/authorization-detail",
        "actions": ["publish"],
        "topics": [{"match": "*"}],
    }
    claims = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "exp": int(now_s) + LIFETIME_S,
        "authorization_details": [detail],
    }
    signed = f"{part({'typ': 'at+jwt', 'alg': 'HS256'})}.{part(claims)}"
    mac = hmac.new(KEY.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@contextmanager
def running(core: int, channels: int = 1) -> Iterator[LoadTarget]:
    """One process with one processor."""
    one_channel_only(NAME, channels)
    program, port = program_of("MERCURE", "Mercure"), free_port()
    with scratch("mercure-") as directory:
        (directory / "Caddyfile").write_text(configuration(port))
        command = [program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
        env = {"GOMAXPROCS": "1", "HOME": str(directory)}
        with listening(command, core, directory, port, env) as process:
            form = {
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": f"Bearer {token(time.time())}",
            }
            route = LoadRoute("/.well-known/mercure?match=c0", "/.well-known/mercure", ACCEPT, form)
            yield LoadTarget(
                name=NAME,
                host="127.0.0.1",
                port=port,
                pid=process.pid,
                routes=[route],
                # JSON holds none of the characters that a form gives a meaning, as long as it is ours.
                body_prefix="topic=c0&data=",
            )

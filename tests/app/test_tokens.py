"""Tokens at a whole node: a stream ends with its token, a reload judges it again, and keys come from a real issuer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.conftest import BODY, PUBLISH, SIGNED, SUBSCRIBE, Running, Start, until
from tests.support.http1 import Address, request, request_bytes
from tests.support.issuer import (
    AUDIENCE,
    ISSUER,
    SECRET,
    KeyServer,
    by_rsa,
    by_secret,
    claims,
    jwk_of,
    rsa_key,
    set_of,
    token,
)
from tests.support.sign import SECRET as SIGNING

from fast_sse.config import load

pytestmark = [pytest.mark.wire, pytest.mark.slow]

EVENTS = {"Accept": "text/event-stream"}
WHO: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE}
LISTED = "carid000001/*"


def bearer(text: str) -> dict[str, str]:
    """A token in its header, from a client that takes event streams."""
    return {"Authorization": f"Bearer {text}", **EVENTS}


def by_hs256(exp: float, now: float | None = None) -> str:
    """A token of the secret."""
    return token(claims(LISTED, now=time.time() if now is None else now, exp=exp), by_secret(), "HS256")


class Opened:
    """Opens streams, and closes them after the test."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(
        self, address: Address, headers: dict[str, str], target: str = SUBSCRIBE
    ) -> asyncio.StreamReader:
        """A stream that has said where it begins."""
        reader, writer = await asyncio.open_connection(*address)
        self.writers.append(writer)
        writer.write(request_bytes("GET", target, headers))
        await reader.readuntil(b"\nid: ")
        return reader


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    """Call it with an address and headers."""
    opened = Opened()
    yield opened
    for writer in opened.writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def test_a_stream_ends_when_its_token_does(start: Start, opened: Opened) -> None:
    """It gets what is published until then, and `fast-sse.expired` at `exp`; the same token is then told so at once."""
    public, _ = await start(auth={"secret": SIGNING, "jwt": {**WHO, "secret": SECRET}}).addresses()
    ends_at = time.time() + 2.2
    shown = by_hs256(ends_at)
    stream = await opened(public, bearer(shown))
    assert (await request(public, "POST", PUBLISH, SIGNED, BODY)).status == 200
    said = await asyncio.wait_for(stream.read(), 10)
    assert ends_at - 0.5 <= time.time() <= ends_at + 2
    assert said.index(b'"quantity": 2') < said.index(b"event: fast-sse.expired\n")
    again = await opened_and_ended(public, bearer(shown))
    assert b"event: fast-sse.expired\n" in again
    assert b"retry: " in again


async def opened_and_ended(address: Address, headers: dict[str, str], target: str = SUBSCRIBE) -> bytes:
    """All that a connection answers until it ends."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request_bytes("GET", target, headers))
    said = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return said


async def test_no_log_holds_a_token(start: Start, opened: Opened) -> None:
    """Neither for a refusal nor for a stream, in the header or the query, and nor does the start."""
    running = start(auth={"secret": SIGNING, "jwt": {**WHO, "secret": SECRET}}, log_level="debug")
    public, _ = await running.addresses()
    good, bad = by_hs256(time.time() + 60), by_hs256(time.time() - 600)[:-8]
    await opened(public, bearer(good))
    await opened(public, EVENTS, f"{SUBSCRIBE}?token={good}")
    for headers, target in ((bearer(bad), SUBSCRIBE), (EVENTS, f"{SUBSCRIBE}?token={bad}")):
        assert (await request(public, "GET", target, headers)).status == 401
    text = running.log.getvalue()
    assert "requests refused" in text
    for secret in (good, bad, SECRET):
        assert secret[:40] not in text
        assert secret[-20:] not in text


async def test_a_reload_judges_tokens_again(start: Start, opened: Opened) -> None:
    """With the same keys and issuer streams go on; with another audience they end as expired."""
    auth = {"secret": SIGNING, "jwt": {**WHO, "secret": SECRET}}
    running = start(auth=auth)
    public, _ = await running.addresses()
    stream = await opened(public, bearer(by_hs256(time.time() + 60)))
    reload_as(running, {**auth, "jwt": {**WHO, "secret": SECRET, "leeway_s": 1}})
    reload_as(running, {**auth, "jwt": {**WHO, "secret": SECRET, "audience": "other"}})
    assert [line["streams_ended"] for line in running.lines("reloaded")] == [0, 1]
    assert b"event: fast-sse.expired\n" in await asyncio.wait_for(stream.read(), 10)


async def test_wrong_keys_at_a_reload_change_nothing(start: Start, opened: Opened) -> None:
    """They are refused by their key, and the tokens in force go on being taken."""
    auth = {"secret": SIGNING, "jwt": {**WHO, "secret": SECRET}}
    running = start(auth=auth)
    public, _ = await running.addresses()
    reload_as(running, {**auth, "jwt": {**WHO, "jwks": "<html>"}})
    (refused,) = running.lines("reload refused: the settings in force stay")
    assert refused["setting"] == "auth.jwt.jwks"
    await opened(public, bearer(by_hs256(time.time() + 60)))


def reload_as(running: Running, auth: dict[str, Any]) -> None:
    """Reload with these settings."""
    running.settings = lambda: load(None, {"auth": auth})
    running.app.reload()


async def test_keys_of_an_issuer_come_and_change(
    start: Start, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream that comes before the keys is told to come back; then it is opened, and so is one by another key after the
    issuer went away, a reload between them.
    """
    server = KeyServer(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
    server.body = set_of(jwk_of(rsa_key("a"), "a"), jwk_of(rsa_key("b"), "b"))
    server.hold()
    running = start(auth={"secret": SIGNING, "jwt": {**WHO, "jwks_url": server.url}})
    public, _ = await running.addresses()
    early, late = (token(claims(LISTED, now=time.time()), by_rsa(rsa_key(kid)), kid=kid) for kid in "ab")
    told = await opened_and_ended(public, bearer(early))
    assert b"HTTP/1.1 200" in told
    assert b"retry: " in told
    assert b"id: " not in told
    waits = await request(public, "GET", SUBSCRIBE, {"Authorization": f"Bearer {early}"})
    assert (waits.status, json.loads(waits.body)["code"]) == (503, "overloaded")
    server.release()

    async def fetched() -> bool:
        return bool(running.lines("keys fetched"))

    await until(fetched)
    await opened(public, bearer(early))
    server.stop()
    reload_as(running, {"secret": SIGNING, "jwt": {**WHO, "jwks_url": server.url, "leeway_s": 1}})
    assert [line["streams_ended"] for line in running.lines("reloaded")] == [0]
    await opened(public, bearer(late))
    assert (
        await request(public, "GET", SUBSCRIBE, bearer(token({}, by_rsa(rsa_key("c")), kid="c")))
    ).status == 401

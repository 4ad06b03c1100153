"""The dashboard of a whole node: a log-in over the wire, its stream through the life of the node, and its end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.app.conftest import Start, StubbornStore
from tests.support.http1 import Address, exchange, request

from fast_sse.http.admin import server
from fast_sse.model.errors import NotStoredError
from fast_sse.model.parser import Event, EventParser

pytestmark = pytest.mark.wire

KEY = "operators-only-and-long-enough-for-anybody"
JSON = {"Content-Type": "application/json"}


class Source:
    """An EventSource of `/v1/live`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = EventParser()
        self._events: list[Event] = []

    @classmethod
    async def open(cls, address: Address, **headers: str) -> Source:
        """Ask for the stream."""
        reader, writer = await asyncio.open_connection(*address)
        named = {"Host": f"{address[0]}:{address[1]}", **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
        writer.write(f"GET /v1/live HTTP/1.1\r\n{lines}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0], head
        return cls(reader, writer)

    async def next(self) -> tuple[str, Any]:
        """The next event. The framing of HTTP holds no line that an event could be read from."""
        async with asyncio.timeout(10):
            while not self._events:
                size = int(await self._reader.readuntil(b"\r\n"), 16)
                self._events = self._parser.feed((await self._reader.readexactly(size + 2))[:-2])
        event = self._events.pop(0)
        return event.type, json.loads(event.data)

    async def until(self, kind: str) -> Any:
        """The JSON of the next event of a kind."""
        while True:
            found, data = await self.next()
            if found == kind:
                return data

    def close(self) -> None:
        """Leave."""
        self._writer.close()


@pytest.mark.slow
async def test_a_browser_logs_in_and_looks(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key once, then the cookie: its stream begins, for a page of ours and for no other."""
    monkeypatch.setenv("FAST_SSE_ADMIN__KEY", KEY)
    _, admin = await start().addresses()
    origin = "http://localhost"  # the Host of `request`
    page = await request(admin, "GET", "/")
    assert page.status == 200
    assert KEY not in page.body.decode()
    wrong = await request(admin, "POST", "/v1/session", headers=JSON, body=b'{"key": "a guess"}')
    assert wrong.code == "unauthorized"
    body = json.dumps({"key": KEY}).encode()
    answer = await request(admin, "POST", "/v1/session", headers={**JSON, "Origin": origin}, body=body)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    source = await Source.open(admin, Host="localhost", Cookie=cookie, Sec_Fetch_Site="same-origin")
    assert (await source.until("frame"))["state"] == "ready"
    source.close()
    for headers in ({"Cookie": cookie}, {"Cookie": cookie, "Origin": "http://evil.example"}):
        assert (await request(admin, "GET", "/v1/live", headers=headers)).status == 403


@pytest.mark.slow
async def test_the_stream_goes_through_the_life_of_a_node(
    start: Start, store: StubbornStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there while the store is away, says so, and does not hold up the end: the page is told to come back."""
    monkeypatch.setattr(server, "STOP_S", 60)  # what the listener gives to answers that go on
    store.error = NotStoredError("away")
    running = start()
    source = await Source.open(await running.admin())
    frame = await source.until("frame")
    assert (frame["state"], frame["letters"], frame["instance"]) == ("starting", None, running.node.instance)
    store.error = None
    while frame["state"] != "ready":
        frame = await source.until("frame")
    running.app.stop()
    assert await source.until("end") == {"reason": "stopping"}
    async with asyncio.timeout(20):
        await running.task
    source.close()


async def test_names_of_the_listener_are_a_setting(start: Start) -> None:
    """Under a proxy's name browsers get nothing, unless it is said to be one of ours."""
    _, admin = await start(admin={"names": ["hub-admin.example"]}).addresses()
    for host, status in (("hub-admin.example", 200), ("HUB-ADMIN.example:443", 200), ("other.example", 403)):
        raw = f"GET /v1/settings HTTP/1.1\r\nHost: {host}\r\n\r\n"
        assert (await exchange(admin, raw.encode())).status == status

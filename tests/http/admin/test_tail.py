"""A channel as it is written: complete as long as eyes can follow, resumed, and delivered to nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.http.admin.conftest import ask, published

from fast_sse.http.admin import tail as module
from fast_sse.http.admin.tail import Begin, Tail
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor, parse_cursor
from fast_sse.model.errors import NotStoredError
from fast_sse.model.parser import Event, EventParser
from fast_sse.node import Node


class Page:
    """A browser's page with an EventSource, as its transport."""

    def __init__(self) -> None:
        self.parser = EventParser()
        self.arrived: asyncio.Queue[Event] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.cut = asyncio.Event()
        self.pieces = 0
        #: The last id by type of event.
        self.ids: dict[str, str] = {}

    def write(self, data: bytes) -> None:
        """The page takes it."""
        self.pieces += 1
        for event in self.parser.feed(data):
            self.ids[event.type] = event.last_event_id
            self.arrived.put_nowait(event)

    def set_write_buffer_limits(self, high: int) -> None:
        """Bounded."""
        assert high

    def close(self) -> None:
        """Said to be over."""
        self.closed.set()

    async def next(self) -> tuple[str, Any]:
        """The next event: its type, and its JSON."""
        event = await asyncio.wait_for(self.arrived.get(), 5)
        return event.type, json.loads(event.data)

    async def texts(self, count: int) -> list[str]:
        """What the next messages hold."""
        found = []
        for _ in range(count):
            kind, data = await self.next()
            assert kind == "message"
            found.append(data["data_text"])
        return found


class Tails:
    """Opens tails of one node, and ends them."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.open: list[Tail] = []
        self.lost = 0

    async def of(self, channel: str, **begin: Any) -> tuple[Page, Tail]:
        """A page that looks at a channel, once it is told where it begins."""
        page = Page()
        wanted = Filter.of(Channel(*channel.split("/")))
        tail = Tail(self.node.hub, wanted, Begin(**begin), page, page.cut.set, self._lost)
        self.open.append(tail)
        kind, self.start = await page.next()
        assert kind == "start"
        return page, tail

    def _lost(self, _tail: Tail) -> None:
        self.lost += 1


@pytest.fixture
async def tails(real: Node, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Tails]:
    """Tails that look often."""
    monkeypatch.setattr(module, "POLL_S", 0.001)
    made = Tails(real)
    yield made
    for tail in made.open:
        tail.connection_lost(None)


def cursor_of(text: str) -> Cursor:
    """An id as a place."""
    cursor = parse_cursor(text)
    assert cursor is not None
    return cursor


async def test_messages_come_as_they_are_written(tails: Tails) -> None:
    """Those of the channel, each as in a list, with its id; whatever its event is called, it is a `message`."""
    await published(tails.node, "a/t", "before")
    page, _ = await tails.of("a/*")
    (first,) = await published(tails.node, "a/t", 1, event="cart")
    await published(tails.node, "b/t", "other")
    (second,) = await published(tails.node, "a/u", 2)
    for expected, event, kind in ((first, "cart", "t"), (second, None, "u")):
        name, data = await page.next()
        assert (name, data["id"], data["event"], data["event_type"]) == ("message", expected, event, kind)
        assert set(data) >= {"time_ms", "headers", "data_text"}


async def test_a_tail_begins_where_it_is_asked_to(tails: Tails) -> None:
    """With the last few, with all, or behind an id; then it goes on with what is written."""
    ids = await published(tails.node, "a/t", 1, 2, 3)
    begins: list[tuple[dict[str, Any], list[str]]] = [
        ({"last": 2}, ["2", "3"]),
        ({"earliest": True}, ["1", "2", "3"]),
        ({"after": cursor_of(ids[0])}, ["2", "3"]),
    ]
    pages = []
    for begin, found in begins:
        page, _ = await tails.of("a/t", **begin)
        assert await page.texts(len(found)) == found
        pages.append(page)
    await published(tails.node, "a/t", 4)
    assert [await page.texts(1) for page in pages] == [["4"]] * 3


async def test_a_tail_resumes(tails: Tails) -> None:
    """By the last id that the browser has, and it is told so: nothing twice, nothing missed; it beats the query."""
    ids = await published(tails.node, "a/t", 1, 2, 3)
    page, _ = await tails.of("a/t", shown=ids[1], earliest=True)
    assert tails.start == {"cursor": ids[1], "resumed": True}
    assert await page.texts(1) == ["3"]


async def test_an_id_that_cannot_be_read_is_a_gap(tails: Tails) -> None:
    """The tail goes on from now, and says that it does."""
    await published(tails.node, "a/t", 1)
    page, _ = await tails.of("a/t", shown="nonsense")
    kind, data = await page.next()
    assert (kind, data["reason"], data["from"]) == ("gap", "unreadable", "nonsense")
    await published(tails.node, "a/t", 2)
    assert await page.texts(1) == ["2"]


async def test_an_id_of_another_log_is_a_gap(tails: Tails) -> None:
    """All that this log holds follows, as on the public listener."""
    await published(tails.node, "a/t", 1)
    page, _ = await tails.of("a/t", shown="m1.0000000000000.7")
    kind, data = await page.next()
    assert (kind, data["reason"], data["from"]) == ("gap", "epoch", "m1.0000000000000.7")
    assert page.ids["gap"] == data["resumed_at"]
    assert await page.texts(1) == ["1"]


async def test_who_does_not_read_gets_no_more(tails: Tails) -> None:
    """The log holds the rest; the tail goes on from where it was."""
    page, tail = await tails.of("a/t")
    tail.pause_writing()
    await published(tails.node, "a/t", 1, 2)
    pieces = page.pieces
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert page.pieces == pieces
    tail.resume_writing()
    assert await page.texts(2) == ["1", "2"]


async def test_who_stands_still_is_cut(tails: Tails, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its browser comes back with its last id."""
    monkeypatch.setattr(module, "STALL_S", 0.01)
    page, tail = await tails.of("a/t")
    tail.pause_writing()
    await asyncio.wait_for(page.cut.wait(), 5)
    assert tail.ended == "stalled"


async def test_a_channel_that_is_too_fast_is_passed_over(
    tails: Tails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tail that was level and has fallen far behind goes on with the newest messages, and says so."""
    monkeypatch.setattr(module, "PAGE", 2)
    monkeypatch.setattr(module, "PAGES_BEHIND_MAX", 2)
    page, tail = await tails.of("a/t")
    async with asyncio.timeout(10):
        while not tail._level_once:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.001)
    tail.pause_writing()
    await published(tails.node, "a/t", *range(1, 30))
    tail.resume_writing()
    assert await page.texts(4) == ["1", "2", "3", "4"]
    assert (await page.next())[0] == "skipped"
    assert await page.texts(2) == ["28", "29"]
    await published(tails.node, "a/t", 30)
    assert await page.texts(1) == ["30"]


async def test_a_long_way_to_the_present_is_not_passed_over(
    tails: Tails, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for all that is retained gets it."""
    monkeypatch.setattr(module, "PAGE", 2)
    monkeypatch.setattr(module, "PAGES_BEHIND_MAX", 2)
    await published(tails.node, "a/t", *range(20))
    page, _ = await tails.of("a/t", earliest=True)
    assert await page.texts(20) == [str(number) for number in range(20)]


async def test_a_quiet_tail_says_that_it_lives(tails: Tails, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an event that moves its id along: it resumes from there, and a peer that is gone is noticed."""
    monkeypatch.setattr(module, "QUIET_LOOKS", 3)
    page, _ = await tails.of("a/t")
    (last,) = await published(tails.node, "b/t", 1)
    while page.parser.last_event_id != last:
        assert (await page.next())[0] == "position"


async def test_a_store_that_is_away_is_waited_for(tails: Tails, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tail stands, and goes on when the store is back."""
    monkeypatch.setattr(module, "AWAY_S", 0.001)
    page, _ = await tails.of("a/t")
    real, asked = tails.node.hub.retained.after, asyncio.Event()

    async def away(*_args: Any) -> Any:
        asked.set()
        raise NotStoredError("the store is away")

    monkeypatch.setattr(tails.node.hub.retained, "after", away)
    await published(tails.node, "a/t", 1)
    await asyncio.wait_for(asked.wait(), 5)
    monkeypatch.setattr(tails.node.hub.retained, "after", real)
    assert await page.texts(1) == ["1"]


async def test_watching_delivers_nothing(tails: Tails) -> None:
    """A message that only an operator saw is not written to any client, and may still become a dead letter."""
    page, _ = await tails.of("a/t")
    (cursor,) = await published(tails.node, "a/t", 1)
    assert await page.texts(1) == ["1"]
    data = (await ask(tails.node, f"/v1/messages/{cursor}")).json()["data"]["delivery"]
    assert (data["state"], data["written"]) == ("stored", 0)


async def test_a_tail_ends_with_a_word(tails: Tails) -> None:
    """When the listener stops, so that the page knows that it may come back."""
    page, tail = await tails.of("a/t")
    tail.end("stopping")
    assert await page.next() == ("end", {"reason": "stopping"})
    assert page.closed.is_set()
    assert page.parser.retry_ms == 2000
    assert tail.ended == "shutdown"


async def test_a_tail_that_meets_a_defect_is_cut(tails: Tails, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its browser comes back; the access log says that the client had no part in it."""
    page, tail = await tails.of("a/t")

    async def broken(*_args: Any) -> Any:
        raise LookupError

    monkeypatch.setattr(tails.node.hub.retained, "after", broken)
    await published(tails.node, "a/t", 1)
    await asyncio.wait_for(page.cut.wait(), 5)
    assert tail.ended == "defect"
    with pytest.raises(LookupError):
        await tail._task


async def test_a_page_that_left_costs_nothing_more(tails: Tails) -> None:
    """Its task ends with its connection, and its place is free."""
    _, tail = await tails.of("a/t")
    tail.connection_lost(None)
    with pytest.raises(asyncio.CancelledError):
        await tail._task
    assert tails.lost == 1


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("after=x", "after"),
        ("last=101", "last"),
        ("last=x", "last"),
        ("after=earliest&last=1", "after and last"),
        ("since=1", "since"),
    ],
)
async def test_what_is_asked_wrongly_is_named(real: Node, query: str, named: str) -> None:
    """Before a stream begins."""
    answer = await ask(real, f"/v1/channels/a/t/tail?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert named in answer.json()["message"]

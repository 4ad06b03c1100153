"""The numbers as a stream: made once, resumed, never stale, and never queued for who does not read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.http.admin.conftest import FakeNode

from fast_sse.http.admin.event_stream import MOST, OpenStreams
from fast_sse.http.admin.live import STALL_S, THIN, Live, short
from fast_sse.model.parser import Event, EventParser
from fast_sse.observe.history import History
from fast_sse.observe.metrics import Sample

NOW_S = 1_000_000.0


class Page:
    """An open page, as its transport."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.closed = self.was_cut = False

    def write(self, data: bytes) -> None:
        """Keep it."""
        assert not self.closed
        self.pieces.append(data)

    def set_write_buffer_limits(self, high: int) -> None:
        """Bounded."""
        assert high

    def close(self) -> None:
        """The stream has said its last words."""
        self.closed = True

    def cut(self) -> None:
        """The connection is gone."""
        self.was_cut = True

    @property
    def events(self) -> list[Event]:
        """What a browser would have dispatched."""
        return EventParser().feed(b"".join(self.pieces))

    def data(self, number: int = -1) -> Any:
        """The JSON of one event."""
        return json.loads(self.events[number].data)


class Hub:
    """A node, its viewers, and its clock."""

    def __init__(self) -> None:
        self.streams_open = 12_345.0
        self.node = FakeNode()
        self.node.history = History([self._samples], lambda: float(self.taken))
        self.taken = 0
        self.streams = OpenStreams()
        self.live = Live(self.node, self.streams, lambda: NOW_S)
        self.clock_s = 0.0
        self.live._loop_time = lambda: self.clock_s

    def _samples(self) -> Iterator[Sample]:
        yield Sample("streams_open", "gauge", "Open.", self.streams_open)
        yield Sample("store_up", "gauge", "Up.", 1)

    def tick(self, times: int = 1) -> None:
        """Some seconds pass."""
        for _ in range(times):
            self.taken += 1
            self.node.history.take(int(NOW_S * 1000) + 1000 * self.taken)

    def open(self, shown: str = "") -> tuple[Page, Any]:
        """A page opens; itself, and its protocol."""
        page = Page()
        return page, self.live.attach(shown, lambda transport: transport.cut, page)


@pytest.fixture
def hub() -> Hub:
    """A node that has run for some seconds."""
    made = Hub()
    made.tick(3)
    return made


def test_a_stream_begins_with_the_history(hub: Hub) -> None:
    """All points that are kept, line by line, with what the page needs to draw them."""
    page, _ = hub.open()
    (event,) = page.events
    data = page.data()
    assert (event.type, event.last_event_id) == ("history", f"{hub.node.instance}.2")
    assert data["at_ms"] == [1_000_000_000 + 1000 * second for second in (1, 2, 3)]
    assert data["values"]["streams"] == [12_345] * 3
    assert set(data["values"]) == set(data["units"]) == set(hub.node.history.names)
    assert (data["resumed"], data["instance"], data["step_s"]) == (False, hub.node.instance, 1)


def test_a_frame_a_second_follows(hub: Hub) -> None:
    """Each under an id of its own, with the time of the node and the mark of its process."""
    page, _ = hub.open()
    hub.tick(2)
    assert [event.type for event in page.events] == ["history", "frame", "frame"]
    assert [event.last_event_id for event in page.events[1:]] == [f"{hub.node.instance}.{n}" for n in (3, 4)]
    data = page.data()
    assert (data["number"], data["at_ms"], data["instance"]) == (4, 1_000_005_000, hub.node.instance)
    assert data["values"]["streams"] == 12_345
    assert (data["node"], data["state"], data["viewers"]) == ("n1", "ready", 1)


def test_a_frame_is_made_once(hub: Hub) -> None:
    """Every viewer gets the very same bytes, and so do those who come back at once with the same history."""
    pages = [hub.open()[0] for _ in range(3)]
    hub.tick()
    assert len({id(page.pieces[-1]) for page in pages}) == 1
    assert len({id(hub.live._history("")) for _ in range(3)}) == 1


def test_a_viewer_that_comes_back_gets_what_it_missed(hub: Hub) -> None:
    """By the id of the last frame it has: nothing twice, and no hole."""
    hub.tick(3)
    page, _ = hub.open(f"{hub.node.instance}.3")
    assert (page.data()["at_ms"], page.data()["resumed"]) == ([1_000_005_000, 1_000_006_000], True)
    page, _ = hub.open(f"{hub.node.instance}.5")
    assert (page.data()["at_ms"], page.data()["resumed"]) == ([], True)


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "another.1",
        "0f0f0f0f0f0f0f0f",
        "{0}.",
        "{0}.x",
        "{0}.-1",
        "{0}.99",
        "{0}.1" + "0" * 40,
        "{0}.\u0661",
    ],
)
def test_an_id_of_another_process_is_no_place(hub: Hub, shown: str) -> None:
    """After a restart the page begins anew; what is no id of ours counts for none."""
    page, _ = hub.open(shown.format(hub.node.instance))
    assert (len(page.data()["at_ms"]), page.data()["resumed"]) == (3, False)


def test_a_long_history_is_thinned_out(hub: Hub) -> None:
    """A rate looks back for five seconds, so that every fifth point says it all; the newest is among them."""
    hub.tick(897)
    data = hub.open()[0].data()
    assert (len(data["at_ms"]), data["step_s"]) == (900 // THIN, 5)
    assert data["at_ms"][-1] == 1_000_900_000
    assert {b - a for a, b in zip(data["at_ms"], data["at_ms"][1:], strict=False)} == {5000}


def test_before_the_first_point_the_history_is_empty() -> None:
    """A page may open while the node begins."""
    hub = Hub()
    page, _ = hub.open()
    assert page.data()["at_ms"] == []
    assert set(page.data()["values"]) == set(hub.node.history.names)
    hub.tick()
    assert page.data()["number"] == 0


def test_who_does_not_read_gets_nothing_more(hub: Hub) -> None:
    """Frames are not queued: each stands for itself, and the next one is written when the page has read again."""
    page, viewer = hub.open()
    viewer.pause_writing()
    hub.tick(3)
    assert len(page.events) == 1
    viewer.resume_writing()
    hub.tick()
    assert [event.last_event_id for event in page.events[1:]] == [f"{hub.node.instance}.6"]


def test_who_stands_still_is_cut(hub: Hub) -> None:
    """After ten seconds without a byte taken; its browser comes back and gets what it missed."""
    page, viewer = hub.open()
    viewer.pause_writing()
    hub.clock_s = STALL_S - 0.1
    hub.tick()
    assert not page.was_cut
    assert viewer.ended == "client"
    hub.clock_s = STALL_S
    hub.tick()
    assert page.was_cut
    assert viewer.ended == "stalled"


def test_nobody_looks_nothing_is_made(hub: Hub) -> None:
    """The last viewer takes the work with it."""
    first, second = hub.open()[1], hub.open()[1]
    first.connection_lost(None)
    assert hub.node.history.listeners
    second.connection_lost(None)
    assert not hub.node.history.listeners


def test_viewers_are_bounded(hub: Hub) -> None:
    """One too many is told so in a stream that ends: a browser would never come back from an error. A place is free again."""
    viewers = [hub.open()[1] for _ in range(MOST["live"])]
    page, _ = hub.open()
    assert (page.events[-1].type, page.data(), page.closed) == ("end", {"reason": "full"}, True)
    assert page.pieces[0].startswith(b"retry: 15000\n")
    viewers[0].connection_lost(None)
    assert hub.open()[0].events[0].type == "history"


def test_all_streams_end_before_the_listener_stops(hub: Hub) -> None:
    """An open page must not hold up the end of the hub; it is told to come back, and keeps its id."""
    page, viewer = hub.open()
    hub.streams.stop()
    assert (page.data(), page.closed) == ({"reason": "stopping"}, True)
    assert viewer.ended == "shutdown"
    assert page.events[-1].last_event_id == f"{hub.node.instance}.2"
    late, _ = hub.open()
    assert (late.data(), late.closed) == ({"reason": "stopping"}, True)


async def test_the_store_is_asked_while_somebody_looks(hub: Hub) -> None:
    """What it said before is no answer about now: until it has been asked, its state is not known."""
    page, _ = hub.open()
    hub.tick()
    assert page.data()["store"]["up"] is None
    task = asyncio.ensure_future(hub.live.look_on())
    await asyncio.wait_for(hub.node.looks.get(), 5)
    await asyncio.sleep(0)
    hub.tick()
    assert page.data()["store"]["up"] is True
    task.cancel()
    await asyncio.wait([task])


async def test_what_the_store_said_long_ago_is_not_shown(hub: Hub) -> None:
    """The first page after a while without any begins as if it had never been asked."""
    hub.open()[1].connection_lost(None)
    task = asyncio.ensure_future(hub.live.look_on())
    await asyncio.wait_for(hub.node.looks.get(), 5)
    await asyncio.sleep(0)
    page, _ = hub.open()
    hub.tick()
    assert page.data()["store"]["up"] is None
    task.cancel()
    await asyncio.wait([task])


async def test_a_viewer_wakes_who_asks_the_store(hub: Hub) -> None:
    """While nobody looks it is asked seldom; the first page need not wait for that."""
    task = asyncio.ensure_future(hub.live.look_on())
    await asyncio.wait_for(hub.node.looks.get(), 5)
    await asyncio.sleep(0)
    hub.open()
    await asyncio.wait_for(hub.node.looks.get(), 5)
    task.cancel()
    await asyncio.wait([task])


def test_numbers_are_short_and_counts_exact() -> None:
    """Five digits of what is measured, all of what is counted, and nothing for what is not known."""
    assert [short(value) for value in (0.00123456789, 12345.678, 123456789.0, 0.0, None)] == [
        0.0012346,
        12346.0,
        123456789,
        0,
        None,
    ]
    assert short(float("nan")) is short(float("inf")) is None


def test_letters_are_told_by_reason(hub: Hub) -> None:
    """And as not known before the store has counted them."""
    page, _ = hub.open()
    hub.tick()
    assert page.data()["letters"] is None
    hub.node.letters_by_reason = {"no_subscriber": 3}
    hub.tick()
    assert page.data()["letters"] == {"no_subscriber": 3}

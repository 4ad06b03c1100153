"""What a delivery costs: one call of the transport's `write`, and no Python for it (guarantee G7, docs/performance.md).

Counted and not timed, so that a machine that is busy changes nothing.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple, cast

import pytest
from msgspec.structs import replace
from tests.hub.loops import ManualLoop
from tests.hub.support import HEADERS, record_at, wanted

from fast_sse.hub.arrivals import Arrivals
from fast_sse.hub.fanout import Fanout
from fast_sse.hub.form import Form, Heartbeat, Prime
from fast_sse.hub.frames import BARE, id_texts
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.subscriber import Subscriber
from fast_sse.hub.tail import Entry
from fast_sse.model.cursor import Cursor
from fast_sse.model.limits import Limits

#: Of Python, and of C beside the writes; there was one of C more before hand-overs were counted. From Python 3.12 on a
#: comprehension is no call.
CALLS_OF_A_FLUSH, C_CALLS_OF_A_FLUSH = 9 - (sys.version_info >= (3, 12)), 5
#: Of Python, that the first flush of a record costs more because it is measured.
CALLS_OF_A_MEASURE = 4

LOG = Cursor("s1", "0" * 13, 0)


class Member:
    """As much of a subscriber as its live set knows; its transport's `write` is written in C."""

    def __init__(self) -> None:
        self.place = -1
        self.written: list[bytes] = []

        class Transport:
            write = self.written.append

        self.transport = Transport()


def counted_calls(work: Callable[..., object], *args: object) -> Counter[str]:
    """Calls of Python functions and of C functions, by the words of `sys.setprofile`; the one of `work` is among them."""
    calls: Counter[str] = Counter()

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        calls[event] += 1

    gc.disable()  # a collection in the middle calls what others hooked into it
    sys.setprofile(count)
    try:
        work(*args)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls


def calls_of_a_flush(form: Form, members: int) -> tuple[Counter[str], list[Member]]:
    """Calls of Python functions and of C functions while one record goes to that many members."""
    live_set = LiveSet(wanted("a/t"), form, LOG, 0.0)
    some = [Member() for _ in range(members)]
    for member in some:
        live_set.add(cast("Subscriber", member))
    live_set.queue(Entry(record_at(1), id_texts(LOG)))
    return counted_calls(live_set.flush, 1 << 20, 0.0), some


@pytest.mark.parametrize("prime", ["event", "id", "off"])
@pytest.mark.parametrize("heartbeat", ["comment", "event"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_delivery_is_one_call_of_write_in_every_form(
    prime: Prime, heartbeat: Heartbeat, chunked: bool
) -> None:
    """A thousand members more are a thousand calls of C more, and not one of Python."""
    form = Form(chunked, prime, heartbeat)
    few, _ = calls_of_a_flush(form, 10)
    many, members = calls_of_a_flush(form, 1010)
    assert many["call"] == few["call"]
    assert many["c_call"] - few["c_call"] == 1000
    assert len({id(member.written[0]) for member in members}) == 1


@pytest.mark.parametrize("event", ["", "price"])
def test_a_message_weighs_what_it_weighed(event: str) -> None:
    """Its lines are in another order than before positions were events, and no byte was added."""
    record = replace(record_at(4711, data=b'{"n":1}'), event=event)
    lines = [b"id: s1.0000000000000.4711", b'data: {"data":{"n":1},"headers":%b}' % HEADERS]
    if event:
        lines.append(b"event: price")
    frame = Entry(record, id_texts(LOG)).frame(BARE)
    assert sorted(frame.split(b"\n")) == sorted([*lines, b"", b""])


@pytest.mark.parametrize("members", [1, 10, 1000])
def test_counting_hand_overs_adds_no_call_to_a_delivery(members: int) -> None:
    """Each entry that is flushed counts its sockets, by an addition: a flush calls what it called without it."""
    calls, some = calls_of_a_flush(Form(), members)
    assert len(some) == members
    assert calls["call"] == CALLS_OF_A_FLUSH
    assert calls["c_call"] - members == C_CALLS_OF_A_FLUSH


class Numbers(NamedTuple):
    """Calls from a record's arrival from the log to the end of its flush, and what was measured meanwhile."""

    calls: Counter[str]
    measured: int


def calls_of_a_record(members: int, *, measures: bool) -> Numbers:
    """All of the fan-out for one record; `measures`: with the numbers of operators, or with none of them."""
    loop = ManualLoop()
    try:
        fanout, arrivals = Fanout(Limits(), loop), Arrivals(lambda: 0, loop.time)
        fanout.start_at(LOG)
        if measures:
            fanout.handover.on_flush = arrivals.flushed
            arrivals.note(1, loop.time())
        live_set = fanout.live_set(wanted("a/t"), Form())
        for _ in range(members):
            live_set.add(cast("Subscriber", Member()))
        entry = Entry(record_at(1), id_texts(LOG))
        calls = counted_calls(fanout.deliver, entry) + counted_calls(fanout._tick)
        return Numbers(calls, sum(sample.buckets[-1].total for sample in arrivals.samples()))
    finally:
        loop.close()


def test_numbers_add_no_call_to_a_delivery() -> None:
    """A thousand sockets more cost what they cost without any number: the calls of `write`, and not one of Python.

    What a record costs more is the same for one socket and for a thousand.
    """
    few, many = (calls_of_a_record(members, measures=True) for members in (10, 1010))
    plain_few, plain_many = (calls_of_a_record(members, measures=False) for members in (10, 1010))
    assert (few.measured, many.measured, plain_many.measured) == (1, 1, 0)
    assert many.calls["call"] == few.calls["call"]
    assert plain_many.calls["call"] == plain_few.calls["call"]
    assert many.calls["c_call"] - few.calls["c_call"] == 1000
    assert plain_many.calls["c_call"] - plain_few.calls["c_call"] == 1000
    assert many.calls["call"] - plain_many.calls["call"] <= CALLS_OF_A_MEASURE

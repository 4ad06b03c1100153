"""What a delivery costs: one call of the transport's `write`, and no Python for it (guarantee G7, docs/performance.md).

Counted and not timed, so that a machine that is busy changes nothing.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from types import FrameType
from typing import Any, cast

import pytest
from msgspec.structs import replace
from tests.hub.support import HEADERS, record_at, wanted

from fast_sse.hub.form import Form, Heartbeat, Prime
from fast_sse.hub.frames import BARE, id_texts
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.subscriber import Subscriber
from fast_sse.hub.tail import Entry
from fast_sse.model.cursor import Cursor

#: Of Python, and of C beside the writes; there was one of C more before hand-overs were counted.
CALLS_OF_A_FLUSH, C_CALLS_OF_A_FLUSH = 9, 5

LOG = Cursor("s1", "0" * 13, 0)


class Member:
    """As much of a subscriber as its live set knows; its transport's `write` is written in C."""

    def __init__(self) -> None:
        self.place = -1
        self.written: list[bytes] = []

        class Transport:
            write = self.written.append

        self.transport = Transport()


def calls_of_a_flush(form: Form, members: int) -> tuple[Counter[str], list[Member]]:
    """Calls of Python functions and of C functions while one record goes to that many members."""
    live_set = LiveSet(wanted("a/t"), form, LOG, 0.0)
    some = [Member() for _ in range(members)]
    for member in some:
        live_set.add(cast("Subscriber", member))
    live_set.queue(Entry(record_at(1), id_texts(LOG)))
    calls: Counter[str] = Counter()

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        calls[event] += 1

    gc.disable()  # a collection in the middle calls what others hooked into it
    sys.setprofile(count)
    try:
        live_set.flush(1 << 20, 0.0)
    finally:
        sys.setprofile(None)
        gc.enable()
    return calls, some


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

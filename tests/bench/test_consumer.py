"""A consumer is owed what was published while it was there, and goes when it has it."""

from __future__ import annotations

import time

from tests.bench.test_target import TARGET

from fast_sse.bench.consumer import Consumer
from fast_sse.bench.loop import Loop
from fast_sse.model.payload import packed


def test_the_window_of_a_consumer() -> None:
    """From ready, ready included, to the moment it was told to go, that excluded; before it came, never."""
    with Loop() as loop:
        consumer = Consumer(loop, TARGET, 0, 1.0)
        assert not consumer.was_connected(5)
        consumer.ready_ns = 10
        assert [consumer.was_connected(at) for at in (9, 10, 1000)] == [False, True, True]
        consumer.leave(100, list)
        assert [consumer.was_connected(at) for at in (99, 100)] == [True, False]


def test_it_goes_when_it_has_all_that_it_is_owed() -> None:
    """It stays while an answer is open or a message is missing, but not for ever."""
    with Loop() as loop:
        consumer = Consumer(loop, TARGET, 0, 3600.0)
        consumer.connect()
        owed: list[str] | None = None
        consumer.leave(time.monotonic_ns(), lambda: owed)
        consumer.check()
        assert not consumer.gone
        owed = ["a"]
        consumer.check()
        assert not consumer.gone
        consumer.received_ns["a"] = [1]
        consumer.check()
        assert consumer.gone
        late = Consumer(loop, TARGET, 0, 0.0)
        late.connect()
        late.leave(time.monotonic_ns() - 1, lambda: None)
        late.check()
        assert late.gone


def test_what_comes_packed_is_unpacked() -> None:
    """Each is timed, a plain one is not; one that cannot be unpacked has not arrived. Bytes are those on the wire."""
    whole = packed(b'{"data":"%b","headers":{}}' % (b"x" * 5000))
    plain, broken = b'{"data":1,"headers":{}}', whole.replace(b"H4sI", b"H4sJ")
    with Loop() as loop:
        consumer = Consumer(loop, TARGET, 0, 1.0)
    for name, data in (("whole", whole), ("plain", plain), ("broken", broken)):
        consumer._take(b"data: %b\nid: %b\n\n" % (data, name.encode()))
    assert list(consumer.received_ns) == ["whole", "plain"]
    assert len(consumer.unpack_ns) == 1
    assert consumer.unpack_ns[0] > 0
    assert consumer.data_bytes == len(whole + plain + broken)

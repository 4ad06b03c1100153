"""The transport of a stream under an ASGI server: it behaves to its protocol as a socket's transport does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fast_sse.http.asgi.stream import Message, StreamTransport

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


def body(data: bytes) -> Message:
    """A piece of the body that is not the last."""
    return {"type": "http.response.body", "body": data, "more_body": True}


class Protocol:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.told.append("lost" if error is None else type(error).__name__)


class Rig:
    """A transport that runs under a server of the test's making."""

    def __init__(self) -> None:
        self.transport = StreamTransport(("192.0.2.7", 4711))
        self.protocol = Protocol()
        self.sent: list[Message] = []
        self.open = asyncio.Event()
        self.open.set()
        self.left = asyncio.Event()
        self.error: Exception | None = None
        self.transport.set_protocol(self.protocol)
        self.task = asyncio.create_task(self.transport.run(self.receive, self.send, START))

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        await self.open.wait()
        if self.error:
            raise self.error
        self.sent.append(message)

    async def wait_in_send(self, data: bytes) -> None:
        """Let the server stop taking, with `data` in its hands."""
        await turn()
        self.open.clear()
        self.transport.write(data)
        await turn()


async def turn() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    await asyncio.sleep(0)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    assert len(tasks) == 2, "the stream and its listener"
    yield rig
    rig.task.cancel()
    await asyncio.wait(tasks, timeout=5)
    assert all(task.cancelled() or task.exception() is None for task in tasks)


async def test_start_then_what_is_written_then_the_end(rig: Rig) -> None:
    """The head goes out at once, each write behind it, and `close` ends the body after all of them."""
    await turn()
    assert rig.sent == [START]
    rig.transport.write(b"a")
    await turn()
    rig.transport.write(b"b")
    rig.transport.close()
    await rig.task
    assert rig.sent == [START, body(b"a"), body(b"b"), END]
    assert rig.protocol.told == ["lost"]
    assert rig.transport.is_closing()


async def test_writes_wait_for_one_send(rig: Rig) -> None:
    """What is written while the server takes nothing goes out as one piece, and counts until it was taken."""
    await rig.wait_in_send(b"first")
    rig.transport.write(b"second ")
    rig.transport.write(b"third")
    await turn()
    assert rig.transport.get_write_buffer_size() == len(b"firstsecond third")
    rig.open.set()
    await turn()
    assert rig.sent == [START, body(b"first"), body(b"second third")]
    assert rig.transport.get_write_buffer_size() == 0


async def test_a_piece_written_alone_is_not_copied(rig: Rig) -> None:
    """The same bytes object that a live set hands to all its members reaches the server."""
    await turn()
    data = b"x" * 1000
    rig.transport.write(data)
    await turn()
    assert rig.sent[1]["body"] is data


async def test_pause_inside_write_resume_from_the_loop(rig: Rig) -> None:
    """Above the high-water mark the protocol is paused before `write` returns; at a quarter of it, it is resumed."""
    rig.transport.set_write_buffer_limits(high=100)
    await rig.wait_in_send(b"x" * 100)
    assert rig.protocol.told == []
    rig.transport.write(b"y")
    assert rig.protocol.told == ["pause"]
    rig.transport.write(b"z" * 25)
    assert rig.protocol.told == ["pause"], "told twice"
    rig.open.set()
    assert rig.protocol.told == ["pause"]
    await turn()
    assert rig.protocol.told == ["pause", "resume"]


async def test_not_resumed_above_the_low_mark(rig: Rig) -> None:
    """As long as more than a quarter is queued the protocol stays paused."""
    rig.transport.set_write_buffer_limits(high=100)
    await rig.wait_in_send(b"x" * 90)
    rig.transport.write(b"y" * 26)
    took, rig.open = rig.open, asyncio.Event()
    took.set()
    await turn()
    assert rig.transport.get_write_buffer_size() == 26
    assert rig.protocol.told == ["pause"]
    rig.open.set()


async def test_a_pause_before_the_handover_is_told_at_the_handover() -> None:
    """What paused the transport while nobody was attached is told to whoever is, as the front does."""
    transport, protocol = StreamTransport(None), Protocol()
    transport.set_write_buffer_limits(high=10)
    transport.write(b"x" * 11)
    transport.set_protocol(protocol)
    assert protocol.told == ["pause"]
    fresh, untold = StreamTransport(None), Protocol()
    fresh.write(b"x" * 11)
    fresh.set_protocol(untold)
    assert untold.told == []
    fresh.set_write_buffer_limits(high=10)
    assert untold.told == ["pause"], "a lower mark counts what is queued"


async def test_a_peer_that_leaves_ends_everything(rig: Rig) -> None:
    """`http.disconnect` drops what is queued, sends nothing more, and the protocol is told once."""
    await turn()
    rig.left.set()
    await rig.task
    assert rig.sent == [START]
    assert rig.protocol.told == ["lost"]
    rig.transport.write(b"late")
    assert rig.transport.get_write_buffer_size() == 0


async def test_a_peer_that_leaves_while_a_send_waits(rig: Rig) -> None:
    """A server that would wait for ever for a peer that is gone is not waited for."""
    await rig.wait_in_send(b"x")
    rig.left.set()
    await rig.task
    assert rig.sent == [START]
    assert rig.protocol.told == ["lost"]


async def test_a_send_that_fails_is_a_peer_that_left(rig: Rig) -> None:
    """From ASGI 2.4 on, `send` raises OSError when the client is gone."""
    await turn()
    rig.error = BrokenPipeError()
    rig.transport.write(b"x")
    await rig.task
    assert rig.protocol.told == ["lost"]


async def test_abort_ends_a_stream_that_the_server_still_takes(rig: Rig) -> None:
    """A stream that is cut is ended, without what was queued."""
    await turn()
    rig.transport.write(b"queued")
    rig.transport.abort()
    await rig.task
    assert rig.sent == [START, END]
    assert rig.protocol.told == ["lost"]


async def test_abort_gives_up_a_send_that_waits(rig: Rig) -> None:
    """A server that takes nothing is given up at once, also when asked twice, and the task is not left cancelled."""
    await rig.wait_in_send(b"x")
    rig.transport.abort()
    rig.transport.abort()
    await rig.task
    assert rig.sent == [START]
    assert rig.protocol.told == ["lost"]
    assert not rig.task.cancelled()


async def test_close_waits_for_what_is_queued_and_abort_does_not(rig: Rig) -> None:
    """`close` lets the peer take its time; `abort` after it, as the stall deadline does, ends that."""
    await rig.wait_in_send(b"x")
    rig.transport.close()
    await turn()
    assert not rig.task.done()
    rig.transport.abort()
    await rig.task
    assert rig.protocol.told == ["lost"]


async def test_a_server_that_stops_cancels(rig: Rig) -> None:
    """A cancellation passes through, and the protocol is told first, and that it was no end of the peer's."""
    await turn()
    rig.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rig.task
    assert rig.protocol.told == ["ConnectionAbortedError"]
    await turn()
    assert asyncio.all_tasks() == {asyncio.current_task()}, "the listener is left behind"


async def test_a_protocol_that_writes_when_resumed_goes_on(rig: Rig) -> None:
    """What `resume_writing` writes is not forgotten: a catch-up continues from there."""
    rig.transport.set_write_buffer_limits(high=10)

    def more() -> None:
        rig.transport.write(b"more")

    rig.protocol.resume_writing = more  # type: ignore[method-assign]
    await rig.wait_in_send(b"x" * 11)
    rig.open.set()
    await turn()
    assert [message["body"] for message in rig.sent[1:]] == [b"x" * 11, b"more"]


async def test_what_is_known_of_the_peer() -> None:
    """`peername` as far as the server says it; there is no socket to ask."""
    known: Any = StreamTransport(("192.0.2.7", 4711))
    assert known.get_extra_info("peername") == ("192.0.2.7", 4711)
    assert known.get_extra_info("socket") is None
    assert StreamTransport(None).get_extra_info("peername", "nobody") == "nobody"

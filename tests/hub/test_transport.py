"""The fake transport is verified: one script, run on it and on uvloop, tells the same story."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import uvloop
from tests.hub.loops import ManualLoop
from tests.hub.transport import FakeTransport

HIGH = 64 * 1024
#: Above the high-water mark and what a socket pair buffers together.
BLOCK = bytes(1 << 20)


class Told(asyncio.Protocol):
    """Notes what the transport tells, and whether it told inside a call of ours."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.calling = False

    def note(self, what: str) -> None:
        self.story.append(f"{what} inside" if self.calling else what)

    def pause_writing(self) -> None:
        self.note("pause")

    def resume_writing(self) -> None:
        self.note("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.note(f"lost {type(exc).__name__}")

    def call(self, function: Callable[..., object], *args: object) -> None:
        """One call of ours; a RuntimeError is part of the story."""
        self.calling = True
        try:
            function(*args)
        except RuntimeError:
            self.story.append("RuntimeError")
        self.calling = False


class RealPeer:
    """The other end of a socket pair."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def read(self) -> None:
        with suppress(BlockingIOError):
            while self.sock.recv(1 << 20):
                pass

    def hang_up(self) -> None:
        self.sock.close()


Script = Callable[[Any, Any, Told, Callable[[], Awaitable[None]]], Awaitable[None]]


async def slow_peer(transport: Any, peer: Any, told: Told, settle: Callable[[], Awaitable[None]]) -> None:
    """A peer that stops, takes everything later, and is closed after that."""
    told.call(transport.write, b"small")
    told.call(transport.write, BLOCK)
    told.call(transport.write, b"more, while paused")
    told.story.append(f"queued {transport.get_write_buffer_size() > HIGH}")
    for _ in range(20):
        peer.read()
        await settle()
    told.story.append(f"queued {transport.get_write_buffer_size()}")
    told.call(transport.close)
    told.story.append(f"closing {transport.is_closing()}")
    await settle()
    told.call(transport.write, b"too late")
    told.call(transport.set_write_buffer_limits, HIGH)
    told.call(transport.abort)
    told.call(transport.close)
    told.story.append(f"queued {transport.get_write_buffer_size()}")
    await settle()


async def closed_on_a_deaf_peer(
    transport: Any, _peer: Any, told: Told, settle: Callable[[], Awaitable[None]]
) -> None:
    """`close` waits for ever for a peer that takes nothing; writes still pile up; only `abort` ends it."""
    told.call(transport.write, BLOCK)
    told.call(transport.close)
    await settle()
    before = transport.get_write_buffer_size()
    told.call(transport.write, b"more")
    told.story.append(f"grows by {transport.get_write_buffer_size() - before}")
    told.call(transport.abort)
    told.story.append("aborted")
    await settle()


async def given_away(transport: Any, peer: Any, told: Told, settle: Callable[[], Awaitable[None]]) -> None:
    """What happens before `set_protocol` is told to the old protocol, what happens after it to the new one."""
    told.call(transport.write, BLOCK)
    heir = Told()
    transport.set_protocol(heir)
    for _ in range(20):
        peer.read()
        await settle()
    told.story += [f"heir: {line}" for line in heir.story]
    transport.set_protocol(told)
    transport.abort()
    await settle()


async def peer_gone(transport: Any, peer: Any, told: Told, settle: Callable[[], Awaitable[None]]) -> None:
    """A peer that resets while bytes are queued."""
    told.call(transport.write, BLOCK)
    peer.hang_up()
    await settle()
    told.call(transport.write, b"nobody hears")


SCRIPTS = [slow_peer, closed_on_a_deaf_peer, given_away, peer_gone]


def on_uvloop(script: Script) -> list[str]:
    """The story as uvloop tells it."""

    async def main() -> list[str]:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            told = Told()
            transport, _ = await asyncio.get_running_loop().create_connection(lambda: told, sock=ours)
            transport.set_write_buffer_limits(high=HIGH)

            async def settle() -> None:
                for _ in range(5):
                    await asyncio.sleep(0.001)  # a real loop polls its sockets only when time passes

            await script(transport, RealPeer(theirs), told, settle)
            transport.abort()
            await settle()
        return told.story

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def on_the_fake(script: Script) -> list[str]:
    """The story as the fake tells it."""

    async def main() -> list[str]:
        told = Told()
        transport = FakeTransport(told, reading=False)
        transport.set_write_buffer_limits(high=HIGH)

        async def settle() -> None:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

        await script(transport, transport, told, settle)
        return told.story

    with asyncio.Runner(loop_factory=ManualLoop) as runner:
        return runner.run(main())


@pytest.mark.wire
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_the_fake_behaves_as_uvloop_does(script: Script) -> None:
    """Pause comes inside `write`, resume from the loop; `close` waits for a deaf peer; a closed transport raises."""
    story = on_uvloop(script)
    assert story == on_the_fake(script)
    assert len(story) > 1

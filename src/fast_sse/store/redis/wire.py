"""One connection to Redis: commands go out, replies come in, and the n-th reply belongs to the n-th command.

Nothing is ever sent twice: a client that retries by itself turns a lost reply into a second message. A caller that
goes away keeps its place in the line, so its reply is dropped and no other caller gets it (the mix-up of
CVE-2023-28858 cannot happen). Silence past the deadline, or bytes that are no reply, end the connection. Every
unanswered command then ends with LostError.

docs/adr/015-own-redis-client.md says why this is not redis-py.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, cast

import hiredis

from fast_sse.store.redis.errors import TURNED_AWAY, LostError, TurnedAwayError, translated
from fast_sse.store.redis.target import Target

#: What comes back: ints, bytes, lists of them, None, `hiredis.ReplyError` or LostError.
Reply = Any
OnReply = Callable[[Reply], None]

Word = str | bytes | int

#: Replies of a server that is not the primary any more. It closes no connection for that. The address may lead to
#: another server by now, and only a new connection reaches it.
_DEMOTED = ("READONLY", "UNBLOCKED", "MASTERDOWN")


def pack(words: tuple[Word, ...]) -> bytes:
    """One command, as bytes of the protocol."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub says a tuple of one
    return packed


class Wire(asyncio.Protocol):
    """An open connection. `lost` is done when it is closed, for whatever reason."""

    def __init__(self, answer_s: float, *, leave_replica: bool = True) -> None:
        """`answer_s`: how long a command waits for its reply, at most. `leave_replica`: end at a reply of a replica."""
        self._answer_s = answer_s
        self._leave_replica = leave_replica
        self._lost: Callable[[], LostError] = lambda: LostError("the server ended the connection")
        self._loop = asyncio.get_running_loop()
        self._replies = hiredis.Reader()
        self._waiting: deque[tuple[float, OnReply]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = self._loop.create_future()

    @property
    def open(self) -> bool:
        """Whether a command can still be handed over."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, packed: bytes, *on_replies: OnReply) -> None:
        """Write packed commands. Each has one `on_reply`, called exactly once: with its reply, or with LostError."""
        assert self._transport is not None
        now_s = self._loop.time()
        self._waiting.extend([(now_s, on_reply) for on_reply in on_replies])
        if self._timer is None:
            self._timer = self._loop.call_later(self._answer_s, self._look)
        self._transport.write(packed)

    async def ask(self, *words: Word) -> Reply:
        """Send one command and wait for its reply. Raises LostError. An error reply is returned."""
        if not self.open:
            raise self._lost()
        future: asyncio.Future[Reply] = self._loop.create_future()
        self.send(pack(words), lambda reply: None if future.done() else future.set_result(reply))
        reply = await future
        if isinstance(reply, LostError):
            raise reply
        return reply

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _look(self) -> None:
        self._timer = None
        if not self._waiting:
            return
        left_s = self._waiting[0][0] + self._answer_s - self._loop.time()
        if left_s <= 0:
            self._lost = lambda: LostError(f"no answer within {self._answer_s:g} s")
            self.abort()
        else:
            self._timer = self._loop.call_later(left_s, self._look)

    # -- asyncio.Protocol ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Commands may be sent."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        plug = transport.get_extra_info("socket")
        plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """Hand each whole reply to the first in the line."""
        replies, demoted = self._replies, False
        replies.feed(data)
        try:
            while (reply := replies.gets()) is not False:
                if isinstance(reply, hiredis.ReplyError) and str(reply).startswith(TURNED_AWAY):
                    sentence = translated(str(reply)).message
                    self._lost = lambda: TurnedAwayError(sentence)  # noqa: B023  it returns at once
                    self.abort()
                    return
                _, on_reply = self._waiting.popleft()
                on_reply(reply)
                demoted = demoted or (
                    isinstance(reply, hiredis.ReplyError) and str(reply).startswith(_DEMOTED)
                )
            if demoted and self._leave_replica:
                self.abort()
        except (hiredis.ProtocolError, IndexError):  # no Redis answers there, or a reply came unasked
            self._lost = lambda: LostError("the server there is not Redis")
            self.abort()

    def connection_lost(self, _error: Exception | None) -> None:
        """Every unanswered command is lost."""
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, deque()
        lost = self._lost()
        for _, on_reply in waiting:
            on_reply(lost)
        if not self.lost.done():
            self.lost.set_result(None)


async def connect(target: Target, *, connect_s: float, answer_s: float, leave_replica: bool = True) -> Wire:
    """Make a connection; nothing is sent on it yet.

    Raises:
        LostError: there is none within `connect_s`; its cause says why.
        ConfigError: a certificate of the target cannot be used.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(connect_s):
            _, wire = await loop.create_connection(
                lambda: Wire(answer_s, leave_replica=leave_replica),
                target.host,
                target.port,
                ssl=target.context,
                server_hostname=target.host if target.tls else None,
            )
    except (OSError, TimeoutError) as error:
        raise LostError("there is no connection") from error
    return wire

"""Connections that begin with a PROXY header: a trusted proxy names the client, then HTTP begins.

Such a listener accepts nothing else. A peer that may connect without a header could claim any client address. So a
peer that is not trusted is cut before a byte of it is read, and so is a connection that begins with something else
(CWE-348).

Behind the header the connection is an ordinary one, whose transport gives the client's address as `peername`. Everything
that needs the peer's address (the limits, the log of streams that were cut) takes it from there.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from fast_sse.http.addresses import UNIX, Trusted, parse_address
from fast_sse.http.front.deadlines import Deadlines
from fast_sse.http.front.proxy_protocol import ProxyHeaderError, read_proxy_header
from fast_sse.observe.metrics import Sample, counted

#: Called with how many were cut so far, why, and the address of the peer.
OnCut = Callable[[int, str, str], None]


class Introductions:
    """Makes a protocol for each new connection, which becomes one of `make` behind its header.

    Args:
        make: the protocol that speaks HTTP.
        trusted: the proxies whose header is taken.
        deadlines: of these connections alone; the header has until the one for a head.
        has_room: whether a connection that was just accepted may stay.
        on_cut: called for each one that is cut.
    """

    def __init__(
        self,
        make: Callable[[], asyncio.Protocol],
        trusted: Trusted,
        deadlines: Deadlines,
        *,
        has_room: Callable[[asyncio.BaseTransport], bool] = lambda _: True,
        on_cut: OnCut = lambda *_: None,
    ) -> None:
        self.make = make
        self.trusted = trusted
        self.deadlines = deadlines
        self._has_room = has_room
        self._on_cut = on_cut
        self._cut: Counter[str] = Counter()
        self._closed = False

    def __call__(self) -> Introduction:
        """A protocol for one new connection."""
        return Introduction(self)

    def admits(self, transport: asyncio.BaseTransport) -> bool:
        """Whether there is room for a connection that was just accepted."""
        return not self._closed and self._has_room(transport)

    def note_cut(self, reason: str, transport: asyncio.BaseTransport) -> None:
        """A connection is cut."""
        self._cut[reason] += 1
        peer = transport.get_extra_info("peername")
        self._on_cut(self._cut.total(), reason, str(peer[0]) if isinstance(peer, tuple) else UNIX)

    def close(self) -> None:
        """Cut all whose header is not complete, and those that are accepted from now on. Nothing of them was read."""
        self._closed = True
        for waiting in list(self.deadlines.members):
            waiting.abort()
        self.deadlines.stop()

    def samples(self) -> Iterable[Sample]:
        """Connections that were cut for want of a header, by the reason."""
        text = "Connections cut because no trusted proxy introduced them, by the reason."
        return counted("proxy_header_cut_total", text, "reason", self._cut)


class Introduction(asyncio.Protocol):
    """A connection until its header is complete.

    Attributes:
        deadline: when a sweep cuts this connection.
    """

    __slots__ = ("_data", "_shared", "_transport", "deadline")

    def __init__(self, shared: Introductions) -> None:
        self._shared = shared
        self._transport: Any = None
        self._data = b""
        self.deadline = shared.deadlines.head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the header of a trusted peer; cut any other peer."""
        self._transport = transport
        shared = self._shared
        if not shared.admits(transport):
            self.abort()
        elif not _is_trusted(transport, shared.trusted):
            self._cut("untrusted")
        else:
            shared.deadlines.add(self)
            self.deadline = shared.deadlines.head

    def data_received(self, data: bytes) -> None:
        """Read the header. HTTP begins behind it."""
        if self._transport is None:
            return
        self._data += data
        try:
            header = read_proxy_header(self._data)
        except ProxyHeaderError:
            self._cut("malformed")
            return
        if header is None:
            return
        transport, rest = self._transport, self._data[header.length :]
        self.connection_lost(None)
        protocol = self._shared.make()
        transport.set_protocol(protocol)
        if header.source is not None:
            transport = Introduced(transport, header.source)
        protocol.connection_made(transport)
        if rest:
            protocol.data_received(rest)

    def expired(self) -> None:
        """The deadline passed."""
        self._cut("late")

    def drain(self) -> None:
        """Nothing is pending here."""
        self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        transport = self._transport
        self.connection_lost(None)
        if transport is not None:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Drop everything."""
        self._shared.deadlines.discard(self)
        self._transport = None
        self._data = b""

    def _cut(self, reason: str) -> None:
        self._shared.note_cut(reason, self._transport)
        self.abort()


class Introduced:
    """A transport whose `peername` is the client that the proxy named.

    `write` is the transport's own method, so that the one call that streams make often costs nothing more.
    """

    __slots__ = ("_peer", "_transport", "write")

    def __init__(self, transport: Any, peer: tuple[str, int]) -> None:
        self._transport = transport
        self._peer = peer
        self.write = transport.write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport, but for `peername`."""
        return self._peer if name == "peername" else self._transport.get_extra_info(name, default)


def _is_trusted(transport: asyncio.BaseTransport, trusted: Trusted) -> bool:
    peer = transport.get_extra_info("peername")
    return (parse_address(str(peer[0])) if isinstance(peer, tuple) else UNIX) in trusted

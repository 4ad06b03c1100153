"""A transport without a socket, for protocols that are fed by hand.

It keeps what it was told and refuses what a real one refuses. `tests/http/front/test_front_sockets.py` runs the same
contract on real sockets, so that this one cannot drift.
"""

from __future__ import annotations

import asyncio
from typing import Any


class FakeTransport:
    """Holds the written bytes; ends when the protocol closes it and the loop has turned, as a real one does."""

    def __init__(self, protocol: Any, *, half_close: bool = True, peer: object = ("192.0.2.7", 4711)) -> None:
        self.protocol = protocol
        self.writes: list[bytes] = []
        self.reading = True
        self.closed = self.aborted = self.eof_written = False
        self._half_close = half_close
        self._peer = peer
        protocol.connection_made(self)

    # -- the protocol's side ----------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        assert not self.closed, "written after close"
        assert not self.eof_written, "written after the end"
        self.writes.append(bytes(data))

    def can_write_eof(self) -> bool:
        return self._half_close

    def write_eof(self) -> None:
        assert self._half_close
        assert not self.eof_written
        self.eof_written = True

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.reading = True

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._peer if name == "peername" else default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            asyncio.get_running_loop().call_soon(self._lost)

    def _lost(self) -> None:
        self.protocol.connection_lost(None)  # the one of that moment: it may have been handed over since

    def abort(self) -> None:
        self.aborted = True
        self.close()

    # -- the test's side --------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """The peer sent `data`."""
        assert self.reading, "data while reading is paused"
        self.protocol.data_received(data)

    def end(self) -> None:
        """The peer half-closed; without its wish to stay open the transport closes."""
        if not self.protocol.eof_received():
            self.close()

    def lose(self) -> None:
        """The peer is gone."""
        self.closed = True
        self.protocol.connection_lost(ConnectionResetError())

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)

    @property
    def ended(self) -> bool:
        """The peer was told that nothing more comes."""
        return self.closed or self.eof_written

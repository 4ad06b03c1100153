"""Pieces of pages, compressed once for all gzip streams that come for the same.

After a restart of a node or a proxy many clients come back at once, and most show the same cursor. Their pages are the same
bytes. So the blocks that were made last are kept for a while, by the bytes that they were made of.
"""

from __future__ import annotations

from collections import OrderedDict

from fast_sse.hub.form import Form
from fast_sse.model.deflate import block
from fast_sse.model.limits import MIB

#: Memory that kept blocks take, with the bytes they were made of.
BYTES_MAX = 2 * MIB


class PageBlocks:
    """The blocks of one node that were used last.

    Attributes:
        made: blocks that were compressed since the start.
    """

    __slots__ = ("_bytes", "_bytes_max", "_kept", "made")

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self.made = 0
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()

    def piece(self, form: Form, data: bytes) -> bytes:
        """`form.piece(data)`, some frames for one stream as it is written them."""
        if form.body != "gzip" or not data:
            return form.piece(data)
        return form.framed(self._block(data))

    def forget(self) -> None:
        """Keep nothing of what was made: a channel is erased, and its messages may be in any of it."""
        self._kept.clear()
        self._bytes = 0

    def _block(self, data: bytes) -> bytes:
        found = self._kept.get(data)
        if found is not None:
            self._kept.move_to_end(data)
            return found
        self.made += 1
        found = self._kept[data] = block(data)
        self._bytes += len(data) + len(found)
        while self._bytes > self._bytes_max:
            old, made = self._kept.popitem(last=False)
            self._bytes -= len(old) + len(made)
        return found

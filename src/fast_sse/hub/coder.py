"""How a live set of gzip streams is compressed: once for all members, at most twice (docs/adr/020).

Every flush becomes a block that stands for itself, so that a member may join at any flush. A set that has members enough
runs an epoch, too: a compressor whose window lives across flushes, which makes small messages four times smaller. Members
that were there when the epoch began are in step with it and get its blocks. Whoever joins later gets the blocks that
stand for themselves until the next epoch, when all are in step again.

A member in step is written nothing but the blocks of its epoch. Whatever is its own alone (a gap, a page, last words) is
written when it is not a member, and its heartbeat is that of the whole epoch.

Two publishers who share a window could guess each other's text by its size (BREACH, CWE-310). So epochs are for sets of one
exact channel, and `compression_epochs = false` turns them off where one channel has several publishers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from fast_sse.hub.form import Form
from fast_sse.hub.lane import Lane
from fast_sse.hub.page_blocks import PageBlocks
from fast_sse.model.channel import Filter
from fast_sse.model.deflate import SMALL_BYTES, Window, block
from fast_sse.model.frame import HEARTBEAT
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Sample, counted

#: Share of `heartbeat_s` after which an epoch beats, at the next visit to any of its members.
_BEAT_SHARE = 0.75


class Compression:
    """What the gzip streams of a node share: the bound for epochs, blocks of pages, and counts.

    Attributes:
        pages: the blocks of those that catch up.
        running: epochs that have a compressor now.
        blocks: made since the start, by what they are: `independent` or `epoch`.
        plain_bytes, sent_bytes: of shared blocks, times the sockets that took them: before and after.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pages = PageBlocks()
        self.running = 0
        self.blocks: Counter[str] = Counter()
        self.plain_bytes = self.sent_bytes = 0

    def coder(self, wanted: Filter, form: Form) -> Coder | None:
        """What compresses a live set; None for one that is not gzip."""
        return Coder(self, form, epochs=_may_share(wanted, form)) if form.body == "gzip" else None

    def samples(self) -> Iterator[Sample]:
        """What was compressed, and what that saved."""
        text = (
            "Blocks that were compressed: for all members of a live set, or a page for all who come for it."
        )
        yield from counted("compressions_total", text, "kind", {**self.blocks, "page": self.pages.made})
        yield Sample("compression_epochs", "gauge", "Live sets that share a window now.", self.running)
        text = "Bytes of shared blocks times sockets, before compression."
        yield Sample("compression_plain_bytes_total", "counter", text, self.plain_bytes)
        text = "Bytes of shared blocks times sockets, as sent."
        yield Sample("compression_sent_bytes_total", "counter", text, self.sent_bytes)


def _may_share(wanted: Filter, form: Form) -> bool:
    """Whether all that a set carries is one publisher's, and its heartbeats the same for all."""
    return len(wanted.patterns) == 1 and not wanted.addressed and form.heartbeat == "comment"


class Coder:
    """Compresses what one live set is written. It changes who of the lane is in step, and nobody else does."""

    __slots__ = ("_beaten_s", "_compression", "_ends_s", "_epochs", "_flushes_left", "_form", "_window")

    def __init__(self, compression: Compression, form: Form, *, epochs: bool) -> None:
        self._compression = compression
        self._form = form
        self._epochs = epochs
        self._window: Window | None = None
        self._flushes_left = 0
        self._ends_s = self._beaten_s = 0.0

    def write(self, data: bytes, lane: Lane, now_s: float) -> int:
        """Write frames to all members; how many sockets took them."""
        members = len(lane.members)
        if not members:
            return 0
        self._choose(len(data), members, lane, now_s)
        took = 0
        if self._window is not None:
            took = self._hand("epoch", self._window.block(data), len(data), lane.write_in_step)
        if lane.in_step < members:
            took += self._hand("independent", block(data), len(data), lane.write_out_of_step)
        return took

    def beat(self, lane: Lane, now_s: float) -> bool:
        """A visit to a member in step: the heartbeat of all of them, unless one was not long ago.

        False when the epoch has ended meanwhile, so that each member has a heartbeat of its own again.
        """
        if self._window is None or now_s >= self._ends_s:
            self.end(lane)
            return False
        if now_s - self._beaten_s >= _BEAT_SHARE * self._compression.limits.heartbeat_s:
            self._beaten_s = now_s
            lane.write_in_step(self._form.framed(self._window.block(HEARTBEAT)))
        return True

    def end(self, lane: Lane) -> None:
        """End the epoch, if there is one; nobody is in step."""
        if self._window is not None:
            self._window = None
            self._compression.running -= 1
        lane.in_step = 0

    def _choose(self, size: int, members: int, lane: Lane, now_s: float) -> None:
        """Begin, go on with, or end the epoch before something of `size` bytes is written.

        What is large gains nothing from a window. It is renewed early when more members wait for the next one than use it.
        """
        limits = self._compression.limits
        worth = self._epochs and members >= limits.epoch_members_min and size <= SMALL_BYTES
        old = self._flushes_left <= 0 or now_s >= self._ends_s or 2 * lane.in_step < members
        if self._window is not None and (old or not worth):
            self.end(lane)
        if worth and self._window is None and self._compression.running < limits.epoch_sets_max:
            self._window = Window()
            self._compression.running += 1
            self._flushes_left = limits.epoch_flushes_max
            self._ends_s = now_s + limits.epoch_s_max
            self._beaten_s = now_s
            lane.in_step = members
        self._flushes_left -= 1

    def _hand(self, kind: str, made: bytes, size: int, write: Callable[[bytes], int]) -> int:
        """Write a block made of `size` bytes; how many sockets took it."""
        took = write(self._form.framed(made))
        compression = self._compression
        compression.blocks[kind] += 1
        compression.plain_bytes += size * took
        compression.sent_bytes += len(made) * took
        return took

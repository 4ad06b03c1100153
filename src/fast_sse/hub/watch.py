"""What operators see of streams and channels, made when they ask.

A hub with 100,000 streams must not stand still because somebody looks at it. So a look goes over the streams in slices, lets
the loop go on between two, and is the only one at a time. Whoever asks the same again gets the same answer, for a second
or for twenty times as long as it took to make: looking costs a twentieth of a core at most. A stream gets its id when it is
shown first; most never are.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from heapq import heappush, heappushpop, nlargest
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary

import msgspec

from fast_sse.hub.busy import BusyChannels, Rates
from fast_sse.hub.ground import Ground
from fast_sse.hub.live_set import LiveSet
from fast_sse.hub.outgoing import ENDED, LIVE, PAUSED, State
from fast_sse.hub.subscriber import Subscriber
from fast_sse.model.channel import Channel
from fast_sse.model.cursor import KINDS, Cursor

Order = Literal["slow", "lagging", "oldest"]
Top = Literal["rate", "subscribers"]
T = TypeVar("T")

#: Streams, or channels, of one slice.
_SLICE = 1000
#: Channels that streams ask for and that are told apart; of more, those that were met first.
NAMED_MAX = 200_000
#: Channels of a stream that are shown.
SHOWN_MAX = 8
#: How long an answer stays, at least, and in times of what it took.
_STAYS_S = 1.0
_STAYS_TIMES = 20
#: Answers that stay at once.
_ANSWERS_MAX = 32


class StreamSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One stream.

    Attributes:
        id: names it on this node.
        channels: the first of those it asks for, of `channels_count`.
        address: of its connection; a proxy's, where there is one.
        right: what it was granted by, as it was given to the hub.
        age_s: since it began.
        queued_bytes: written and not taken by the kernel.
        stands_s: since its peer took the last byte; None while nothing waits.
        behind: positions of the log between it and this node; None where they do not count messages, or it has none yet.
        cursor: where its client stands.
    """

    id: str
    state: State
    channels: Sequence[Channel]
    channels_count: int
    address: str
    right: object
    age_s: float
    queued_bytes: int
    stands_s: float | None
    behind: int | None
    cursor: Cursor | None


class StreamsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Some streams, the most telling first; `more`: there are others like them. `states` counts all streams of the node."""

    items: Sequence[StreamSeen]
    more: bool
    states: dict[State, int]


class ChannelSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One channel, or a pattern that streams ask for.

    Attributes:
        per_s: messages a second; None for one that is not among the busy ones.
        subscribers: streams that ask for exactly this.
        listening: level streams that get what is published to it; None for a pattern.
    """

    channel: Channel
    per_s: float | None
    subscribers: int
    listening: int | None


class ChannelsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Some channels. `error`: each rate is too low by at most that. `counted`: channels that have a rate."""

    items: Sequence[ChannelSeen]
    more: bool
    error: float
    counted: int
    streams: int


class Watch:
    """Looks at one node. `mark`: of this process, for the ids of streams."""

    def __init__(self, ground: Ground, busy: BusyChannels, mark: str) -> None:
        self._ground = ground
        self._busy = busy
        self._mark = mark
        self._looking = asyncio.Lock()
        self._answers: dict[Hashable, tuple[float, Any]] = {}
        self._numbers: WeakKeyDictionary[Subscriber, int] = WeakKeyDictionary()
        self._shown: WeakValueDictionary[int, Subscriber] = WeakValueDictionary()
        self._last = 0

    # -- streams ------------------------------------------------------------------------------------

    async def streams(self, order: Order, wanted: Channel | None, count: int) -> StreamsSeen:
        """Streams that are slow, behind the log, or old; of those that get what is published to `wanted`, or ask for it."""
        return await self._once((order, wanted, count), lambda: self._streams(order, wanted, count))

    def end(self, stream_id: str) -> bool:
        """Tell a stream's client to come back; False when there is no such stream."""
        mark, _, number = stream_id.rpartition("-")
        known = mark == self._mark and number.isascii() and number.isdigit() and len(number) < len(self._mark)
        found = self._shown.get(int(number)) if known else None
        if found is None or found.state == ENDED:
            return False
        found.retire("operator")
        return True

    async def _streams(self, order: Order, wanted: Channel | None, count: int) -> StreamsSeen:
        states = dict.fromkeys(State, 0)
        best: list[tuple[float, int, Subscriber]] = []
        found = 0
        async for number, stream in self._each():
            states[stream.state] += 1
            if stream.state == ENDED or (wanted is not None and not _asks(stream, wanted)):
                continue
            rank = self._rank(order, stream)
            if rank is None:
                continue
            found += 1
            if len(best) < count:
                heappush(best, (rank, -number, stream))
            else:
                heappushpop(best, (rank, -number, stream))
        items = [self._seen(stream) for _, _, stream in sorted(best, reverse=True)]
        return StreamsSeen(items=items, more=found > count, states=states)

    def _rank(self, order: Order, stream: Subscriber) -> float | None:
        """How far in front of the others a stream comes; None for one that is not meant."""
        if order == "oldest":
            return -stream.opened_s
        if order == "slow":
            queued = _queued(stream)
            return queued if queued or stream.state == PAUSED else None
        behind = None if stream.state == LIVE else self._behind(stream.standing)
        return behind or None

    def _behind(self, standing: Cursor | None) -> int | None:
        level = self._ground.fanout.level
        if standing is None or (standing.kind, standing.epoch) != (level.kind, level.epoch):
            return None
        return max(0, level.position - standing.position)

    def _seen(self, stream: Subscriber) -> StreamSeen:
        now_s, standing, patterns = self._ground.clock(), stream.standing, stream.filter.patterns
        behind = self._behind(standing)
        peer = stream.transport.get_extra_info("peername")
        return StreamSeen(
            id=self._id(stream),
            state=stream.state,
            channels=patterns[:SHOWN_MAX],
            channels_count=len(patterns),
            address=str(peer[0]) if isinstance(peer, tuple) else "",
            right=stream.right,
            age_s=now_s - stream.opened_s,
            queued_bytes=_queued(stream),
            stands_s=None if stream.mark is None else now_s - stream.since_s,
            behind=behind if standing is not None and KINDS[standing.kind].counts else None,
            cursor=standing,
        )

    def _id(self, stream: Subscriber) -> str:
        number = self._numbers.get(stream)
        if number is None:
            self._last = number = self._last + 1
            self._numbers[stream] = number
            self._shown[number] = stream
        return f"{self._mark}-{number}"

    # -- channels -----------------------------------------------------------------------------------

    async def channels(self, top: Top, search: str, count: int) -> ChannelsSeen:
        """The busiest channels, or those that most streams ask for; of those whose `id/type` holds `search`, in any case."""
        return await self._once((top, search, count), lambda: self._channels(top, search.casefold(), count))

    async def _channels(self, top: Top, search: str, count: int) -> ChannelsSeen:
        asked = await self._asked()
        rates = self._busy.rates()
        known = list({**rates.per_s, **asked})
        best: list[Channel] = []
        found = 0
        for first in range(0, len(known), _SLICE):
            some = known[first : first + _SLICE]
            if search:
                some = [one for one in some if search in f"{one.event_id}/{one.event_type}".casefold()]
            found += len(some)
            best = nlargest(count, [*best, *some], key=_order(top, rates, asked))
            await asyncio.sleep(0)
        return ChannelsSeen(
            items=[
                ChannelSeen(
                    channel=one,
                    per_s=rates.per_s.get(one),
                    subscribers=asked[one],
                    listening=None if one.is_wildcard else self._listening(one),
                )
                for one in best
            ],
            more=found > count,
            error=rates.error,
            counted=len(rates.per_s),
            streams=self._ground.open_count,
        )

    async def _asked(self) -> Counter[Channel]:
        """How many streams ask for each channel or pattern."""
        asked: Counter[Channel] = Counter()
        async for _, stream in self._each():
            if stream.state != ENDED:
                for pattern in stream.filter.patterns:
                    if pattern in asked or len(asked) < NAMED_MAX:
                        asked[pattern] += 1
        return asked

    def _listening(self, channel: Channel) -> int:
        reached: dict[int, LiveSet] = {id(one): one for one in self._ground.fanout.index.matching(channel)}
        return sum(len(one.members) for one in reached.values())

    # -- looking ------------------------------------------------------------------------------------

    async def _each(self) -> AsyncIterator[tuple[int, Subscriber]]:
        for number, stream in enumerate(self._ground.wheel):
            yield number, stream
            if not (number + 1) % _SLICE:
                await asyncio.sleep(0)

    async def _once(self, question: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        clock, answers = self._ground.clock, self._answers
        async with self._looking:
            began_s = clock()
            if (stays := answers.get(question)) is not None and began_s < stays[0]:
                known: T = stays[1]
                return known
            made = await make()
            ended_s = clock()
            answers.pop(question, None)
            if len(answers) >= _ANSWERS_MAX:
                answers.pop(next(iter(answers)))
            answers[question] = (ended_s + max(_STAYS_S, _STAYS_TIMES * (ended_s - began_s)), made)
            return made


def _queued(stream: Subscriber) -> int:
    queued: int = stream.transport.get_write_buffer_size()
    return queued


def _asks(stream: Subscriber, wanted: Channel) -> bool:
    return wanted in stream.filter.patterns or (not wanted.is_wildcard and stream.filter.matches(wanted))


def _order(top: Top, rates: Rates, asked: Counter[Channel]) -> Callable[[Channel], tuple[float, float]]:
    def by_rate(channel: Channel) -> tuple[float, float]:
        return rates.per_s.get(channel, 0.0), asked[channel]

    def by_subscribers(channel: Channel) -> tuple[float, float]:
        return asked[channel], rates.per_s.get(channel, 0.0)

    return by_rate if top == "rate" else by_subscribers

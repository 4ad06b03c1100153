"""A desk over a memory store whose letters a test can take away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from fast_sse.hub.letters import LetterDesk
from fast_sse.hub.replays import ReplayDrafts
from fast_sse.ingest.poison import imported, reread
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Position
from fast_sse.model.errors import FastSseError, ForbiddenError, UnavailableError
from fast_sse.model.letter import Letter, Poison, Reason, Source, lineage_of
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft, PublishBody, Record, draft
from fast_sse.observe.observer import Fact
from fast_sse.store.base import Appended, Outcome, Windows
from fast_sse.store.letters import DUE_MAX, Begun, Due, LetterPage, Letters, Settled, Turn, Wanted
from fast_sse.store.memory.store import MemoryStore

CART = Channel("cart1", "changed")
FORBIDDEN = Channel("forbidden", "t")
ALL = Filter.of(Channel("*", "*"))
WEEK_S = 604_800.0


class UnsteadyLetters(Letters):
    """Letters of a store that a test can take away.

    Attributes:
        away: the calls that fail.
        short: letters that a page looks at, at most, whatever was asked for, so that pages are short, as those of Redis
            may be; 0 for no such bound.
    """

    shared = False

    def __init__(self, inner: Letters) -> None:
        self.inner = inner
        self.away: set[str] = set()
        self.short = 0

    def _ask(self, call: str) -> Letters:
        if call in self.away:
            raise UnavailableError("the store is away")
        return self.inner

    async def list(self, wanted: Wanted, after: str, count: int) -> LetterPage:
        """One page."""
        inner = self._ask("list")
        if not self.short:
            return await inner.list(wanted, after, count)
        page = await inner.list(Wanted(newest_first=wanted.newest_first), after, min(count, self.short))
        return msgspec.structs.replace(page, items=[head for head in page.items if _matches(head, wanted)])

    async def get(self, letter_id: str) -> Letter | None:
        """One, whole."""
        return await self._ask("get").get(letter_id)

    async def drop(self, ids: Sequence[str]) -> int:
        """Remove them."""
        return await self._ask("drop").drop(ids)

    async def erase(self, target: Channel) -> int:
        """Remove those of a channel."""
        return await self._ask("erase").erase(target)

    async def begin(self, node: str, start: str) -> Begun:
        """A process begins."""
        return await self._ask("begin").begin(node, start)

    async def settle(self, turn: Turn) -> Settled:
        """One turn."""
        return await self._ask("settle").settle(turn)

    async def keep(self, poison: Poison) -> bool:
        """What is no message."""
        return await self._ask("keep").keep(poison)


def _matches(head: Letter, wanted: Wanted) -> bool:
    event_id, event_type = head.channel or (None, None)
    return (
        wanted.reason in (None, head.reason)
        and wanted.event_id in (None, event_id)
        and wanted.event_type in (None, event_type)
        and (wanted.after_ms is None or head.dead_ms >= wanted.after_ms)
        and (wanted.before_ms is None or head.dead_ms < wanted.before_ms)
    )


def letter_of(record: Record, letter_id: str, reason: Reason = "no_subscriber") -> Letter:
    """The letter of a record that was handed to nobody."""
    lineage = lineage_of(record)
    return Letter(
        id=letter_id,
        position=record.position,
        channel=record.channel,
        reason=reason,
        description="nobody was handed it within 30 s",
        published_ms=record.time_ms,
        dead_ms=record.time_ms + 30_000,
        first_ms=lineage.first_ms or record.time_ms,
        attempts=lineage.attempts,
        original=lineage.original or letter_id,
        maybe_delivered=False,
        node="n1",
        size_bytes=len(record.data) + len(record.headers),
        record=record,
    )


class DeskRig:
    """A desk.

    Attributes:
        letters: what it looks at.
        facts: what it notified.
        refusals: what the next publishes are answered with, by the number of the draft; before the store is asked.
        now_ms: the store's time.
    """

    def __init__(self, windows: Windows) -> None:
        self.store = store = MemoryStore(windows=windows, now_ms=lambda: self.now_ms)
        self.letters = UnsteadyLetters(store.letters)
        self.now_ms = 1_000_000
        self._turns = 0
        self.facts: list[Fact] = []
        self.refusals: dict[int, FastSseError] = {}
        self.limits = Limits()
        self.desk = self.new_desk()

    def new_desk(self) -> LetterDesk:
        """The desk of another node, or of the next process."""

        def parse(letter: Letter) -> tuple[Channel, PublishBody]:
            return reread(letter, self.limits)

        def judge(source: Source, raw: bytes) -> Poison:
            return imported(source, raw, self.limits, "n1")

        drafts = ReplayDrafts(check, parse, WEEK_S, lambda: 0.0)
        return LetterDesk(self.letters, self.publish, self, drafts, judge, lambda: 5)

    def notify(self, fact: Fact) -> None:
        """Remember it."""
        self.facts.append(fact)

    async def publish(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Into the store, but for what a test refuses."""
        outcomes: list[Outcome] = []
        for number, made in enumerate(drafts):
            if (error := self.refusals.get(number)) is not None:
                outcomes.append(error)
            else:
                outcomes += await self.store.append([made])
        return outcomes

    async def die(self, count: int = 1, channel: Channel = CART, **body: Any) -> list[str]:
        """Publish messages, each of which is a letter at once; their ids."""
        return [await self.bury(await self.waits(channel, number, **body)) for number in range(count)]

    async def die_many(self, count: int) -> list[str]:
        """The same in few steps."""
        body = PublishBody(data=msgspec.Raw(b"1"))
        made = draft(CART, body, send_time="2026-01-01 00:00:00.000")
        stored = [
            outcome for outcome in await self.store.append([made] * count) if isinstance(outcome, Appended)
        ]
        for at in range(0, count, DUE_MAX):
            part = [Due(outcome.cursor.position) for outcome in stored[at : at + DUE_MAX]]
            assert len((await self._tell(part[-1].position, due=part)).dead) == len(part)
        return [outcome.cursor.text for outcome in stored]

    async def waits(self, channel: Channel, number: int = 0, **body: Any) -> Position:
        """Publish a message that is handed to nobody; its place."""
        fields = {"data": msgspec.Raw(json.dumps(number).encode()), **body}
        made = draft(channel, PublishBody(**fields), send_time="2026-01-01 00:00:00.000")
        (outcome,) = await self.store.append([made])
        assert isinstance(outcome, Appended)
        return outcome.cursor.position

    async def bury(self, position: Position) -> str:
        """A message of the log becomes a letter, because it was handed to nobody; its id."""
        assert await self.decide(position) == [position]
        (newest,) = (await self.store.letters.list(Wanted(), "", 1)).items
        assert newest.position == position
        return newest.id

    async def decide(self, position: Position) -> list[Position]:
        """A message is due; what became a letter."""
        settled = await self._tell(position, due=[Due(position)])
        return [dead[0] for dead in settled.dead]

    async def late(self, letter_id: str) -> None:
        """The message of a letter is handed over after all."""
        assert (await self._tell(0, late=[letter_id])).late == 1

    async def _tell(self, through: int, **what: Any) -> Settled:
        self._turns += 1
        turn = Turn(
            node="n1",
            start="a",
            number=self._turns,
            every_ms=1000,
            grace_s=30.0,
            through=through,
            decided=None,
            seen="",
            **what,
        )
        return await self.store.letters.settle(turn)

    async def keep(self, raw: bytes, channel: Channel | None = None) -> str:
        """What is no message becomes a letter; its id."""
        source = Source("redis_stream", "q", "1-0")
        poison = Poison(source=source, raw=raw, description="data is missing", channel=channel, node="n1")
        assert await self.store.letters.keep(poison)
        return poison.id

    async def ids(self) -> list[str]:
        """Of all letters, the oldest first."""
        return [
            head.id for head in (await self.store.letters.list(Wanted(newest_first=False), "", 1000)).items
        ]

    async def log(self) -> list[Record]:
        """All messages."""
        bounds = await self.store.bounds()
        return (await self.store.read(ALL, bounds.trimmed, 10_000, 1 << 24)).records


def check(channel: Channel) -> None:
    """An allow-list that lacks one channel."""
    if channel == FORBIDDEN:
        raise ForbiddenError("this channel is not allowed here")


@asynccontextmanager
async def desk_rig(windows: Windows | None = None) -> AsyncIterator[DeskRig]:
    """A desk over an empty log."""
    rig = DeskRig(windows or Windows())
    await rig.store.open()
    await rig.store.letters.begin("n1", "a")
    try:
        yield rig
    finally:
        await rig.store.close()

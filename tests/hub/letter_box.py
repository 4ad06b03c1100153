"""Letters in a dict, which a test can take away, and a desk over them whose publishes go to a memory store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from fast_sse.hub.letters import LetterDesk
from fast_sse.hub.replays import ReplayDrafts
from fast_sse.ingest.package import reread
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.errors import BadRequestError, FastSseError, ForbiddenError, UnavailableError
from fast_sse.model.letter import Letter, Poison, Reason, lineage_of
from fast_sse.model.limits import Limits
from fast_sse.model.message import Draft, PublishBody, Record, draft
from fast_sse.observe.observer import Fact
from fast_sse.store.base import Appended, Outcome, Windows
from fast_sse.store.letters import Begun, LetterPage, Letters, Settled, Turn, Wanted
from fast_sse.store.memory.store import MemoryStore

CART = Channel("cart1", "changed")
FORBIDDEN = Channel("forbidden", "t")
ALL = Filter.of(Channel("*", "*"))
WEEK_S = 604_800.0


class BoxedLetters(Letters):
    """All that the desk asks of letters, in the order of the contract.

    Attributes:
        held: by id.
        away: the calls that fail; `page_max` what a page holds at most, however many were asked for.
    """

    shared = False

    def __init__(self) -> None:
        self.held: dict[str, Letter] = {}
        self.away: set[str] = set()
        self.page_max = 1000

    def _ask(self, call: str) -> None:
        if call in self.away:
            raise UnavailableError("the store is away")

    async def list(self, wanted: Wanted, after: str, count: int) -> LetterPage:
        """One page; a cursor is `position/id` of its last letter."""
        self._ask("list")
        try:
            position, _, letter_id = after.partition("/")
            place = (int(position), letter_id) if after else None
        except ValueError as error:
            raise BadRequestError("the cursor is none") from error
        letters = sorted(
            self.held.values(), key=lambda head: (head.position, head.id), reverse=wanted.newest_first
        )
        if place is not None:
            letters = [
                head
                for head in letters
                if (
                    (head.position, head.id) < place
                    if wanted.newest_first
                    else (head.position, head.id) > place
                )
            ]
        seen = letters[: min(count, self.page_max)]
        items = [
            msgspec.structs.replace(head, record=None, raw=None) for head in seen if _matches(head, wanted)
        ]
        more = len(letters) > len(seen)
        return LetterPage(
            items=items, next=f"{seen[-1].position}/{seen[-1].id}" if more else None, total=len(self.held)
        )

    async def get(self, letter_id: str) -> Letter | None:
        """One, whole."""
        self._ask("get")
        return self.held.get(letter_id)

    async def drop(self, ids: Sequence[str]) -> int:
        """Remove them."""
        self._ask("drop")
        return sum(self.held.pop(letter_id, None) is not None for letter_id in ids)

    async def erase(self, target: Channel) -> int:
        """Remove those of a channel."""
        self._ask("erase")
        return await self.drop([head.id for head in self.held.values() if head.channel == target])

    async def begin(self, node: str, start: str) -> Begun:
        """The desk never begins."""
        raise NotImplementedError

    async def settle(self, turn: Turn) -> Settled:
        """The desk decides nothing."""
        raise NotImplementedError

    async def keep(self, poison: Poison) -> bool:
        """The desk keeps nothing."""
        raise NotImplementedError


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

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.letters = BoxedLetters()
        self.facts: list[Fact] = []
        self.refusals: dict[int, FastSseError] = {}
        self.limits = Limits()
        self.desk = self.new_desk()

    def new_desk(self) -> LetterDesk:
        """The desk of another node, or of the next process."""

        def parse(letter: Letter) -> tuple[Channel, PublishBody]:
            return reread(letter, self.limits)

        drafts = ReplayDrafts(check, parse, WEEK_S, lambda: 0.0)
        return LetterDesk(self.letters, self.publish, self, drafts, lambda: 5)

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
        ids = []
        for number in range(count):
            fields = {"data": msgspec.Raw(json.dumps(number).encode()), **body}
            made = draft(channel, PublishBody(**fields), send_time="2026-01-01 00:00:00.000")
            (outcome,) = await self.store.append([made])
            assert isinstance(outcome, Appended)
            ids.append(await self.bury(outcome.cursor.text, outcome.cursor.position))
        return ids

    async def bury(self, letter_id: str, position: int) -> str:
        """A message of the log becomes a letter."""
        record = await self.store.get(position)
        assert record is not None
        self.letters.held[letter_id] = letter_of(record, letter_id)
        return letter_id

    async def log(self) -> list[Record]:
        """All messages."""
        bounds = await self.store.bounds()
        return (await self.store.read(ALL, bounds.trimmed, 10_000, 1 << 24)).records


def check(channel: Channel) -> None:
    """An allow-list that lacks one channel."""
    if channel == FORBIDDEN:
        raise ForbiddenError("this channel is not allowed here")


@asynccontextmanager
async def desk_rig(
    now_ms: Callable[[], int] = lambda: 1_000_000, windows: Windows | None = None
) -> AsyncIterator[DeskRig]:
    """A desk over an empty log."""
    store = MemoryStore(windows=windows or Windows(), now_ms=now_ms)
    await store.open()
    yield DeskRig(store)
    await store.close()

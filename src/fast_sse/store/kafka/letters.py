"""The dead letters of the Kafka store: whatever changes them is an entry of the topic, and is answered when it was read back.

So a turn is decided at one place of the topic, by what is before it, on every node alike (ADR 10). Lists and letters are read
from this node's view. A letter lives no longer than its message, or, of poison, its entry, in the topic.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import parse_cursor
from fast_sse.model.errors import FastSseError, NotStoredError, TooLargeError, UnknownOutcomeError
from fast_sse.model.letter import RAW_BYTES_MAX, Letter, Poison
from fast_sse.model.message import Draft
from fast_sse.store.base import Outcome
from fast_sse.store.kafka.controls import begin_entry, drop_entry, erase_entry, poison_entry, turn_entry
from fast_sse.store.kafka.letter_fold import LetterAnswer
from fast_sse.store.kafka.readers import DamagedError
from fast_sse.store.kafka.settings import ENTRY_OVERHEAD_BYTES
from fast_sse.store.letters import Begun, LetterPage, Letters, Settled, Turn, Wanted
from fast_sse.store.rows.letter_pages import letter_of, letter_page
from fast_sse.store.rows.log import SqliteLog

#: Appends drafts to the topic.
Append = Callable[[Sequence[Draft]], Awaitable[list[Outcome]]]
#: Runs something in one snapshot of the view.
Read = Callable[[Callable[[SqliteLog], Any]], Awaitable[Any]]


class KafkaLetters(Letters):
    """Over one store, which opens and closes it."""

    shared = True

    def __init__(self, append: Append, read: Read, bytes_max: Callable[[], int]) -> None:
        """`bytes_max`: the largest batch that the topic takes."""
        self._append = append
        self._read = read
        self._bytes_max = bytes_max

    # -- entries of the topic -----------------------------------------------------------------------

    async def begin(self, node: str, start: str) -> Begun:
        """Answered when the entry was read back, as all that writes."""
        epoch, first = await self._read(_beginning)
        return cast(Begun, await self._told(begin_entry(epoch, node, start, first=first)))

    async def settle(self, turn: Turn) -> Settled:
        """At the place of its entry; sent again it is another entry, which changes nothing.

        Raises:
            NotStoredError: also where the topic was deleted and made again since the process began: it has to begin again.
        """
        epoch, _ = await self._read(_beginning)
        seen = parse_cursor(turn.seen)
        if seen is not None and seen.epoch != epoch:
            raise NotStoredError("the topic was deleted and made again")
        return cast(Settled, await self._told(turn_entry(epoch, turn)))

    async def keep(self, poison: Poison) -> bool:
        """What this node's view has already is not sent; of a large one so many bytes go as the topic takes."""
        if (await self._read(lambda log: letter_of(log.connection, poison.id)))[0] is not None:
            return False
        room = (self._bytes_max() - ENTRY_OVERHEAD_BYTES) * 3 // 4  # base64
        return cast(bool, await self._told(poison_entry(poison, min(RAW_BYTES_MAX, max(0, room)))))

    async def drop(self, ids: Sequence[str]) -> int:
        """On every node."""
        return cast(int, await self._told(drop_entry(ids)))

    async def erase(self, target: Channel) -> int:
        """On every node; the bytes stay in the topic until retention takes them, as those of messages do."""
        return cast(int, await self._told(erase_entry(target)))

    async def _told(self, draft: Draft) -> object:
        """What an entry came to."""
        (outcome,) = await self._append([draft])
        if isinstance(outcome, LetterAnswer):
            return outcome.answer
        if isinstance(outcome, TooLargeError):
            raise NotStoredError("the topic's max.message.bytes is too small for what dead letters say")
        raise (
            outcome
            if isinstance(outcome, FastSseError)
            else UnknownOutcomeError("the log did not say whether it was done")
        )

    # -- the view -----------------------------------------------------------------------------------

    async def list(self, wanted: Wanted, after: str, count: int) -> LetterPage:
        """A page of the view."""
        return cast(
            LetterPage, await self._read(lambda log: letter_page(log.connection, wanted, after, count))
        )

    async def get(self, letter_id: str) -> Letter | None:
        """A letter of the view; of a damaged one the view is made again."""
        return cast(Letter | None, await self._read(lambda log: _letter(log, letter_id)))


def _beginning(log: SqliteLog) -> tuple[str, bool]:
    """The epoch of the view, and whether no process ever began in it."""
    epoch = log.epoch()
    (known,) = log.connection.execute("SELECT epoch FROM post").fetchone()
    return epoch, known != epoch


def _letter(log: SqliteLog, letter_id: str) -> Letter | None:
    found, damaged = letter_of(log.connection, letter_id)
    if damaged:
        raise DamagedError("the view of the log is damaged")
    return found

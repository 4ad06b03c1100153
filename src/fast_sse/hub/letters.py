"""What operators do with dead letters: list, show, replay, purge, and take over those of another hub.

A replay publishes first and drops the letter then. A crash in between leaves the letter, and the next replay of it is the
same message: every replay has a key that is made of the letter's id, and that outlives the letter. Nothing is replayed by
itself, and nothing is replayed twice by one run: the first call of a run over many fixes its end, the newest letter of that
moment, so that what dies again meanwhile is left alone.

A run is driven by its caller, call by call; the hub keeps no task. Its place is in the cursor that each answer carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec

from fast_sse.hub.letter_run import BEGINNING, Run, chunks, place_of, run_of
from fast_sse.hub.replays import ReplayDrafts
from fast_sse.model.channel import Channel
from fast_sse.model.errors import (
    BadRequestError,
    FastSseError,
    NotFoundError,
    UnavailableError,
    UnknownOutcomeError,
)
from fast_sse.model.letter import Letter, Poison, Source
from fast_sse.model.message import Draft
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import LettersImported, LettersPurged, LettersReplayed, Observer
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.letters import PAGE_MAX, LetterPage, Letters, Wanted

Publish = Callable[[Sequence[Draft]], Awaitable[list[Outcome]]]
#: What a letter of another hub is here, by where it stood and its bytes.
Judge = Callable[[Source, bytes], Poison]
#: Letters of another hub that are given to the store at once.
_KEPT_AT_ONCE = 16
#: Letters that are read at once for their replays: most of the time goes by in waiting for the store.
_READ_AT_ONCE = 32
_Heads = list[Letter]
_Outcomes = list[Outcome]


class Replayed(msgspec.Struct, frozen=True):
    """A letter that is a message again. `duplicate`: an earlier replay of it had published the message."""

    id: str
    message_id: str
    duplicate: bool


class Failure(msgspec.Struct, frozen=True):
    """A letter that could not be published as it is; it stays. `code` and `message` are those of a publish."""

    id: str
    code: str
    message: str


class ReplayedMany(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a run. `gone`: letters that were removed meanwhile; `next`: where the run goes on, None at its end."""

    replayed: int
    failed: Sequence[Failure]
    gone: int
    next: str | None


class Purged(msgspec.Struct, frozen=True):
    """One call of a purge; `next` as in ReplayedMany."""

    purged: int
    next: str | None


class LetterDesk:
    """The dead letters of a hub, for operators.

    Args:
        letters: the store's.
        publish: the hub's.
        observer: gets a fact for each replay and each purge.
        drafts: makes the drafts of replays.
        judge: of what another hub left.
        waiting: how many messages wait on this node for a hand-over or a decision.
    """

    def __init__(
        self,
        letters: Letters,
        publish: Publish,
        observer: Observer,
        drafts: ReplayDrafts,
        judge: Judge,
        waiting: Callable[[], int],
    ) -> None:
        self._letters = letters
        self._publish = publish
        self._observer = observer
        self._drafts = drafts
        self._judge = judge
        self._waiting = waiting
        self._replayed = self._purged = 0

    @property
    def waiting(self) -> int:
        """Messages that wait on this node for a hand-over or a decision."""
        return self._waiting()

    def samples(self) -> Iterator[Sample]:
        """What operators did, in numbers."""
        text = "Dead letters that were published again."
        yield Sample("dead_letters_replayed_total", "counter", text, self._replayed)
        text = "Dead letters that were purged."
        yield Sample("dead_letters_purged_total", "counter", text, self._purged)

    # -- look ---------------------------------------------------------------------------------------

    async def list(self, wanted: Wanted, limit: int = 100, cursor: str = "") -> LetterPage:
        """Heads in order. Raises BadRequestError for a cursor that is none, UnavailableError."""
        return await self._letters.list(wanted, cursor, _checked(limit))

    async def show(self, letter_id: str) -> Letter:
        """One letter, whole. Raises NotFoundError, UnavailableError."""
        letter = await self._letters.get(letter_id)
        if letter is None:
            raise NotFoundError("there is no such dead letter")
        return letter

    # -- replay -------------------------------------------------------------------------------------

    async def replay(self, letter_id: str, to: Channel | None = None, *, by: str = "") -> Replayed:
        """Publish a letter's message again, to its own channel or another, and drop the letter. `by` is for the log.

        Raises:
            NotFoundError: there is no such letter.
            ClientFaultError: it cannot be published as it is; the letter stays.
            UnavailableError: the store is away, or the outcome is unknown; the letter stays, and a replay of it is the
                same message.
        """
        letter = await self.show(letter_id)
        (outcome,) = await self._put([self._drafts.draft(letter, to)])
        if not isinstance(outcome, Appended):
            raise outcome
        await self._drop([letter_id])
        self._note_replays(by, f"id={letter_id}", to, replayed=1)
        return Replayed(letter_id, outcome.cursor.text, outcome.duplicate)

    async def replay_many(
        self, wanted: Wanted, limit: int = 100, cursor: str = "", to: Channel | None = None, *, by: str = ""
    ) -> ReplayedMany:
        """One call of a run: replay at most `limit` letters, the oldest first.

        The run's first call has no cursor; the others have `next` of the one before. A letter that cannot be published as
        it is stays and is named. A store that is away ends the call, and `next` is at that letter.

        Raises:
            BadRequestError: the cursor or the limit.
            UnavailableError: the store is away, and nothing came of this call.
        """
        run = await self._run(cursor)
        heads, following = await self._page(wanted, run, limit)
        tally = _Tally()
        for chunk in chunks(heads):
            halt = await self._replay_chunk(chunk, to, tally)
            if halt is not None:
                if not tally.any:
                    raise halt.error
                before = heads[: heads.index(halt.head)]
                following = run.past(before[-1]).text if before else run.text
                break
        if tally.any:
            self._note_replays(
                by, _said(wanted), to, replayed=tally.replayed, failed=len(tally.failed), gone=tally.gone
            )
        return ReplayedMany(replayed=tally.replayed, failed=tally.failed, gone=tally.gone, next=following)

    async def _replay_chunk(self, heads: Sequence[Letter], to: Channel | None, tally: _Tally) -> _Halt | None:
        """Replay some letters by one publish; where the run stands still, when the store is away."""
        found = await self._found(heads, to)
        drafts = [result for result in found.values() if isinstance(result, Draft)]
        outcomes = iter(await self._put(drafts) if drafts else ())
        results = {
            letter_id: next(outcomes) if isinstance(result, Draft) else result
            for letter_id, result in found.items()
        }
        stored = [letter_id for letter_id, result in results.items() if isinstance(result, Appended)]
        try:
            if stored:
                await self._drop(stored)
        except UnavailableError as error:  # the next replay of them is the same messages
            results.update(dict.fromkeys(stored, error))
        else:
            tally.replayed += len(stored)
        for head in heads:
            result = results[head.id]
            if isinstance(result, UnavailableError):
                return _Halt(head, result)
            if result is None:
                tally.gone += 1
            elif isinstance(result, FastSseError):
                tally.failed.append(Failure(head.id, result.code, result.message))
        return None

    async def _found(
        self, heads: Sequence[Letter], to: Channel | None
    ) -> dict[str, Draft | FastSseError | None]:
        """By id of a letter: the draft of its replay, or why there is none; None when it is gone."""
        found: dict[str, Draft | FastSseError | None] = {}
        for at in range(0, len(heads), _READ_AT_ONCE):
            some = heads[at : at + _READ_AT_ONCE]
            results = await asyncio.gather(*(self._drafted(head.id, to) for head in some))
            for head, result in zip(some, results, strict=True):
                found[head.id] = result
                if isinstance(result, UnavailableError):  # where the run stands still
                    return found
        return found

    async def _drafted(self, letter_id: str, to: Channel | None) -> Draft | FastSseError | None:
        try:
            letter = await self._letters.get(letter_id)
            return None if letter is None else self._drafts.draft(letter, to)
        except FastSseError as error:
            return error

    async def _put(self, drafts: Sequence[Draft]) -> _Outcomes:
        """Publish. A caller that is cancelled does not take back what the store has."""
        try:
            return await asyncio.shield(asyncio.ensure_future(self._publish(drafts)))
        except UnavailableError as error:
            return [error] * len(drafts)

    async def _drop(self, ids: Sequence[str]) -> None:
        try:
            await self._letters.drop(ids)
        except UnavailableError as error:
            raise UnknownOutcomeError("it is published, but its dead letter is still there") from error

    def _note_replays(
        self, by: str, asked: str, to: Channel | None, *, replayed: int, failed: int = 0, gone: int = 0
    ) -> None:
        self._replayed += replayed
        target = "" if to is None else "/".join(to)
        self._observer.notify(LettersReplayed(by, asked, target, replayed, failed, gone))

    # -- purge --------------------------------------------------------------------------------------

    async def purge(self, letter_id: str, *, by: str = "") -> None:
        """Remove one letter. Raises NotFoundError, UnavailableError."""
        if not await self._letters.drop([letter_id]):
            raise NotFoundError("there is no such dead letter")
        self._note_purges(by, f"id={letter_id}", 1)

    async def purge_many(
        self, wanted: Wanted, limit: int = PAGE_MAX, cursor: str = "", *, by: str = ""
    ) -> Purged:
        """One call of a purge: remove at most `limit` letters, the oldest first. What dies meanwhile stays.

        Raises BadRequestError for the cursor or the limit, UnavailableError.
        """
        heads, following = await self._page(wanted, await self._run(cursor), limit)
        gone = await self._letters.drop([head.id for head in heads]) if heads else 0
        if gone:
            self._note_purges(by, _said(wanted), gone)
        return Purged(gone, following)

    def _note_purges(self, by: str, asked: str, purged: int) -> None:
        self._purged += purged
        self._observer.notify(LettersPurged(by, asked, purged))

    # -- taken over ---------------------------------------------------------------------------------

    async def take_over(self, found: Sequence[tuple[Source, bytes]], *, by: str = "") -> tuple[int, int]:
        """Keep what another hub left; how many letters that made, and how many were there already.

        Raises UnavailableError: some of them may be kept. The same again keeps the rest.
        """
        kept = 0
        for at in range(0, len(found), _KEPT_AT_ONCE):
            some = [self._letters.keep(self._judge(*one)) for one in found[at : at + _KEPT_AT_ONCE]]
            kept += sum(await asyncio.gather(*some))
        self._observer.notify(LettersImported(by, kept, len(found) - kept))
        return kept, len(found) - kept

    # -- runs ---------------------------------------------------------------------------------------

    async def _run(self, cursor: str) -> Run:
        """The run of a cursor; without one, a new run that ends at the newest letter there is."""
        if cursor:
            return run_of(cursor)
        newest = (await self._letters.list(Wanted(), "", 1)).items
        return Run(place_of(newest[0]) if newest else BEGINNING, "", BEGINNING)

    async def _page(self, wanted: Wanted, run: Run, limit: int) -> tuple[_Heads, str | None]:
        """The next heads of a run, and the cursor after them."""
        oldest_first = msgspec.structs.replace(wanted, newest_first=False)
        page = await self._letters.list(oldest_first, run.after, _checked(limit))
        heads = [head for head in page.items if run.done < place_of(head) <= run.upto]
        over = page.next is None or (page.items and place_of(page.items[-1]) >= run.upto)
        return heads, None if over else Run(run.upto, page.next or "", run.done).text


class _Halt(msgspec.Struct, frozen=True):
    """The letter at which the store was away."""

    head: Letter
    error: FastSseError


class _Tally:
    """What came of one call."""

    def __init__(self) -> None:
        self.replayed = self.gone = 0
        self.failed: list[Failure] = []

    @property
    def any(self) -> bool:
        """Whether anything came of it."""
        return bool(self.replayed or self.gone or self.failed)


def _checked(limit: int) -> int:
    if not 1 <= limit <= PAGE_MAX:
        raise BadRequestError(f"limit must be 1 to {PAGE_MAX}")
    return limit


def _said(wanted: Wanted) -> str:
    """A filter as one text for the log; the order is no part of it."""
    fields = msgspec.structs.asdict(wanted)
    return (
        " ".join(
            f"{name}={value}"
            for name, value in fields.items()
            if value is not None and name != "newest_first"
        )
        or "all"
    )

"""Appends under way: in order, each answered once, whatever comes back or does not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.contract.backends import draft

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import (
    KeyConflictError,
    NotStoredError,
    TooLargeError,
    UnavailableError,
    UnknownOutcomeError,
)
from fast_sse.model.message import Draft
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.kafka.appends import Appends
from fast_sse.store.kafka.fold import Answered

ORIGIN = Cursor("k1", "e" * 13, 0, "0000000")
EARLIER = Appended(ORIGIN.at(7, "abcdefg"), duplicate=True)


class Log:
    """What appends are sent to: keeps what was sent, refuses or holds back what it is told to."""

    def __init__(self, deadline_s: float = 30.0) -> None:
        self.sent: list[tuple[bytes, int]] = []
        self.refused: dict[bytes, Exception] = {}
        self.known: dict[bytes, Outcome] = {}
        self.look_ups = 0
        self.may_look = asyncio.Event()
        self.may_look.set()
        self.broken = False
        self.defect: Exception | None = None
        self._sent = asyncio.Event()
        self.appends = Appends(self._look_up, self._send, deadline_s)

    async def _look_up(self, drafts: Sequence[Draft]) -> list[Outcome | None]:
        await self.may_look.wait()
        self.look_ups += 1
        if self.broken:
            raise UnavailableError("the view cannot be read")
        if self.defect is not None:
            raise self.defect
        return [self.known.get(one.data) for one in drafts]

    def _send(self, one: Draft, token: int) -> None:
        if one.data in self.refused:
            raise self.refused[one.data]
        self.sent.append((one.data, token))
        self._sent.set()

    async def until_sent(self, count: int) -> None:
        while len(self.sent) < count:
            self._sent.clear()
            await self._sent.wait()

    def read_back(self, *positions: int) -> None:
        """What was sent is in the view, at these places."""
        answers = [
            Answered(token, position, "0000001")
            for (_, token), position in zip(self.sent, positions, strict=True)
        ]
        self.appends.read_back(answers, ORIGIN)


async def test_an_append_is_answered_by_what_was_read_back() -> None:
    """The answer is the place that every node sees, entry by entry, once all of them are known."""
    log = Log()
    future = log.appends.add([draft(data=b"1"), draft(data=b"2")])
    log.appends.read_back([Answered(log.sent[0][1], 5, "0000005")], ORIGIN)
    assert not future.done()
    log.appends.read_back([Answered(log.sent[1][1], 6, "0000006")], ORIGIN)
    assert await future == [Appended(ORIGIN.at(5, "0000005")), Appended(ORIGIN.at(6, "0000006"))]


async def test_entries_of_others_are_nobodys() -> None:
    """What other nodes wrote answers nothing here, and neither does our own entry a second time."""
    log = Log()
    future = log.appends.add([draft()])
    log.appends.read_back([Answered(12345, 1, "0000001")], ORIGIN)
    assert not future.done()
    log.read_back(2)
    log.read_back(3)
    assert await future == [Appended(ORIGIN.at(2, "0000001"))]


async def test_nothing_overtakes_a_look_at_the_view() -> None:
    """While keys are looked up, later appends wait: the order of the calls is the order of the log."""
    log = Log()
    log.may_look.clear()
    futures = [log.appends.add([draft(data=b"1", keys=("k",))])]
    futures += [log.appends.add([draft(data=b"%d" % number)]) for number in (2, 3)]
    await asyncio.sleep(0)
    assert log.sent == []
    log.may_look.set()
    await log.until_sent(3)
    assert [data for data, _ in log.sent] == [b"1", b"2", b"3"]
    log.read_back(1, 2, 3)
    await asyncio.gather(*futures)


async def test_a_known_key_sends_nothing() -> None:
    """A repeat is answered from the view, also while the log cannot be reached."""
    log = Log()
    log.known[b"1"] = EARLIER
    log.refused[b"2"] = NotStoredError("down")
    outcomes = await log.appends.add([draft(data=b"1", keys=("k",)), draft(data=b"2", keys=("l",))])
    assert outcomes[0] == EARLIER
    assert isinstance(outcomes[1], NotStoredError)
    assert log.sent == []


async def test_without_keys_nobody_looks() -> None:
    """An append without keys costs no look at the view."""
    log = Log()
    future = log.appends.add([draft()])
    assert len(log.sent) == 1
    log.read_back(1)
    await future
    assert log.look_ups == 0


async def test_a_view_that_cannot_say_leaves_it_to_the_log() -> None:
    """Then the entry is sent, and its key is judged where it is read back."""
    log = Log()
    log.broken = True
    future = log.appends.add([draft(keys=("k",))])
    await log.until_sent(1)
    conflict = KeyConflictError("another body")
    log.appends.read_back([Answered(log.sent[0][1], 9, "", conflict=conflict)], ORIGIN)
    assert await future == [conflict]


async def test_a_defect_in_a_look_holds_up_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is told, the log judges in the view's place, and the next append is looked up again."""
    log = Log()
    log.defect = RuntimeError("one too many")
    futures = [log.appends.add([draft(keys=("k",))])]
    await log.until_sent(1)
    log.defect = None
    futures.append(log.appends.add([draft(keys=("l",))]))
    await log.until_sent(2)
    log.read_back(1, 2)
    assert [type(outcome) for (outcome,) in await asyncio.gather(*futures)] == [Appended] * 2
    assert "a defect in looking for keys" in caplog.text


async def test_what_went_nowhere_is_told_alone() -> None:
    """A refused entry fails by itself; its neighbours are stored."""
    log = Log()
    log.refused[b"2"] = TooLargeError("too large")
    future = log.appends.add([draft(data=b"1"), draft(data=b"2"), draft(data=b"3")])
    log.read_back(1, 2)
    first, second, third = await future
    assert isinstance(second, TooLargeError)
    assert [one.cursor.position for one in (first, third) if isinstance(one, Appended)] == [1, 2]


async def test_what_the_producer_gave_up_is_told() -> None:
    """A delivery that failed answers its entry; if it is read back all the same, that comes too late."""
    log = Log()
    future = log.appends.add([draft()])
    log.appends.give_up([(log.sent[0][1], UnknownOutcomeError())])
    log.read_back(1)
    (outcome,) = await future
    assert isinstance(outcome, UnknownOutcomeError)


async def test_what_is_not_heard_of_is_unknown_in_time() -> None:
    """By the deadline an entry that was sent and not read back may be in the log (504)."""
    log = Log(deadline_s=0.01)
    (outcome,) = await log.appends.add([draft()])
    assert isinstance(outcome, UnknownOutcomeError)


async def test_finishing_waits_for_every_answer() -> None:
    """A store that closes answers what it was given, queued or sent."""
    log = Log()
    log.may_look.clear()
    futures = [log.appends.add([draft(keys=("k",))]), log.appends.add([draft()])]
    finished = asyncio.ensure_future(log.appends.finish())
    log.may_look.set()
    await log.until_sent(2)
    assert not finished.done()
    log.read_back(1, 2)
    await finished
    assert all(future.done() for future in futures)
    await log.appends.finish()


async def test_a_defect_in_sending_costs_its_entry() -> None:
    """Whatever sending raises, its entry is unknown, its neighbours are sent, and so is every later append with a key."""
    log = Log()
    log.refused[b"1"] = TypeError("never expected")
    future = log.appends.add([draft(data=b"1", keys=("k",)), draft(data=b"2")])
    await log.until_sent(1)
    later = log.appends.add([draft(data=b"3", keys=("l",))])
    await log.until_sent(2)
    log.read_back(1, 2)
    unknown, stored = await future
    assert isinstance(unknown, UnknownOutcomeError)
    assert isinstance(stored, Appended)
    await later


async def test_an_entry_is_waited_for_from_before_it_is_sent() -> None:
    """The reader's thread may have it before the call that sent it is back; what went nowhere is not waited for."""
    log, waited = Log(), []
    send = log._send

    def sent(one: Draft, token: int) -> None:
        waited.append((token, log.appends.waits_for(token)))
        send(one, token)

    log.appends = Appends(log._look_up, sent, 30.0)
    log.refused[b"1"] = NotStoredError("away")
    future = log.appends.add([draft(data=b"1"), draft(data=b"2")])
    assert [found for _, found in waited] == [True, True]
    assert [log.appends.waits_for(token) for token, _ in waited] == [False, True]
    log.read_back(1)
    await future
    assert not log.appends.waits_for(waited[1][0])


async def test_what_a_control_entry_came_to_is_its_answer() -> None:
    """Told by the fold, and handed on as it is; an error, too."""
    log = Log()
    futures = [log.appends.add([draft()]) for _ in range(2)]
    await log.until_sent(2)
    told: list[Outcome] = [EARLIER, UnavailableError("another log")]
    answers = [
        Answered(token, 3, "abcdefg", told=one) for (_, token), one in zip(log.sent, told, strict=True)
    ]
    log.appends.read_back(answers, ORIGIN)
    assert [(await future)[0] for future in futures] == told


async def test_nothing_is_answered_at_once() -> None:
    """No draft, no outcome, nothing sent."""
    log = Log()
    assert await log.appends.add([]) == []
    assert not log.sent

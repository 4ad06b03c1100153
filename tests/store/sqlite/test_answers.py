"""What a committed group is told."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.store.conftest import Opener

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import KeyConflictError, NotStoredError, UnknownOutcomeError
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.dedup import Known
from fast_sse.store.pace import Instant
from fast_sse.store.rows.channels import Numbers
from fast_sse.store.sqlite.answers import answer
from fast_sse.store.sqlite.group import Job, job
from fast_sse.store.sqlite.writer import Group

LOG = Cursor("s1", "e" * 13, 0)


def made(above: int, *keys: str) -> Job:
    """A call of three drafts."""
    future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
    return job(future, [draft(keys=keys) for _ in range(3)], above, Instant(0, 0, 0), 0, 1000, Numbers())


async def test_each_call_is_told_its_own_and_followers_what_is_new() -> None:
    """A duplicate is the earlier place, a conflict fails alone, and neither is a new record."""
    plain, keyed = made(0), made(3, "k")
    conflict = KeyConflictError("the idempotency key was used with another body")
    fresh = answer(Group([plain, keyed], None, {5: Known(2, b"", 0), 6: conflict}), LOG)
    assert [record.position for record in fresh] == [1, 2, 3, 4]
    assert await plain.future == [Appended(LOG.at(position)) for position in (1, 2, 3)]
    assert await keyed.future == [Appended(LOG.at(4)), Appended(LOG.at(2), duplicate=True), conflict]


async def test_an_error_is_everybody_s() -> None:
    """A group that failed has no records, and nobody is answered twice."""
    one, cancelled = made(0), made(3)
    cancelled.future.cancel()
    error = NotStoredError("no")
    assert answer(Group([one, cancelled], error, {}), LOG) == []
    assert await one.future == [error] * 3


async def test_a_defect_in_answering_answers(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is stored and cannot be told is unknown, and its record reaches followers all the same."""
    store = await open_store()
    follower = store.follow((await store.bounds()).newest)

    def defect(*_: object) -> None:
        raise ZeroDivisionError("never expected")

    with monkeypatch.context() as patch:
        patch.setattr("fast_sse.store.sqlite.store.answer", defect)
        (outcome,) = await store.append([draft(data=b"1")])
    assert isinstance(outcome, UnknownOutcomeError)
    assert "a defect in answering publishes" in caplog.text
    await put(store, draft(data=b"2"))
    heard: list[bytes] = []
    while len(heard) < 2:
        heard += [record.data for record in await anext(follower)]
    assert heard == [b"1", b"2"]
    await follower.aclose()  # type: ignore[attr-defined]

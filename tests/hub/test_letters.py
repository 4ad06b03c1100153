"""Rules of `hub.letters`: a replay publishes first and drops then; a run ends; a purge takes what was there."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from tests.hub.letter_box import CART, FORBIDDEN, desk_rig

from fast_sse.model.channel import Channel
from fast_sse.model.errors import (
    BadRequestError,
    DiskFullError,
    ForbiddenError,
    NotFoundError,
    NotStoredError,
    TooLargeError,
    UnavailableError,
    UnknownOutcomeError,
)
from fast_sse.observe.observer import LettersPurged, LettersReplayed
from fast_sse.store.base import Windows
from fast_sse.store.letters import Wanted

EVERYTHING = Wanted()


async def test_a_replay_is_a_message_and_no_letter() -> None:
    """The message is in the log again, and its letter is gone."""
    async with desk_rig() as rig:
        (first,) = await rig.die()
        done = await rig.desk.replay(first, by="10.0.0.1")
        original, again = await rig.log()
        assert (done.id, done.duplicate) == (first, False)
        assert done.message_id.endswith(f".{again.position}")
        assert (again.channel, again.data, again.event) == (original.channel, original.data, original.event)
        assert await rig.ids() == []
        assert rig.facts == [LettersReplayed("10.0.0.1", f"id={first}", "", 1, 0, 0)]
        with pytest.raises(NotFoundError):
            await rig.desk.replay(first)


async def test_a_crash_after_the_publish_leaves_the_letter_and_makes_no_second_message() -> None:
    """Publish, then drop: whatever happens between leaves the letter, and its next replay is the same message."""
    async with desk_rig() as rig:
        (first,) = await rig.die()
        rig.letters.away.add("drop")
        with pytest.raises(UnknownOutcomeError):
            await rig.desk.replay(first)
        assert await rig.ids() == [first]
        assert len(await rig.log()) == 2
        rig.letters.away.clear()
        assert (await rig.new_desk().replay(first)).duplicate
        assert len(await rig.log()) == 2
        assert await rig.ids() == []


async def test_a_publish_that_fails_leaves_the_letter() -> None:
    """Nothing is dropped that is not in the log."""
    async with desk_rig() as rig:
        (first,) = await rig.die()
        for error in (
            NotStoredError("away"),
            UnknownOutcomeError("late"),
            DiskFullError("full"),
            TooLargeError("big"),
        ):
            rig.refusals[0] = error
            with pytest.raises(type(error)):
                await rig.desk.replay(first)
        assert await rig.ids() == [first]
        assert len(await rig.log()) == 1


async def test_two_nodes_at_once_make_one_message() -> None:
    """Both have read the letter before either has published it."""
    async with desk_rig() as rig:
        (first,) = await rig.die()
        done = await asyncio.gather(rig.desk.replay(first), rig.new_desk().replay(first))
        assert len({replayed.message_id for replayed in done}) == 1
        assert len(await rig.log()) == 2


async def test_the_key_of_a_replay_outlives_the_window_of_the_store() -> None:
    """Two hours later, on a store that remembers keys for one, a replay of the letter is still the same message."""
    async with desk_rig(Windows(key_window_s=3600.0)) as rig:
        (first,) = await rig.die()
        rig.letters.away.add("drop")
        with pytest.raises(UnknownOutcomeError):
            await rig.desk.replay(first)
        rig.letters.away.clear()
        rig.now_ms += 2 * 3_600_000
        await rig.store.trim()
        await rig.die()
        assert (await rig.desk.replay(first)).duplicate
        assert len(await rig.log()) == 3


async def test_a_replay_to_another_channel_is_another_message() -> None:
    """Its key belongs to the channel, as every key does."""
    async with desk_rig() as rig:
        (first,) = await rig.die()
        await rig.desk.replay(first, Channel("other", "t"))
        assert [record.channel for record in await rig.log()] == [CART, Channel("other", "t")]
        assert rig.facts == [LettersReplayed("", f"id={first}", "other/t", 1, 0, 0)]


async def test_a_replay_with_nobody_there_is_a_letter_again() -> None:
    """It is the second attempt, and knows the first one's id and time, however often that goes on."""
    async with desk_rig() as rig:
        (first,) = await rig.die()
        letter_id = first
        for attempts in (2, 3):
            done = await rig.desk.replay(letter_id)
            letter_id = await rig.bury((await rig.log())[-1].position)
            letter = await rig.desk.show(letter_id)
            assert letter_id == done.message_id
            assert (letter.attempts, letter.original, letter.first_ms) == (attempts, first, 1_000_000)


async def test_a_run_goes_from_the_oldest_to_the_newest() -> None:
    """Each letter once, in the order of the log, page after page, whatever the pages of the store hold."""
    async with desk_rig() as rig:
        await rig.die(7)
        rig.letters.short = 2
        cursor: str | None = ""
        replayed = 0
        while cursor is not None:
            done = await rig.desk.replay_many(EVERYTHING, 3, cursor)
            replayed += done.replayed
            assert (done.failed, done.gone) == ([], 0)
            cursor = done.next
        assert replayed == 7
        assert [int(record.data) for record in await rig.log()] == [*range(7), *range(7)]
        assert await rig.ids() == []


async def test_a_run_over_letters_that_die_at_once_ends() -> None:
    """Its first call fixes the newest letter of that moment; what dies again is left for another run."""
    async with desk_rig() as rig:
        await rig.die(4)
        cursor: str | None = ""
        calls = replayed = 0
        while cursor is not None:
            done = await rig.desk.replay_many(EVERYTHING, 2, cursor)
            for record in (await rig.log())[4 + replayed :]:
                await rig.bury(record.position)
            calls, replayed, cursor = calls + 1, replayed + done.replayed, done.next
            assert calls < 5, "the run follows its own tail"
        assert replayed == 4
        assert {head.attempts for head in (await rig.desk.list(EVERYTHING)).items} == {2}


async def test_a_run_names_what_cannot_be_published_and_goes_on() -> None:
    """The letter stays, with a code and a sentence; the others are replayed."""
    async with desk_rig() as rig:
        await rig.die()
        (forbidden,) = await rig.die(1, FORBIDDEN)
        await rig.die()
        done = await rig.desk.replay_many(EVERYTHING, by="10.0.0.1")
        assert (done.replayed, done.next) == (2, None)
        assert [(failure.id, failure.code) for failure in done.failed] == [(forbidden, "forbidden")]
        assert await rig.ids() == [forbidden]
        assert rig.facts == [LettersReplayed("10.0.0.1", "all", "", 2, 1, 0)]
        assert (await rig.desk.replay_many(EVERYTHING, to=CART)).replayed == 1


@pytest.mark.parametrize(
    "error", [NotStoredError("away"), UnknownOutcomeError("late"), DiskFullError("full")]
)
async def test_a_store_that_is_away_ends_the_call_at_that_letter(error: UnavailableError) -> None:
    """What is behind it and was stored is done; the run goes on at the letter, and names nothing twice."""
    async with desk_rig() as rig:
        ids = [*await rig.die(), *await rig.die(2, FORBIDDEN), *await rig.die(3)]
        rig.refusals[1] = error
        done = await rig.desk.replay_many(EVERYTHING, 100)
        assert (done.replayed, [failure.id for failure in done.failed]) == (3, ids[1:3])
        assert await rig.ids() == ids[1:4]
        assert done.next is not None
        rig.refusals = {0: error}
        with pytest.raises(type(error)):
            await rig.desk.replay_many(EVERYTHING, 100, done.next)
        rig.refusals = {}
        again = await rig.desk.replay_many(EVERYTHING, 1, done.next)
        while again.next is not None:
            assert again.failed == []
            done = await rig.desk.replay_many(EVERYTHING, 1, again.next)
            again = msgspec.structs.replace(done, replayed=again.replayed + done.replayed)
        assert again.replayed == 1
        assert sorted(int(record.data) for record in (await rig.log())[6:]) == [0, 0, 1, 2]


@pytest.mark.parametrize("call", ["get", "drop"])
async def test_letters_that_are_away_end_the_call(call: str) -> None:
    """Nothing came of the call, so it is an error; and what was published meanwhile is not published twice."""
    async with desk_rig() as rig:
        await rig.die(2)
        rig.letters.away.add(call)
        with pytest.raises(UnavailableError):
            await rig.desk.replay_many(EVERYTHING)
        rig.letters.away.clear()
        assert (await rig.desk.replay_many(EVERYTHING)).replayed == 2
        assert len(await rig.log()) == 4


async def test_a_letter_that_cannot_be_read_holds_back_those_behind_it() -> None:
    """They are read at once, and replayed in order all the same: none overtakes the one at which the store was away."""
    async with desk_rig() as rig:
        ids = await rig.die(4)
        get = rig.letters.get

        async def stumbling(letter_id: str) -> object:
            if letter_id == ids[2]:
                raise UnavailableError("the store is away")
            return await get(letter_id)

        rig.letters.get = stumbling  # type: ignore[method-assign,assignment]
        done = await rig.desk.replay_many(EVERYTHING)
        assert (done.replayed, await rig.ids()) == (2, ids[2:])
        rig.letters.get = get  # type: ignore[method-assign]
        rest = await rig.desk.replay_many(EVERYTHING, 100, done.next or "")
        assert (rest.replayed, rest.gone, rest.next) == (2, 0, None)


async def test_a_purge_during_a_run_is_counted_as_gone() -> None:
    """A letter that is listed and not there any more is no message."""
    async with desk_rig() as rig:
        ids = await rig.die(3)
        get = rig.letters.get

        async def purging(letter_id: str) -> object:
            await rig.letters.drop([ids[1]])
            return await get(letter_id)

        rig.letters.get = purging  # type: ignore[method-assign,assignment]
        done = await rig.desk.replay_many(EVERYTHING)
        assert (done.replayed, done.gone, done.failed, done.next) == (2, 1, [], None)


async def test_the_original_may_be_handed_over_while_it_is_replayed() -> None:
    """Before the letter is read there is nothing to replay; after it both are delivered, and the header of one says so."""
    async with desk_rig() as rig:
        first, second = await rig.die(2)
        get = rig.letters.get

        async def overtaken(letter_id: str) -> object:
            letter = await get(letter_id)
            await rig.late(letter_id)
            return letter

        await rig.late(first)
        with pytest.raises(NotFoundError):
            await rig.desk.replay(first)
        rig.letters.get = overtaken  # type: ignore[method-assign,assignment]
        done = await rig.desk.replay(second)
        assert not done.duplicate
        original, again = (await rig.log())[1:]
        assert original.data == again.data
        assert json.loads(again.headers)["fast-sse-replay-of"] == second
        assert await rig.ids() == []


async def test_a_run_keeps_to_its_filter() -> None:
    """The others stay."""
    async with desk_rig() as rig:
        kept = await rig.die(2, Channel("other", "t"))
        await rig.die(2)
        rig.letters.short = 1
        cursor: str | None = ""
        while cursor is not None:
            cursor = (await rig.desk.replay_many(Wanted(event_id="cart1"), 10, cursor)).next
        assert await rig.ids() == kept
        assert rig.facts[-1] == LettersReplayed("", "event_id=cart1", "", 1, 0, 0)


async def test_a_purge_takes_what_matches_and_what_was_there() -> None:
    """Call by call, the oldest first; what dies meanwhile stays, and each call that took something is a fact."""
    async with desk_rig() as rig:
        kept = await rig.die(1, Channel("other", "t"))
        await rig.die(3)
        wanted = Wanted(event_id="cart1")
        done = await rig.desk.purge_many(wanted, 2, by="10.0.0.1")
        assert done.next is not None
        kept += await rig.die()
        while done.next is not None:
            done = await rig.desk.purge_many(wanted, 2, done.next, by="10.0.0.1")
        assert await rig.ids() == kept
        assert rig.facts == [LettersPurged("10.0.0.1", "event_id=cart1", count) for count in (2, 1)]


async def test_one_letter_is_purged_by_its_id() -> None:
    """Once; then it is not there."""
    async with desk_rig() as rig:
        (first,) = await rig.die()
        await rig.desk.purge(first, by="10.0.0.1")
        with pytest.raises(NotFoundError):
            await rig.desk.purge(first)
        assert rig.facts == [LettersPurged("10.0.0.1", f"id={first}", 1)]
        assert len(await rig.log()) == 1


@pytest.mark.slow
async def test_a_hundred_thousand_letters_are_paged_and_purged() -> None:
    """Each once, in both orders, call after call, whichever node is asked."""
    async with desk_rig() as rig:
        ids = await rig.die_many(100_000)
        for newest_first, expected in ((False, ids), (True, ids[::-1])):
            wanted, found = Wanted(newest_first=newest_first), []
            cursor: str | None = ""
            while cursor is not None:
                page = await rig.new_desk().list(wanted, 1000, cursor)
                found += [head.id for head in page.items]
                cursor = page.next
            assert found == expected
        done = await rig.desk.purge_many(Wanted(reason="no_subscriber"))
        purged = done.purged
        while done.next is not None:
            done = await rig.new_desk().purge_many(Wanted(reason="no_subscriber"), 1000, done.next)
            assert done.purged <= 1000
            purged += done.purged
        assert purged == 100_000
        assert await rig.ids() == []


async def test_nothing_to_do_is_done_at_once() -> None:
    """An empty list is no error, and no fact."""
    async with desk_rig() as rig:
        assert (await rig.desk.replay_many(EVERYTHING)).next is None
        assert (await rig.desk.purge_many(EVERYTHING)).next is None
        assert rig.facts == []


async def test_look() -> None:
    """Heads in both orders, one whole letter, and what waits."""
    async with desk_rig() as rig:
        ids = await rig.die(3)
        page = await rig.desk.list(EVERYTHING, 2)
        assert ([head.id for head in page.items], page.total) == ([ids[2], ids[1]], 3)
        assert page.next is not None
        assert [head.id for head in (await rig.desk.list(EVERYTHING, 2, page.next)).items] == [ids[0]]
        letter = await rig.desk.show(ids[0])
        assert letter.record is not None
        assert json.loads(letter.record.data) == 0
        assert rig.desk.waiting == 5
        with pytest.raises(NotFoundError):
            await rig.desk.show("m1.0000000000000.99")


@pytest.mark.parametrize("limit", [0, 1001])
async def test_every_call_is_bounded(limit: int) -> None:
    """1 to 1000 letters."""
    async with desk_rig() as rig:
        for call in (rig.desk.list, rig.desk.replay_many, rig.desk.purge_many):
            with pytest.raises(BadRequestError, match="limit"):
                await call(EVERYTHING, limit)


async def test_the_allow_lists_hold_for_replays() -> None:
    """Whatever was allowed when it was published."""
    async with desk_rig() as rig:
        (first,) = await rig.die(1, FORBIDDEN)
        with pytest.raises(ForbiddenError):
            await rig.desk.replay(first)
        assert len(await rig.log()) == 1


async def test_what_operators_did_is_counted() -> None:
    """Replayed and purged letters, since the start."""
    async with desk_rig() as rig:
        await rig.die(3)
        await rig.desk.replay_many(EVERYTHING, 2)
        await rig.desk.purge_many(EVERYTHING)
        assert {sample.name: sample.value for sample in rig.desk.samples()} == {
            "dead_letters_replayed_total": 2,
            "dead_letters_purged_total": 1,
        }

"""A replay's message on its way: to those who listen, or to a letter of its own by the turns of the hub."""

from __future__ import annotations

from tests.hub.letter_box import check
from tests.hub.loops import manual
from tests.hub.support import RULES, Bench, bench, place

from fast_sse.hub.letters import LetterDesk
from fast_sse.hub.replays import ReplayDrafts
from fast_sse.ingest.poison import imported, reread
from fast_sse.model.limits import Limits
from fast_sse.observe.observer import NullObserver
from fast_sse.store.letters import Wanted

#: Past every decision.
LATE_S = RULES.grace_s + 4 * RULES.turn_s
OLDEST = Wanted(newest_first=False)


def desk_of(hub: Bench) -> LetterDesk:
    """What operators do with a hub's letters."""
    drafts = ReplayDrafts(check, lambda letter: reread(letter, Limits()), 604_800.0, lambda: 0.0)
    return LetterDesk(
        hub.store.letters,
        hub.hub.publish,
        NullObserver(),
        drafts,
        lambda source, raw: imported(source, raw, Limits(), "n1"),
        lambda: hub.hub.dead_letters.waiting,
    )


async def test_nobody_there_again() -> None:
    """The message waits as every other one does, and is a letter with one attempt more and the first one's id and time."""
    async with bench() as hub:
        (first,) = await hub.publish("a/t", 1)
        desk, letter_id = desk_of(hub), first.text
        await manual().elapse(LATE_S)
        first_ms = (await desk.show(letter_id)).published_ms
        for attempts in (2, 3):
            done = await desk.replay(letter_id)
            assert (await desk.list(OLDEST)).items == []
            await manual().elapse(RULES.turn_s)
            assert desk.waiting == 1
            await manual().elapse(LATE_S)
            (head,) = (await desk.list(OLDEST)).items
            assert (head.id, head.attempts, head.original, head.first_ms) == (
                done.message_id,
                attempts,
                first.text,
                first_ms,
            )
            assert head.published_ms > first_ms
            letter_id = head.id
        await manual().elapse(10 * LATE_S)
        assert len((await desk.list(OLDEST)).items) == 1, "nothing is replayed by itself"


async def test_a_run_that_takes_longer_than_the_grace_ends() -> None:
    """What it replayed first is dead again before it comes to its last letter, and is left alone."""
    async with bench() as hub:
        await hub.publish("a/t", *range(4))
        await manual().elapse(LATE_S)
        desk = desk_of(hub)
        done = await desk.replay_many(OLDEST, 1)
        calls = 1
        while done.next is not None:
            await manual().elapse(LATE_S)
            done = await desk.replay_many(OLDEST, 1, done.next)
            calls += done.replayed
            assert calls <= 4
        await manual().elapse(LATE_S)
        assert [head.attempts for head in (await desk.list(OLDEST)).items] == [2, 2, 2, 2]


async def test_who_listens_now_is_handed_the_replay() -> None:
    """As a message of this moment, which says what it is a replay of; and no letter is left."""
    async with bench() as hub:
        (first,) = await hub.publish("a/t", 1)
        await manual().elapse(LATE_S)
        peer = await hub.joined("a/t")
        done = await desk_of(hub).replay(first.text)
        await manual().idle()
        assert peer.messages == [1]
        assert b'"fast-sse-replay-of":"%b"' % first.text.encode() in peer.body
        assert done.message_id.encode() in peer.body
        await manual().elapse(LATE_S)
        assert (await desk_of(hub).list(OLDEST)).items == []


async def test_a_replay_elsewhere_is_of_the_other_channel_alone() -> None:
    """Its letter, if it becomes one, has that channel and the same original."""
    async with bench() as hub:
        (first,) = await hub.publish("a/t", 1)
        await manual().elapse(LATE_S)
        peer = await hub.joined("a/t")
        await desk_of(hub).replay(first.text, place("b/t"))
        await manual().elapse(LATE_S)
        assert peer.messages == []
        (head,) = (await desk_of(hub).list(OLDEST)).items
        assert (head.channel, head.original, head.attempts) == (place("b/t"), first.text, 2)


async def test_what_is_erased_while_it_waits_is_no_letter() -> None:
    """Letters of the channel go, and what waits there is gone from the log."""
    async with bench() as hub:
        await hub.publish("a/t", 1)
        (kept,) = await hub.publish("b/t", 2)
        await manual().elapse(LATE_S)
        await hub.publish("a/t", 3)
        erasing = manual().create_task(hub.hub.erase(place("a/t")))
        await manual().idle()
        assert erasing.result() == (2, 1)
        await manual().elapse(LATE_S)
        assert [head.id for head in (await desk_of(hub).list(OLDEST)).items] == [kept.text]

"""From a message that was handed to nobody to a dead letter, on one node: when, which, once, and what undoes it."""

from __future__ import annotations

import msgspec
import pytest
from tests.hub.loops import manual
from tests.hub.several import Shared
from tests.hub.support import RULES, Bench, bench, drafted, now_ms, place
from tests.hub.transport import FakeTransport

from fast_sse.hub import telling
from fast_sse.hub.telling import LetterRules
from fast_sse.model.errors import NotStoredError, UnavailableError, UnknownOutcomeError
from fast_sse.model.letter import Letter
from fast_sse.model.message import Draft, Key
from fast_sse.observe.observer import LettersDropped, LettersMade
from fast_sse.store.base import Retention
from fast_sse.store.letters import LetterBounds, Turn, Wanted
from fast_sse.store.memory.store import MemoryStore

GRACE_S = RULES.grace_s
TURN_S = RULES.turn_s
#: Well within the grace, and past it by all that a decision may take.
SOON_S, LATE_S = GRACE_S - 2.0, GRACE_S + 4 * TURN_S


async def letters(hub: Bench) -> list[Letter]:
    """All of them, the oldest first."""
    page = await hub.store.letters.list(Wanted(newest_first=False), "", 1000)
    return list(page.items)


async def dead(hub: Bench) -> list[int]:
    """The positions of all letters."""
    return [letter.position for letter in await letters(hub)]


async def test_what_nobody_listens_to_is_a_letter_after_its_grace() -> None:
    """Not before, once, with its reason; and not in doubt where only one node could have handed it over."""
    async with bench() as hub:
        (cursor,) = await hub.publish("a/t", {"n": 1})
        await manual().elapse(GRACE_S)
        assert await letters(hub) == []
        assert hub.hub.dead_letters.waiting == 1
        await manual().elapse(4 * TURN_S)
        (letter,) = await letters(hub)
        assert (letter.id, letter.reason) == (cursor.text, "no_subscriber")
        assert letter.description == "nobody was handed it within 30 s"
        assert (letter.attempts, letter.maybe_delivered, letter.node) == (1, False, "n1")
        assert hub.hub.dead_letters.waiting == 0
        await manual().elapse(10 * LATE_S)
        assert await dead(hub) == [1]
        assert hub.facts.of(LettersMade) == [LettersMade(1, 0, 0)]


async def test_what_outlived_itself_is_a_letter_that_says_so() -> None:
    """A ttl is decided at the grace, too."""
    async with bench() as hub:
        await hub.publish("a/t", 1, ttl_ms=1000)
        await hub.publish("a/t", 2, ttl_ms=3_600_000)
        await manual().elapse(LATE_S)
        assert [letter.reason for letter in await letters(hub)] == ["expired", "no_subscriber"]


@pytest.mark.parametrize("late", [False, True])
async def test_who_comes_before_the_deadline_prevents_the_letter_and_later_it_is_removed(late: bool) -> None:
    """One turn before and one after. It counts as late."""
    async with bench() as hub:
        first, _ = await hub.publish("a/t", 1, 2)
        await manual().elapse(LATE_S if late else GRACE_S)
        assert await dead(hub) == ([1, 2] if late else [])
        peer = await hub.joined("a/t", after=first.at(0).text)
        assert peer.messages == [1, 2]
        await manual().elapse(TURN_S)
        assert await dead(hub) == []
        await manual().elapse(LATE_S)
        assert await dead(hub) == []
        assert hub.hub.dead_letters.report.late == (2 if late else 0)


async def test_a_letter_whose_message_the_tail_holds_no_more_is_removed_when_it_is_handed_over() -> None:
    """By its id: the store was read for it."""
    async with bench(tail_records_max=2) as hub:
        first, *_ = await hub.publish("a/t", *range(6))
        await manual().elapse(LATE_S)
        assert await dead(hub) == [1, 2, 3, 4, 5, 6]
        await hub.joined("a/t", after=first.text)
        await manual().elapse(TURN_S)
        assert await dead(hub) == [1]
        assert hub.hub.dead_letters.report.late == 5


async def test_who_listens_from_now_was_not_handed_what_came_before() -> None:
    """An older id, `earliest` and `last` are."""
    async with bench() as hub:
        await hub.publish("a/t", 1)
        await hub.joined("a/t")
        await hub.publish("b/t", 2)
        await hub.joined("b/t", earliest=True)
        await hub.publish("c/t", 3)
        await hub.joined("c/t", last=1)
        await manual().elapse(LATE_S)
        assert await dead(hub) == [1]


async def test_broadcasts_ignored_types_and_what_its_publisher_declined_are_no_letters() -> None:
    """Nor is a control record; but what a publisher asked for is one."""
    rules = msgspec.structs.replace(RULES, ignored=frozenset({"typing"}))
    async with bench(rules=rules) as hub:
        hub.hub.publish(
            [
                *(drafted(text) for text in ("*/t", "a/*", "*/*", "a/typing")),
                said("a/t", b"false"),
                said("*/t", b"true"),
                said("a/typing", b"true"),
            ]
        )
        await manual().idle()
        await hub.hub.erase(place("zz/t"))
        await manual().elapse(LATE_S)
        assert await dead(hub) == [6, 7]


def said(text: str, wants: bytes) -> Draft:
    """A draft whose publisher said whether it is to become a letter."""
    return Draft(channel=place(text), data=b"0", headers=b"{}", meta=b'{"dead_letter":%b}' % wants)


@pytest.mark.slow
async def test_a_batch_of_ten_thousand_to_channels_without_listeners() -> None:
    """Each is one letter; bounds of a turn are taken at once, one turn after the other."""
    async with bench() as hub:
        await hub.joined("listened/t")
        drafts = [drafted(f"offline{number}/t", number) for number in range(10_000)]
        drafts[5000] = drafted("listened/t")
        hub.hub.publish(drafts)
        await manual().elapse(LATE_S)
        assert (await hub.store.letters.list(Wanted(), "", 1)).total == 9999
        assert hub.hub.dead_letters.waiting == 0


async def test_large_messages_die_in_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one turn and one after the other, so that publishes get in between: a store makes the letters of one in one step."""
    monkeypatch.setattr(telling, "DUE_KIB_MAX", 10)
    store = Shared()
    await store.open()
    async with bench(store) as hub:
        await hub.publish("a/t", *["x" * 4096] * 7)
        await hub.publish("a/t", "x" * 65536, 1)
        await manual().elapse(LATE_S)
        assert [len(turn.due) for turn in store.turns if turn.due] == [2, 2, 2, 1, 1, 1]
        assert await dead(hub) == list(range(1, 10))
    await store.close()


async def test_a_message_published_twice_is_one_letter() -> None:
    """A duplicate is the earlier message."""
    async with bench() as hub:
        draft = msgspec.structs.replace(drafted("a/t"), keys=(Key(b"k"),), body_sha256=b"s")
        for _ in range(2):
            hub.hub.publish([draft])
            await manual().idle()
        await manual().elapse(LATE_S)
        assert await dead(hub) == [1]


async def test_a_stream_that_stands_still_was_handed_nothing() -> None:
    """A letter after the grace; it goes when the stream reads on."""
    async with bench(write_buffer_bytes_max=300, stall_s=1000.0) as hub:
        peer = await hub.joined("a/t", transport=FakeTransport(reading=False))
        await hub.publish("a/t", "x" * 300)
        await hub.publish("a/t", 2)
        await manual().elapse(LATE_S)
        assert await dead(hub) == [2]
        peer.transport.read()
        await manual().elapse(TURN_S)
        assert await dead(hub) == []


@pytest.mark.parametrize("error", [NotStoredError("away"), UnknownOutcomeError("away")])
async def test_a_store_that_was_away_lets_nothing_die_on_its_return(error: UnavailableError) -> None:
    """What became due meanwhile is due a few turns later, unless the store may have taken the turn that says so."""
    store, away = Shared(), False
    store.letters.shared = False

    def refuse(_turn: Turn) -> None:
        if away:
            raise error

    store.before_turn = refuse
    await store.open()
    async with bench(store) as hub:
        first, *_ = await hub.publish("a/t", 1, 2)
        await hub.publish("b/t", 3)
        await manual().elapse(5.0)
        away = True
        await manual().elapse(3 * GRACE_S)
        away = False
        await manual().elapse(1.5 * TURN_S)
        peer = await hub.joined("a/t", after=first.at(0).text)
        assert peer.messages == [1, 2]
        await manual().elapse(LATE_S)
        assert await dead(hub) == [3]
        report, sure = hub.hub.dead_letters.report, isinstance(error, NotStoredError)
        assert (report.made["no_subscriber"], report.late) == ((1, 0) if sure else (3, 2))
    await store.close()


async def test_a_transport_that_raises_was_handed_nothing() -> None:
    """Where it is the only member, the message is a letter."""
    async with bench() as hub:
        peer = await hub.joined("a/t")
        peer.transport.closed = True
        await hub.publish("a/t", 1)
        peer.transport.closed = False
        peer.transport.hang_up()
        await manual().elapse(LATE_S)
        assert await dead(hub) == [1]


# -- bounds -----------------------------------------------------------------------------------------


async def test_trimming_spares_what_waits() -> None:
    """A log of ten messages, a hundred that wait: all of them die, and then trimming goes on."""
    store = MemoryStore(Retention(max_age_s=None, max_bytes=None, max_messages=10), now_ms=now_ms)
    await store.open()
    async with bench(store, trim_interval_s=1.0) as hub:
        await hub.publish("a/t", *range(100))
        await manual().elapse(GRACE_S)
        assert (await store.bounds()).trimmed.position == 0
        await manual().elapse(6 * TURN_S)
        assert await dead(hub) == list(range(1, 101))
        assert (await store.bounds()).trimmed.position == 90
    await store.close()


async def test_trimming_does_not_wait_for_ever() -> None:
    """What waits longer than twice the grace and a minute, as when no turn is taken, goes with the rest."""
    store = MemoryStore(Retention(max_age_s=None, max_bytes=None, max_messages=10), now_ms=now_ms)
    await store.open()
    async with bench(store, trim_interval_s=1.0) as hub:
        await hub.publish("a/t", *range(100))
        await manual().elapse(5 * TURN_S)
        hub.hub.dead_letters._tasks[0].cancel()
        await manual().elapse(RULES.patience_s - TURN_S)
        assert (await store.bounds()).trimmed.position == 0
        await manual().elapse(3 * TURN_S)
        assert (await store.bounds()).trimmed.position == 90
    await store.close()


@pytest.mark.parametrize(
    ("bounds", "kept", "why"),
    [
        (LetterBounds(max_count=3), [8, 9, 10], "count"),
        (LetterBounds(max_bytes=1500), [8, 9, 10], "bytes"),
        (LetterBounds(max_age_s=60.0), [], "age"),
    ],
)
async def test_letters_beyond_their_bounds_are_dropped_and_named(
    bounds: LetterBounds, kept: list[int], why: str
) -> None:
    """The oldest, by count, by bytes, by age; one line says so."""
    store = MemoryStore(now_ms=now_ms, letters=bounds)
    await store.open()
    async with bench(store) as hub:
        await hub.publish("a/t", *["x" * 200] * 10)
        await manual().elapse(LATE_S)
        await manual().elapse(61.0)
        await hub.publish("*/t", 0)
        await manual().elapse(TURN_S)
        assert await dead(hub) == kept
        assert hub.facts.of(LettersDropped) == [LettersDropped(why, 10 - len(kept))]
    await store.close()


async def test_letters_age_while_nothing_happens() -> None:
    """An idle node takes the turns by which its store removes what is past its age, and none afterwards."""
    store = Shared(letters=LetterBounds(max_age_s=60.0))
    await store.open()
    async with bench(store, rules=LetterRules(max_age_s=60.0)) as hub:
        await hub.publish("a/t", *range(3))
        await manual().elapse(LATE_S)
        assert await dead(hub) == [1, 2, 3]
        store.turns.clear()
        await manual().elapse(60.0 + 2 * TURN_S)
        assert await dead(hub) == []
        assert hub.facts.of(LettersDropped) == [LettersDropped("age", 3)]
        await manual().elapse(600.0)
        assert len(store.turns) == 1
    await store.close()


async def test_letters_that_stay_past_their_age_cost_a_turn_a_minute() -> None:
    """Where another node, or the store, keeps them for longer than this node would."""
    store = Shared()
    await store.open()
    async with bench(store, rules=LetterRules(max_age_s=60.0)) as hub:
        await hub.publish("a/t", 1)
        await manual().elapse(LATE_S + 61.0)
        store.turns.clear()
        await manual().elapse(600.0)
        assert await dead(hub) == [1]
        assert 9 <= len(store.turns) <= 11
    await store.close()


async def test_a_flood_of_what_waits_keeps_the_newest() -> None:
    """The number that is let go is exact."""
    async with bench() as hub:
        hub.fanout.handover.waiting.records_max = 50
        await hub.publish("a/t", *range(120))
        await manual().elapse(LATE_S)
        assert await dead(hub) == list(range(71, 121))
        assert hub.hub.dead_letters.report.dropped["overflow"] == 70
        assert hub.facts.of(LettersDropped) == [LettersDropped("overflow", 70)]


async def test_a_small_tail_loses_nothing() -> None:
    """Sixteen records, and bursts of a thousand."""
    async with bench(tail_records_max=16) as hub:
        await hub.joined("a/t")
        for _ in range(2):
            await hub.publish("a/t", *range(500))
            await hub.publish("b/t", *range(500))
        await manual().elapse(LATE_S)
        assert (await hub.store.letters.list(Wanted(), "", 1)).total == 1000


async def test_what_is_erased_is_no_letter() -> None:
    """Neither what waited nor what was one already."""
    async with bench() as hub:
        await hub.publish("a/t", 1)
        await manual().elapse(LATE_S)
        await hub.publish("a/t", 2)
        await manual().elapse(TURN_S)
        assert hub.hub.dead_letters.waiting == 1
        await hub.hub.erase(place("a/t"))
        await manual().idle()
        assert hub.hub.dead_letters.waiting == 0
        await manual().elapse(LATE_S)
        assert await dead(hub) == []


# -- starts and ends --------------------------------------------------------------------------------


async def test_a_first_start_makes_no_letters_of_what_was_there() -> None:
    """A log that was filled before dead letters were."""
    store = MemoryStore(now_ms=now_ms)
    await store.open()
    store.append([drafted("a/t", number) for number in range(1000)])
    async with bench(store) as hub:
        await manual().elapse(LATE_S)
        assert await dead(hub) == []
        assert hub.hub.dead_letters.waiting == 0
    await store.close()


async def test_what_waited_waits_again_after_a_restart_and_what_was_told_does_not() -> None:
    """With a new grace; a client that comes back within it has it, and then there is no letter."""
    store = MemoryStore(now_ms=now_ms)
    await store.open()
    async with bench(store) as hub:
        await hub.joined("b/t")
        await hub.publish("a/t", 1)
        await hub.publish("b/t", 2)
        (third,) = await hub.publish("a/t", 3)
        await manual().elapse(SOON_S)
    async with bench(store) as hub:
        assert hub.hub.dead_letters.waiting == 2
        await manual().elapse(SOON_S)
        assert await dead(hub) == []
        await hub.joined("a/t", after=third.at(third.position - 1).text)
        await manual().elapse(LATE_S)
        assert await dead(hub) == [1]
    await store.close()


async def test_switched_off_nothing_dies_and_switching_on_floods_nothing() -> None:
    """What is due is let go, and the place is noted."""
    store = MemoryStore(now_ms=now_ms)
    await store.open()
    off = LetterRules(enabled=False)
    async with bench(store, rules=off) as hub:
        await hub.publish("a/t", *range(100))
        await manual().elapse(LATE_S)
        assert hub.hub.dead_letters.waiting == 0
    async with bench(store) as hub:
        await manual().elapse(LATE_S)
        assert await dead(hub) == []
        await hub.publish("a/t", 1)
        await manual().elapse(LATE_S)
        assert await dead(hub) == [101]
    await store.close()


async def test_numbers_follow_what_operators_did() -> None:
    """An idle node takes one turn more, for the numbers: else a monitor would see letters that are gone."""
    async with bench() as hub:
        await hub.publish("a/t", 1)
        await manual().elapse(LATE_S)
        tally = hub.hub.dead_letters.report.tally
        assert tally is not None
        assert tally.total == 1
        await hub.hub.erase(place("a/t"))
        await manual().elapse(2 * TURN_S)
        tally = hub.hub.dead_letters.report.tally
        assert tally is not None
        assert tally.total == 0

"""What is kept: pages in both orders, filters, poison, removal, and bounds (rule 6 of `store.letters`)."""

from __future__ import annotations

import hashlib

import pytest
from msgspec.structs import replace
from tests.contract.asserting import put
from tests.contract.backends import Clock, draft
from tests.contract.conftest import Opener
from tests.contract.letters.node import (
    OLDEST_FIRST,
    Node,
    begun,
    every_letter,
    ids,
    letters_of,
    poison,
    tally,
    texts,
)
from tests.contract.places import Place

from fast_sse.model.channel import Channel, channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import BadRequestError
from fast_sse.model.letter import RAW_BYTES_MAX, Letter, Reason, is_poison_id
from fast_sse.store.base import Store
from fast_sse.store.letters import PAGE_MAX, LetterBounds, Wanted
from fast_sse.store.record import OVERHEAD_BYTES, weight


async def dead(store: Store, count: int, clock: Clock | None = None) -> tuple[Node, list[Cursor]]:
    """A node that made letters of so many messages on two channels, each a second after the one before."""
    (node,) = await begun(store, "a")
    cursors: list[Cursor] = []
    for number in range(count):
        cursors += await put(store, draft("ab"[number % 2], "t", b"%d" % number))
        await node.tell(cursors[-1], due=cursors[-1:], decided=cursors[-1])
        if clock is not None:
            clock.pass_s(1)
    return node, cursors


# -- pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_have_each_letter_once_in_order(store: Store, count: int, newest_first: bool) -> None:
    """By position, then id, in both orders, whatever the size of a page; poison stands where it was kept."""
    node, cursors = await dead(store, 5)
    for place in "123":
        await node.letters.keep(poison(place))
    found = await every_letter(store, Wanted(newest_first=newest_first), count)
    places = [(letter.position, letter.id) for letter in found]
    assert places == sorted(places, reverse=newest_first)
    assert len(set(places)) == 8
    assert {letter.id for letter in found if not is_poison_id(letter.id)} == set(texts(cursors))


async def test_a_page_says_how_many_there_are_and_whether_it_is_the_last(store: Store) -> None:
    """`total` counts all letters; `next` is None exactly at the end."""
    node, cursors = await dead(store, 4)
    first = await node.letters.list(OLDEST_FIRST, "", 2)
    assert (texts(cursors[:2]), 4) == ([letter.id for letter in first.items], first.total)
    assert first.next is not None
    second = await node.letters.list(OLDEST_FIRST, first.next, 2)
    assert ([letter.id for letter in second.items], second.next) == (texts(cursors[2:]), None)
    assert (await node.letters.list(OLDEST_FIRST, "", 4)).next is None


async def test_what_dies_or_goes_meanwhile_brings_nothing_twice(store: Store) -> None:
    """A cursor is a place: letters behind it that go, and others that come, shift nothing."""
    node, cursors = await dead(store, 4)
    first = await node.letters.list(Wanted(), "", 2)
    assert first.next is not None
    await node.letters.drop([cursors[3].text, cursors[1].text])
    later = await put(store, draft())
    await node.tell(later[0], due=later)
    second = await node.letters.list(Wanted(), first.next, 2)
    assert [letter.id for letter in second.items] == texts(cursors[:1])


async def test_an_empty_list_is_one_page(store: Store) -> None:
    """No letter: no items, no next."""
    page = await letters_of(store).list(Wanted(), "", 10)
    assert (list(page.items), page.next, page.total) == ([], None, 0)


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_cursor_of_the_other_order_is_refused(store: Store, newest_first: bool) -> None:
    """BadRequestError, and so is what is no cursor at all."""
    node, _ = await dead(store, 2)
    page = await node.letters.list(Wanted(newest_first=not newest_first), "", 1)
    assert page.next is not None
    for cursor in (page.next, "x", page.next + "\n", "n.1", "o.x.y", "n." + "9" * 40 + ".x", "\udcff"):
        with pytest.raises(BadRequestError):
            await node.letters.list(Wanted(newest_first=newest_first), cursor, 1)


async def test_filters_choose(store: Store, clock: Clock) -> None:
    """Each one alone and all together; after is inclusive, before is not."""
    node, cursors = await dead(store, 6, clock)
    (expired,) = await put(store, draft("b", "u", ttl_ms=1))
    clock.pass_s(1)
    await node.tell(expired, due=[expired])
    await node.letters.keep(poison(channel=channel("a", "t")))
    even, odd = texts(cursors[::2]), texts(cursors[1::2])
    bad = poison(channel=channel("a", "t")).id
    times = [letter.dead_ms for letter in await every_letter(store)]

    async def found(**wanted: object) -> list[str]:
        return await ids(store, replace(OLDEST_FIRST, **wanted))

    assert await found(reason="expired") == [expired.text]
    assert await found(reason="poison") == [bad]
    assert await found(reason="no_subscriber") == texts(cursors)
    assert await found(event_id="b") == [*odd, expired.text]
    assert await found(event_type="u") == [expired.text]
    assert sorted(await found(event_id="a", event_type="t")) == sorted([*even, bad])
    assert await found(event_id="a", event_type="t", reason="no_subscriber") == even
    assert await found(event_id="a", event_type="u") == []
    assert await found(after_ms=times[2], before_ms=times[4]) == texts(cursors[2:4])
    assert (
        await found(event_id="b", after_ms=times[2], before_ms=times[4], reason="no_subscriber") == odd[1:2]
    )
    assert await found(after_ms=1 << 80) == []
    assert len(await found(before_ms=1 << 80, after_ms=-(1 << 80))) == 8


async def test_a_page_may_be_short_and_go_on(store: Store) -> None:
    """However few match, the cursor leads to all of them."""
    _, cursors = await dead(store, 9)
    assert await ids(store, Wanted(event_id="b")) == texts(cursors[1::2])[::-1]


# -- one letter -----------------------------------------------------------------------------------------


async def test_get_of_what_is_not_there_is_none(store: Store) -> None:
    """A text that is no id, an id of a message that lives, and one of another epoch or fingerprint."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    other = replace(cursor, epoch="0" * 13)
    for text in ("", "x", "p-x", "\udcff", "ü", cursor.text, other.text):
        assert await node.letters.get(text) is None
    await node.tell(cursor, due=[cursor])
    assert await node.letters.get(cursor.text) is not None
    assert await node.letters.get(other.text) is None


async def test_drop_removes_what_is_there(store: Store) -> None:
    """And says how many that were; a whole page of ids at once, ids twice and ids of nothing among them."""
    node, cursors = await dead(store, 3)
    assert await node.letters.drop([]) == 0
    wanted = [cursors[0].text, cursors[0].text, cursors[2].text, *(f"p-{n}" for n in range(PAGE_MAX - 3))]
    assert await node.letters.drop(wanted) == 2
    assert await node.letters.drop([cursors[0].text]) == 0
    assert await ids(store) == [cursors[1].text]
    assert (await tally(node)).total == 1


async def test_erase_removes_the_letters_of_exactly_one_channel(store: Store) -> None:
    """Those of no other one, and poison only where it names that channel."""
    node, cursors = await dead(store, 5)
    wild = await put(store, draft("a", "*"), draft("a", "t2"))
    await node.tell(wild[-1], due=wild)
    await node.letters.keep(poison("1"))
    await node.letters.keep(poison("2", channel=channel("a", "t")))
    assert await node.letters.erase(Channel("a", "t")) == 4
    assert await node.letters.erase(Channel("a", "t")) == 0
    assert set(await ids(store)) == {*texts(cursors[1::2]), *texts(wild), poison("1").id}


# -- poison ---------------------------------------------------------------------------------------------


async def test_poison_is_kept_with_its_bytes(store: Store, clock: Clock, place: Place) -> None:
    """Exactly as they were, beside where they came from and what is wrong with them."""
    (node,) = await begun(store, "a")
    (cursor,) = await put(store, draft())
    raw = bytes(range(256)) * 3
    bad = poison("7-1", raw, channel=channel("c", "t"))
    assert await node.letters.keep(replace(bad, description="NUL \x00, \u202e and <img>")) is True
    whole = await node.letters.get(bad.id)
    assert whole == Letter(
        id=bad.id,
        position=cursor.position + place.poison_has_a_place,
        channel=Channel("c", "t"),
        reason="poison",
        description="NUL \x00, \u202e and <img>",
        published_ms=clock.ms,
        dead_ms=clock.ms,
        first_ms=clock.ms,
        attempts=1,
        original=bad.id,
        maybe_delivered=False,
        node="a",
        size_bytes=768,
        source=bad.source,
        sha256=hashlib.sha256(raw).hexdigest(),
        raw=raw,
    )
    assert await every_letter(store) == [replace(whole, raw=None)]
    assert list((await node.begin()).letters) == []


async def test_poison_that_is_kept_twice_is_one_letter(store: Store, clock: Clock) -> None:
    """The same bytes at the same place; other bytes there, or the same elsewhere, are another one."""
    letters = letters_of(store)
    assert await letters.keep(poison()) is True
    clock.pass_s(1)
    assert await letters.keep(poison()) is False
    assert await letters.keep(poison(raw=b"other")) is True
    assert await letters.keep(poison("2-0")) is True
    assert len(await ids(store)) == 3


async def test_of_large_poison_the_beginning_is_kept(store: Store) -> None:
    """And its size and hash are those of all of it."""
    letters = letters_of(store)
    raw = b"x" * RAW_BYTES_MAX + b"y"
    bad = poison(raw=raw)
    await letters.keep(bad)
    whole = await letters.get(bad.id)
    assert whole is not None
    assert whole.raw == raw[:-1]
    assert (whole.size_bytes, whole.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())


async def test_a_message_that_died_elsewhere_is_kept_with_its_bytes(store: Store) -> None:
    """Under the reason that it is given, which chooses the filter and the count it is in; else it is kept as poison is."""
    node, (cursor,) = await dead(store, 1)
    gone = poison(channel=channel("c", "t"), reason="no_subscriber")
    assert await node.letters.keep(gone) is True
    assert await node.letters.keep(gone) is False
    whole = await node.letters.get(gone.id)
    assert whole is not None
    assert (whole.reason, whole.raw, whole.source, whole.record) == (
        "no_subscriber",
        gone.raw,
        gone.source,
        None,
    )
    assert set(await ids(store, Wanted(reason="no_subscriber"))) == {cursor.text, gone.id}
    assert counts(dict((await tally(node)).by_reason)) == {"no_subscriber": 2}
    assert list((await node.begin()).letters) == [cursor.position]
    assert await node.letters.drop([gone.id]) == 1


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_have_each_letter_once_where_sources_bring_all_kinds(
    store: Store, newest_first: bool
) -> None:
    """Poison and messages that died elsewhere, many at one place of the log, in the order of their ids."""
    node, _ = await dead(store, 2)
    for number in range(12):
        await node.letters.keep(poison(str(number), reason="no_subscriber" if number % 2 else "poison"))
    found = await every_letter(store, Wanted(newest_first=newest_first), 1)
    places = [(letter.position, letter.id) for letter in found]
    assert places == sorted(places, reverse=newest_first)
    assert len(set(places)) == 14


# -- bounds ---------------------------------------------------------------------------------------------


def counts(reasons: dict[Reason, int]) -> dict[Reason, int]:
    return {reason: count for reason, count in reasons.items() if count}


async def test_the_tally_counts_by_reason_and_weighs(store: Store, clock: Clock) -> None:
    """A message weighs what it weighs in the log, poison its kept bytes and the overhead."""
    (node,) = await begun(store, "a")
    cursors = await put(store, draft(data=b"1" * 40, meta=b'{"user":1}'), draft(ttl_ms=1))
    records = [await store.get(cursor.position) for cursor in cursors]
    clock.pass_s(1)
    await node.tell(cursors[1], due=cursors)
    first_ms = clock.ms
    clock.pass_s(1)
    await node.letters.keep(poison(raw=b"x" * (RAW_BYTES_MAX + 9)))
    found = await tally(node)
    assert counts(dict(found.by_reason)) == {"no_subscriber": 1, "expired": 1, "poison": 1}
    weighs = sum(weight(record) for record in records if record is not None)
    assert found.size_bytes == weighs + RAW_BYTES_MAX + OVERHEAD_BYTES
    assert found.oldest_ms == first_ms
    await node.letters.drop(await ids(store))
    found = await tally(node)
    assert (found.total, found.size_bytes, found.oldest_ms) == (0, 0, 0)


async def test_by_count_the_oldest_go(open_store: Opener) -> None:
    """Exactly full all stay; each one more takes the oldest, counted."""
    store = await open_store(letters=LetterBounds(max_count=3))
    node, cursors = await dead(store, 3)
    assert dict((await tally(node)).dropped) == {"count": 0, "bytes": 0, "age": 0}
    more = await put(store, draft(), draft())
    settled = await node.tell(more[-1], due=more)
    assert len(settled.dead) == 2
    assert dict(settled.tally.dropped) == {"count": 2, "bytes": 0, "age": 0}
    assert await ids(store) == texts([cursors[2], *more])


async def test_by_bytes_the_oldest_go(open_store: Opener) -> None:
    """Exactly full all stay; a byte more takes the oldest, counted."""
    one = len(b"1") + len(b'{"send_time":"x"}') + OVERHEAD_BYTES
    store = await open_store(letters=LetterBounds(max_bytes=3 * one))
    node, cursors = await dead(store, 3)
    assert (await tally(node)).size_bytes == 3 * one
    (fourth,) = await put(store, draft())
    settled = await node.tell(fourth, due=[fourth])
    assert dict(settled.tally.dropped) == {"count": 0, "bytes": 1, "age": 0}
    (large,) = await put(store, draft(data=b"22"))
    settled = await node.tell(large, due=[large])
    assert dict(settled.tally.dropped) == {"count": 0, "bytes": 3, "age": 0}
    assert await ids(store) == texts([fourth, large])
    assert cursors[2].text not in await ids(store)


async def test_by_age_they_go_at_the_next_turn(open_store: Opener, clock: Clock) -> None:
    """Counted from `dead_ms`; exactly at the bound they stay. Poison goes, too."""
    store = await open_store(letters=LetterBounds(max_age_s=100))
    node, _ = await dead(store, 2)
    await node.letters.keep(poison())
    clock.pass_s(1)
    later = await put(store, draft())
    await node.tell(later[0], due=later)
    clock.pass_s(99)
    assert (await tally(node)).total == 4
    clock.pass_s(0.001)
    found = await tally(node)
    assert (found.total, dict(found.dropped)) == (1, {"count": 0, "bytes": 0, "age": 3})
    assert await ids(store) == texts(later)


async def test_a_flood_of_poison_pushes_no_message_out(open_store: Opener) -> None:
    """Poison has its own count, and a quarter of the bytes; messages push no poison out either."""
    store = await open_store(letters=LetterBounds(max_count=2, poison_max=3, max_bytes=4000))
    node, cursors = await dead(store, 2)
    for number in range(5):
        await node.letters.keep(poison(str(number)))
    found = await tally(node)
    assert counts(dict(found.by_reason)) == {"no_subscriber": 2, "poison": 3}
    assert dict(found.dropped) == {"count": 2, "bytes": 0, "age": 0}
    kept = [letter.id for letter in await every_letter(store)]
    await put(store, draft())
    await node.letters.keep(poison("large", b"x" * 700))
    assert counts(dict((await tally(node)).by_reason)) == {"no_subscriber": 2, "poison": 1}
    more = await put(store, draft(), draft(), draft())
    settled = await node.tell(more[-1], due=more)
    assert counts(dict(settled.tally.by_reason)) == {"no_subscriber": 2, "poison": 1}
    assert set(texts(cursors)) < set(kept)


async def test_messages_that_died_elsewhere_are_bounded_with_those_that_died_here(open_store: Opener) -> None:
    """They push the oldest of either out, and no poison."""
    store = await open_store(letters=LetterBounds(max_count=3, poison_max=1))
    node, _ = await dead(store, 2)
    await put(store, draft())  # what is kept now stands at a later place
    await node.letters.keep(poison("bad"))
    brought = [poison(place, reason="no_subscriber") for place in "123"]
    for one in brought:
        await node.letters.keep(one)
    found = await tally(node)
    assert counts(dict(found.by_reason)) == {"no_subscriber": 3, "poison": 1}
    assert found.dropped["count"] == 2
    assert set(await ids(store)) == {poison("bad").id, *(one.id for one in brought)}


async def test_dropped_counts_only_since_the_store_was_opened(open_store: Opener) -> None:
    """A gauge of this object: another one begins at 0."""
    store = await open_store(letters=LetterBounds(max_count=1))
    await dead(store, 3)
    await store.close()
    store = await open_store(letters=LetterBounds(max_count=1))
    assert dict((await Node(store, "a", "2").begin()).tally.dropped) == {"count": 0, "bytes": 0, "age": 0}

"""Erasing a channel: exactly its history goes, everywhere, and nothing else changes."""

from __future__ import annotations

from tests.contract.asserting import everything, page, positions, put, trim_all
from tests.contract.backends import Clock, draft
from tests.contract.conftest import Opener

from fast_sse.model.channel import Channel, Filter
from fast_sse.store.base import Appended, Retention

TARGET = Channel("a", "t")


async def test_exactly_the_channel_goes(open_store: Opener) -> None:
    """Neither its neighbours by id or type, nor broadcasts that it matched, nor what is published afterwards."""
    store = await open_store()
    await put(store, draft("a", "t"), draft("a", "u"), draft("b", "t"), draft("a", "*"), draft("a", "t"))
    assert await store.erase(TARGET) == 2
    await put(store, draft("a", "t"))
    for wanted in (Filter.of(TARGET), Filter.of(Channel("*", "*"))):
        kept = [record.channel for record in await everything(store, wanted) if not record.is_control]
        assert kept.count(TARGET) == 1
    everyone = [record.channel for record in await everything(store) if not record.is_control]
    assert everyone == [("a", "u"), ("b", "t"), ("a", "*"), TARGET]
    assert await store.erase(Channel("nobody", "here")) == 0


async def test_nodes_are_told_by_the_log(open_store: Opener) -> None:
    """A follower gets one control record that names the channel; it matches no filter but the whole log."""
    store = await open_store()
    (before,) = await put(store, draft("a", "t"))
    await store.erase(TARGET)
    async for group in store.follow(before):
        (control,) = group
        assert (control.is_control, control.channel) == (True, TARGET)
        break
    for wanted in (TARGET, Channel("a", "*"), Channel("*", "t")):
        assert await everything(store, Filter.of(wanted)) == []


async def test_cursors_go_on_without_a_gap(open_store: Opener) -> None:
    """A cursor before, at or behind an erased record is as good as before, also when the erased one was the newest."""
    store = await open_store()
    cursors = await put(store, draft("b", "t"), draft("a", "t"), draft("b", "t"), draft("a", "t"))
    await store.erase(TARGET)
    (later,) = await put(store, draft("b", "t"))
    for cursor in cursors:
        found = await page(store, cursor, Filter.of(Channel("b", "t")))
        assert found.gap is None
        assert positions(found.records)[-1] == later.position
    assert await store.get(cursors[1].position) is None


async def test_many_go_and_retention_counts_what_stays(open_store: Opener, clock: Clock) -> None:
    """More than one step's worth goes; bytes and messages of what is left are what retention measures."""
    store = await open_store(Retention(max_age_s=None, max_bytes=None, max_messages=10))
    await put(store, *(draft("a", "t") for _ in range(1200)), *(draft("b", "t") for _ in range(9)))
    assert await store.erase(TARGET) == 1200
    assert await trim_all(store) == 0
    await put(store, draft("b", "t"))
    assert await trim_all(store) == 1


async def test_keys_outlive_erasing(open_store: Opener) -> None:
    """A retry of an erased message is still a duplicate, not a second message."""
    store = await open_store()
    keyed = draft("a", "t", keys=("k",))
    (first,) = await put(store, keyed)
    await store.erase(TARGET)
    (again,) = await store.append([keyed])
    assert again == Appended(first, duplicate=True)


async def test_the_newest_stays_the_newest(open_store: Opener) -> None:
    """Erasing everything moves no end of the log backwards: positions are never used twice."""
    store = await open_store()
    (last,) = await put(store, draft("a", "t"))
    await store.erase(TARGET)
    assert (await store.bounds()).newest.position > last.position
    (next_one,) = await put(store, draft("a", "t"))
    assert next_one.position > last.position

"""Pages of the log for operators: complete, in order, and told where they end."""

from __future__ import annotations

import pytest
from tests.hub.loops import manual
from tests.hub.support import bench, drafted, now_ms, place, wanted

from fast_sse.hub import retained as module
from fast_sse.hub.retained import Retained
from fast_sse.model.cursor import parse_cursor
from fast_sse.store.base import Bounds, Retention
from fast_sse.store.memory.store import MemoryStore


def data(page: Retained) -> list[bytes]:
    """What was published."""
    return [record.data for record in page.records]


async def test_the_newest_of_a_channel() -> None:
    """In the order of the log, and nothing of other channels; `through` is the end."""
    async with bench() as hub:
        await hub.publish("a/t", 1, 2, 3)
        (last,) = await hub.publish("b/t", 4)
        page = await hub.hub.retained.newest(wanted("a/t"), 2)
        assert (data(page), page.ended, page.newest) == ([b"2", b"3"], True, last)
        assert data(await hub.hub.retained.newest(wanted("*/*"), 2)) == [b"3", b"4"]
        assert data(await hub.hub.retained.newest(wanted("c/t"), 2)) == []


async def test_page_after_page() -> None:
    """From the earliest on, each begins where the last one ended; the last one says that it is."""
    async with bench() as hub:
        for number in range(5):
            await hub.publish("a/t", number)
            await hub.publish("b/t", "other")
        found, cursor, pages = [], None, 0
        while True:
            page = await hub.hub.retained.after(wanted("a/t"), cursor, 2)
            found += data(page)
            cursor, pages = page.through, pages + 1
            if page.ended:
                break
        assert (found, pages) == ([b"0", b"1", b"2", b"3", b"4"], 3)


async def test_from_a_time_to_a_time() -> None:
    """The first second is part of it, the last is not; behind it nothing more is looked for."""
    async with bench() as hub:
        begin_ms = now_ms()
        for number in range(5):
            await hub.publish("a/t", number)
            await manual().elapse(1)
        pages = hub.hub.retained
        page = await pages.since(wanted("a/t"), begin_ms + 1000, 10, begin_ms + 3000)
        assert (data(page), page.ended) == ([b"1", b"2"], True)
        page = await pages.since(wanted("a/t"), begin_ms + 1000, 1, begin_ms + 3000)
        assert (data(page), page.ended) == ([b"1"], False)
        assert data(await pages.after(wanted("a/t"), page.through, 10, begin_ms + 3000)) == [b"2"]
        page = await pages.since(wanted("a/t"), begin_ms + 3000, 10, begin_ms + 1000)
        assert (data(page), page.ended) == ([], True)
        assert data(await pages.since(wanted("a/t"), begin_ms + 60_000, 10)) == []


async def test_what_cannot_be_continued_is_named() -> None:
    """A place that retention took, or one of another log: the page begins behind it, and says why."""
    store = MemoryStore(Retention(max_age_s=None, max_bytes=None, max_messages=2), now_ms=now_ms)
    await store.open()
    async with bench(store) as hub:
        first, *_ = await hub.publish("a/t", 0, 1, 2, 3)
        while await store.trim():
            pass
        page = await hub.hub.retained.after(wanted("a/t"), first, 10)
        assert page.gap is not None
        assert (page.gap.reason, data(page)) == ("trimmed", [b"2", b"3"])
        page = await hub.hub.retained.since(wanted("a/t"), 0, 10)
        assert page.gap is not None
        assert (page.gap.reason, data(page)) == ("trimmed", [b"2", b"3"])
        other = parse_cursor("m1.0000000000000.1")
        page = await hub.hub.retained.after(wanted("a/t"), other, 10)
        assert page.gap is not None
        assert (page.gap.reason, data(page)) == ("epoch", [b"2", b"3"])
        assert (await hub.hub.retained.after(wanted("a/t"), None, 10)).gap is None
    await store.close()


async def test_what_nodes_say_to_each_other_is_no_message() -> None:
    """The record that erases a channel is not among those of any."""
    async with bench() as hub:
        await hub.publish("a/t", 1)
        erasing = manual().create_task(hub.hub.erase(place("b/t")))
        await manual().idle()
        await erasing
        assert data(await hub.hub.retained.newest(wanted("*/*"), 10)) == [b"1"]
        assert data(await hub.hub.retained.after(wanted("*/*"), None, 10)) == [b"1"]


async def test_large_messages_make_short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page has a bound in bytes, and what is left of the newest follows behind it."""
    monkeypatch.setattr(module, "PAGE_BYTES_MAX", 1000)
    async with bench() as hub:
        await hub.publish("a/t", *("x" * 600 for _ in range(3)))
        page = await hub.hub.retained.newest(wanted("a/t"), 3)
        assert (len(page.records), page.ended) == (1, False)
        page = await hub.hub.retained.after(wanted("a/t"), page.through, 3)
        assert len(page.records) == 1


async def test_looking_delivers_nothing() -> None:
    """A message that only an operator saw has been handed to nobody."""
    async with bench() as hub:
        (cursor,) = await hub.publish("a/t", 1)
        await hub.hub.retained.newest(wanted("a/t"), 1)
        delivery = hub.hub.delivery
        shown = delivery.indicator(await delivery.find(cursor.text))
        assert (shown.state, shown.written) == ("stored", 0)


async def test_what_is_published_while_a_page_is_read_is_not_passed_over() -> None:
    """A page that goes past the end that was seen first holds what stands there, also as the last one of a channel."""
    async with bench() as hub:
        await hub.publish("a/t", 1)
        pages, bounds = hub.hub.retained, hub.store.bounds
        published = iter((2, 3))

        async def outrun() -> Bounds:
            seen = await bounds()
            await hub.store.append([drafted("a/t", next(published))])
            return seen

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hub.store, "bounds", outrun)
            page = await pages.after(wanted("a/t"), None, 10)
            assert (data(page), page.newest) == ([b"1", b"2"], page.through)
            assert data(await pages.newest(wanted("a/t"), 1)) == [b"3"]
        assert data(await pages.after(wanted("a/t"), page.through, 10)) == [b"3"]
        await manual().idle()


async def test_what_was_erased_between_two_pages_is_not_shown() -> None:
    """The next page goes on behind the first, through places that are gone, without a gap and without the word to the nodes."""
    async with bench() as hub:
        await hub.publish("a/t", 0, 1, 2)
        await hub.publish("b/t", 3)
        page = await hub.hub.retained.after(wanted("*/t"), None, 2)
        assert (data(page), page.ended) == ([b"0", b"1"], False)
        erasing = manual().create_task(hub.hub.erase(place("a/t")))
        await manual().idle()
        assert erasing.result().entries == 3
        page = await hub.hub.retained.after(wanted("*/t"), page.through, 10)
        assert (data(page), page.ended, page.gap) == ([b"3"], True, None)
        assert data(await hub.hub.retained.newest(wanted("*/t"), 10)) == [b"3"]

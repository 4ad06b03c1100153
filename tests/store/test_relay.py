"""The window of recent groups."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.backends import draft

from fast_sse.model.channel import Filter
from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import StoreClosedError, UnavailableError
from fast_sse.model.message import Record
from fast_sse.store.base import Gap, OvertakenError, Page
from fast_sse.store.record import record_of, weight
from fast_sse.store.relay import Relay

LOG = Cursor("s1", "0" * 13, 0)


def records(*places: int) -> list[Record]:
    return [record_of(draft(), place, 0) for place in places]


class Pages:
    """The store behind the window; counts how often it is asked."""

    def __init__(self) -> None:
        self.log: list[Record] = []
        self.asked = 0
        self.broken = False

    async def __call__(self, _wanted: Filter, after: Cursor, _records_max: int, _bytes_max: int) -> Page:
        self.asked += 1
        place = after.position
        if self.broken:
            raise UnavailableError("down")
        found = [record for record in self.log if record.position > place][:2]
        return Page(found, LOG.at(place), LOG.at(found[-1].position if found else place))


async def test_the_window_needs_no_store() -> None:
    """A follower inside the window is handed the very groups, and the store is never asked."""
    relay, pages = Relay(0), Pages()
    first, second = records(1, 2), records(5)
    follower = relay.follow(LOG.at(0), pages)
    relay.push(first)
    relay.push(second)
    assert await anext(follower) is first
    assert await anext(follower) is second
    assert pages.asked == 0


async def test_part_of_a_group_is_not_repeated() -> None:
    """A follower whose cursor lies inside a group is handed the rest of it."""
    relay, pages = Relay(0), Pages()
    relay.push(records(1, 2, 3))
    assert [one.position for one in await anext(relay.follow(LOG.at(2), pages))] == [3]


async def test_what_was_read_ahead_is_not_repeated() -> None:
    """A cursor above what was pushed so far (a read saw the commit first) waits for what is above it."""
    relay, pages = Relay(0), Pages()
    follower = relay.follow(LOG.at(2), pages)
    relay.push(records(1, 2))
    relay.push(records(3))
    assert [one.position for one in await anext(follower)] == [3]


@pytest.mark.parametrize("bound", [{"records_max": 4}, {"bytes_max": 900}], ids=["records", "bytes"])
async def test_the_window_is_bounded(bound: dict[str, int]) -> None:
    """What falls out of the window comes from the store by pages, then the window goes on without a seam."""
    relay, pages = Relay(0, **bound), Pages()
    follower = relay.follow(LOG.at(0), pages)
    for place in range(1, 10):
        pages.log += records(place)
        relay.push(pages.log[-1:])
    heard: list[int] = []
    while len(heard) < 9:
        heard += [one.position for one in await anext(follower)]
    assert heard == list(range(1, 10))
    assert 3 <= pages.asked <= 4


@pytest.mark.parametrize("less", [0, 1], ids=["exactly", "one less"])
@pytest.mark.parametrize("unit", ["records", "bytes"])
async def test_the_window_holds_exactly_its_bound(unit: str, less: int) -> None:
    """Groups of exactly as many records or bytes as it may have stay; with one less the store is asked."""
    groups = [records(1), records(2, 3)]
    weights = [weight(record) for group in groups for record in group]
    most = {"records_max": len(weights) - less} if unit == "records" else {"bytes_max": sum(weights) - less}
    relay, pages = Relay(0, **most), Pages()
    pages.log = [record for group in groups for record in group]
    for group in groups:
        relay.push(group)
    await anext(relay.follow(LOG.at(0), pages))
    assert pages.asked == less


async def test_a_restart_sends_everybody_to_the_store() -> None:
    """After an unknown outcome the log may hold what was never pushed: followers read it."""
    relay, pages = Relay(0), Pages()
    follower = relay.follow(LOG.at(0), pages)
    waiting = asyncio.ensure_future(anext(follower))
    await asyncio.sleep(0)
    pages.log = records(1)
    relay.restart(1)
    assert [one.position for one in await waiting] == [1]
    relay.push(records(2))
    assert [one.position for one in await anext(follower)] == [2]


async def test_a_follower_goes_on_in_the_window_after_a_restart() -> None:
    """The place that a follower had in the window before counts for nothing in the one that begins."""
    relay, pages = Relay(0), Pages()
    follower = relay.follow(LOG.at(0), pages)
    for place in (1, 2):
        relay.push(records(place))
        await anext(follower)
    pages.log = records(1, 2, 3)
    relay.restart(3)
    assert [one.position for one in await anext(follower)] == [3]
    waiting = asyncio.ensure_future(anext(follower))
    relay.push(records(4))
    await asyncio.sleep(0)
    assert waiting.done()
    assert [one.position for one in waiting.result()] == [4]


async def test_a_restart_makes_everybody_look_whether_their_place_stands() -> None:
    """Also a follower that is level or ahead asks the store once, with the fingerprint of what it heard last."""
    relay, pages = Relay(0), Pages()
    follower = relay.follow(LOG.at(0), pages)
    relay.push([record_of(draft(), 3, 0, "0123abv")])
    await anext(follower)
    asked: list[Cursor] = []

    async def read(_wanted: Filter, after: Cursor, _records_max: int, _bytes_max: int) -> Page:
        asked.append(after)
        return Page([], after, after, Gap("lost_tail", LOG.at(1)))

    again = relay.follow(LOG.at(3, "0123abv"), read)
    waiting = asyncio.ensure_future(anext(again))
    await asyncio.sleep(0)
    relay.restart(1)
    relay.push(records(2, 5))
    with pytest.raises(OvertakenError) as caught:
        await waiting
    assert (caught.value.gap, asked) == (Gap("lost_tail", LOG.at(1)), [LOG.at(3, "0123abv")])
    late = relay.follow(LOG.at(3, "0123abv"), read)
    with pytest.raises(OvertakenError):
        await anext(late)
    after_it = relay.follow(LOG.at(1), pages)
    assert [one.position for one in await anext(after_it)] == [2, 5]


async def test_a_failed_relay_says_so_until_it_heals() -> None:
    """Followers hear why nothing comes, those that wait and those that come later; afterwards it goes on."""
    relay, pages = Relay(0), Pages()
    waiting = asyncio.ensure_future(anext(relay.follow(LOG.at(0), pages)))
    await asyncio.sleep(0)
    relay.fail("down")
    for follower in (waiting, anext(relay.follow(LOG.at(0), pages))):
        with pytest.raises(UnavailableError, match="down"):
            await follower
    relay.heal()
    relay.push(records(1))
    assert [one.position for one in await anext(relay.follow(LOG.at(0), pages))] == [1]
    assert pages.asked == 0


async def test_an_error_of_the_store_reaches_the_follower() -> None:
    """A follower that cannot be served hears why, and may follow again."""
    relay, pages = Relay(0), Pages()
    relay.restart(5)
    pages.broken = True
    with pytest.raises(UnavailableError):
        await anext(relay.follow(LOG.at(0), pages))


async def test_one_cancelled_follower_leaves_the_others() -> None:
    """Followers wait for the same news, and one that leaves takes it from nobody."""
    relay, pages = Relay(0), Pages()
    followers = [asyncio.ensure_future(anext(relay.follow(LOG.at(0), pages))) for _ in range(2)]
    await asyncio.sleep(0)
    followers[0].cancel()
    await asyncio.sleep(0)
    relay.push(records(1))
    assert len(await followers[1]) == 1


async def test_a_closed_relay_ends_its_followers() -> None:
    """Followers that wait and followers that come later hear that the store is closed."""
    relay, pages = Relay(0), Pages()
    waiting = asyncio.ensure_future(anext(relay.follow(LOG.at(0), pages)))
    await asyncio.sleep(0)
    relay.close()
    for follower in (waiting, anext(relay.follow(LOG.at(0), pages))):
        with pytest.raises(StoreClosedError):
            await follower


async def test_a_page_that_the_end_cuts_off_is_the_end() -> None:
    """Closing takes a connection away from a follower that is just reading: it hears of the end, not of an outage."""
    relay, asked, answer = Relay(0), asyncio.Event(), asyncio.Event()
    relay.restart(5)

    async def read(_wanted: Filter, _after: Cursor, _records_max: int, _bytes_max: int) -> Page:
        asked.set()
        await answer.wait()
        raise UnavailableError("the connection was lost")

    reading = asyncio.ensure_future(anext(relay.follow(LOG.at(0), read)))
    await asked.wait()
    relay.close()
    answer.set()
    with pytest.raises(StoreClosedError):
        await reading

"""Where two histories part, found by halving."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_sse.store.redis.trail import Trail


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(0, 3000))
async def test_the_last_common_place_is_found_in_two_questions(read: int, common: int) -> None:
    """For any number of places read and any number that still stand, with at most 512 places sent."""
    places = [f"{number}-0-0000000" for number in range(read)]
    common = min(common, read)
    standing = set(places[:common])
    asked: list[int] = []

    async def stands(some: list[str]) -> int:
        asked.append(len(some))
        return sum(place in standing for place in some)

    trail = Trail()
    trail.add(places)
    assert await trail.last_common(stands) == (places[common - 1] if common else None)
    assert len(asked) <= 2
    assert sum(asked) <= 512


async def test_a_trail_is_bounded() -> None:
    """The oldest places go; what is left is still searched."""
    trail = Trail(length_max=4)
    trail.add([f"{number}" for number in range(10)])
    seen: list[list[str]] = []

    async def stands(some: list[str]) -> int:
        seen.append(some)
        return 0

    assert await trail.last_common(stands) is None
    assert seen == [["6", "7", "8", "9"]]


@pytest.mark.parametrize(("place", "left"), [("2", ["0", "1", "2"]), ("x", ["x"])])
async def test_going_back_forgets_what_was_lost(place: str, left: list[str]) -> None:
    """Everything after the place, or everything when it was never read."""
    trail = Trail()
    trail.add(["0", "1", "2", "3"])
    trail.go_back_to(place)

    async def stands(some: list[str]) -> int:
        assert set(some) <= set(left)
        return len(some)

    assert await trail.last_common(stands) == left[-1]

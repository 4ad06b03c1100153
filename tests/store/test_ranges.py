"""Filters as index ranges."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.channel import Channel, Filter
from fast_sse.store.ranges import ALL, Range, ranges

segments = st.sampled_from(["a", "b", "c", "*"])
channels = st.builds(Channel, segments, segments)


def test_an_exact_channel_is_four_ranges() -> None:
    """A record for (id, type) was published to one of exactly four channels."""
    wanted = Filter.of(Channel("a", "b"))
    assert set(ranges(wanted)) == set(itertools.starmap(Range, itertools.product("a*", "b*")))


def test_everything_is_one_range() -> None:
    """A filter that holds (*,*) is the whole log, whatever else it holds."""
    assert ranges(Filter.of(Channel("a", "b"), Channel("*", "*"))) == (ALL,)


@given(st.lists(channels, min_size=1, max_size=4), channels)
def test_the_ranges_are_the_rule_of_matching(patterns: list[Channel], record: Channel) -> None:
    """A record lies in one of a filter's ranges exactly when the filter matches it."""
    wanted = Filter.of(*patterns)
    inside = any(
        one.event_id in (None, record.event_id) and one.event_type in (None, record.event_type)
        for one in ranges(wanted)
    )
    assert inside == wanted.matches(record)

"""Which live sets a record belongs to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.hub.support import forgotten, place, wanted

from fast_sse.hub.form import Form
from fast_sse.hub.index import Index
from fast_sse.hub.live_set import LiveSet
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import Cursor

ORIGIN = Cursor("m1", "0" * 13, 0)

segments = st.sampled_from(["a", "b", "c", "*"])
channels = st.builds(Channel, segments, segments)
filters = st.lists(channels, min_size=1, max_size=5).map(lambda some: Filter.of(*some))


def live_set(asked: Filter, form: Form | None = None) -> LiveSet:
    """One that nobody is in."""
    return LiveSet(asked, form or Form(), ORIGIN, 0.0)


@pytest.mark.slow
@given(st.lists(filters, max_size=8, unique=True), channels, st.data())
def test_matching_by_dictionary_equals_brute_force(
    asked: list[Filter], record: Channel, data: st.DataObject
) -> None:
    """Every live set whose filter matches is found, and no other; also after some sets were forgotten."""
    index = Index()
    sets = [live_set(one) for one in asked]
    for one in sets:
        index.add(one)
    gone = data.draw(st.sets(st.sampled_from(sets))) if sets else set()
    for one in gone:
        index.remove(one)
    due = {id(one) for one in sets if one not in gone and one.filter.matches(record)}
    assert {id(one) for one in index.matching(record)} == due


def test_live_sets_of_one_filter_in_two_forms_are_two() -> None:
    """A record finds both; one that is forgotten leaves the other, and the last one leaves nothing behind."""
    index, asked = Index(), wanted("a/t", "*/u")
    both = [live_set(asked, Form(chunked)) for chunked in (True, False)]
    for one in both:
        index.add(one)
    assert list(index.matching(place("a/t"))) == both
    index.remove(both[0])
    assert list(index.matching(place("b/u"))) == both[1:]
    index.remove(both[1])
    assert forgotten(index)

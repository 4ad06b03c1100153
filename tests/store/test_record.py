"""From draft to record."""

from __future__ import annotations

from tests.contract.backends import draft

from fast_sse.store.record import record_of, weight


def test_a_life_is_counted_from_storing() -> None:
    """`expires_ms` is store time plus the time to live; none means never."""
    assert record_of(draft(ttl_ms=500), 1, 1000).expires_ms == 1500
    assert record_of(draft(), 1, 1000).expires_ms == 0


def test_a_record_is_never_earlier_than_the_one_before() -> None:
    """Its time is the clock's or the last record's, whichever is later."""
    times = [record_of(draft(), 1, now_ms, last_ms=500).time_ms for now_ms in (400, 500, 600)]
    assert times == [500, 500, 600]


def test_a_life_is_counted_from_the_clock() -> None:
    """It ends by the clock that is asked whether it has, also when that stepped back behind the last record."""
    assert record_of(draft(ttl_ms=50), 1, 400, last_ms=500).expires_ms == 450


def test_a_record_weighs_more_than_its_bytes() -> None:
    """Even an empty record costs its row and its indexes, so that a bound of bytes bounds their number too."""
    small, large = (record_of(draft(data=b"x" * size), 1, 0) for size in (0, 1000))
    assert weight(small) > 100
    assert weight(large) - weight(small) == 1000

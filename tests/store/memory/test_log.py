"""The memory store's indexes."""

from __future__ import annotations

from tests.contract.backends import draft

from fast_sse.model.channel import Channel, Filter
from fast_sse.model.message import Record
from fast_sse.store.memory.log import MemoryLog
from fast_sse.store.ranges import ALL, ranges
from fast_sse.store.record import record_of


def test_trimmed_records_leave_no_trace() -> None:
    """However much is appended and trimmed, what the log holds is what is retained: indexes included."""
    log = MemoryLog()
    for place in range(1, 5001):
        log.add(record_of(draft(f"id{place}"), place, 0))
        if len(log) > 10 and (oldest := log.oldest()):
            log.drop(oldest)
    assert len(log) == 10
    assert sum(len(places) for places in log._indexes.values()) < 300
    assert len(log._indexes) < 40


def test_a_range_is_walked_from_a_place() -> None:
    """Reading begins above a position without walking what is below."""
    log = MemoryLog()
    for place in range(1, 101):
        log.add(record_of(draft("a" if place % 2 else "b"), place, 0))
    wanted = ranges(Filter.of(Channel("a", "t")))
    assert [one.position for one in log.after(wanted, 95)] == [97, 99]
    assert log.nth_from_end(wanted, 2) == 97
    assert log.nth_from_end(ranges(Filter.of(Channel("z", "t"))), 2) is None
    assert [one.position for one in log.after((ALL,), 99)] == [100]


def test_a_time_is_found_among_what_is_retained() -> None:
    """Index entries of trimmed records, which are cut off later, are not looked at."""
    log = MemoryLog()
    for place in range(1, 101):
        log.add(record_of(draft(), place, place * 10))
    for _ in range(40):
        oldest = log.oldest()
        assert oldest is not None
        log.drop(oldest)
    assert len(log._indexes[ALL]) > len(log)
    assert [log.first_since(time_ms) for time_ms in (0, 401, 411, 1000, 1001)] == [41, 41, 42, 100, None]
    assert (log.trimmed_ms, log.newest_ms) == (400, 1000)


def test_a_time_is_found_by_halving() -> None:
    """In a log of many thousands some twenty records are looked at."""
    log = MemoryLog()
    for place in range(1, 20_001):
        log.add(record_of(draft(), place, place))
    looks: list[int] = []

    class Seen(dict[int, Record]):
        def __getitem__(self, place: int) -> Record:
            looks.append(place)
            return super().__getitem__(place)

    log._records = Seen(log._records)
    assert log.first_since(12_345) == 12_345
    assert len(looks) <= 16

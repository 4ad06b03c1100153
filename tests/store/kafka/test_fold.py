"""Which entry of the topic is new, which is an earlier message again: the same on every node."""

from __future__ import annotations

from tests.contract.backends import draft
from tests.store.kafka.entries import NOW_MS, poison, raw

from fast_sse.model.cursor import fingerprint_text
from fast_sse.model.errors import KeyConflictError
from fast_sse.store.kafka.entry import decode
from fast_sse.store.kafka.fold import Answered, FoldedGroup, Folding, Raw
from fast_sse.store.rows.entries import ENTRY_VALUES

WINDOW_MS = 1000
KEYED = draft(keys=("k",))


def folded(*entries: Raw) -> FoldedGroup:
    folding = Folding(WINDOW_MS)
    for entry in entries:
        folding.take(entry, decode(entry.value))
    return folding.group


def test_the_first_occurrence_of_a_key_wins() -> None:
    """Later ones are duplicates: no records, and answered with the place and the fingerprint of the first."""
    group = folded(raw(3, KEYED), raw(4, KEYED))
    first = fingerprint_text(4)
    assert [(record.position, record.fingerprint) for record in group.records] == [(4, first)]
    assert group.answers == [Answered(4 << 32, 4, first), Answered(5 << 32, 4, first, duplicate=True)]


def test_another_body_under_the_key_is_a_conflict() -> None:
    """A conflict is no record either, and its answer is the error."""
    group = folded(raw(0, KEYED), raw(1, draft(data=b"2", keys=("k",))), raw(2))
    assert [record.position for record in group.records] == [1, 3]
    assert isinstance(group.answers[1].conflict, KeyConflictError)


def test_the_window_is_measured_by_the_time_of_the_log() -> None:
    """A key ends WINDOW_MS after the LogAppendTime of its first entry, whatever any node's clock says."""
    group = folded(
        raw(0, KEYED),
        raw(1, KEYED, time_ms=NOW_MS + WINDOW_MS - 1),
        raw(2, KEYED, time_ms=NOW_MS + WINDOW_MS),
    )
    assert [answer.duplicate for answer in group.answers] == [False, True, False]


def test_poison_is_a_place_and_nothing_else() -> None:
    """What nobody can read is skipped and named; its neighbours are records."""
    group = folded(raw(0), poison(1), raw(2))
    assert [record.position for record in group.records] == [1, 3]
    assert group.poisoned == [2]


def test_time_to_live_begins_with_the_log() -> None:
    """A record's time is the broker's, and so is the end of its life."""
    (record,) = folded(raw(0, draft(ttl_ms=500), time_ms=NOW_MS + 7)).records
    assert (record.time_ms, record.expires_ms) == (NOW_MS + 7, NOW_MS + 507)


def test_a_record_is_never_earlier_than_the_one_before() -> None:
    """A leader whose clock is behind moves no record's time back, nor does poison."""
    behind = NOW_MS - 5000
    group = folded(raw(0), raw(1, time_ms=behind), poison(2, time_ms=NOW_MS + 10), raw(3, time_ms=behind))
    assert [record.time_ms - NOW_MS for record in group.records] == [0, 0, 10]
    folding = Folding(WINDOW_MS, NOW_MS + 20)
    folding.take(raw(4), decode(raw(4).value))
    folding.take(poison(5), None)
    assert folding.group.records[0].time_ms == NOW_MS + 20
    assert folding.values[ENTRY_VALUES + 2] == NOW_MS + 20


def test_keys_and_lives_go_by_the_time_of_the_log_itself() -> None:
    """Where a leader's clock is behind, both are counted by it, as on every other node."""
    behind = NOW_MS - 5000
    keyed = draft(keys=("k",), ttl_ms=500)
    group = folded(
        raw(0),
        raw(1, keyed, time_ms=behind),
        raw(2, keyed, time_ms=behind + WINDOW_MS - 1),
        raw(3, keyed, time_ms=behind + WINDOW_MS),
    )
    assert [answer.duplicate for answer in group.answers] == [False, False, True, False]
    assert [record.expires_ms for record in group.records[1:]] == [behind + 500, behind + WINDOW_MS + 500]

"""Groups, as prepared on the loop and as resolved by the writer."""

from __future__ import annotations

import asyncio

from tests.contract.backends import draft

from fast_sse.model.channel import Channel
from fast_sse.model.errors import KeyConflictError
from fast_sse.model.message import Draft, erasure
from fast_sse.store.dedup import Known
from fast_sse.store.pace import Instant
from fast_sse.store.rows.channels import CONTROL, Numbers
from fast_sse.store.rows.entries import ENTRY_VALUES
from fast_sse.store.sqlite.group import Batch, Job, job, resolve_group

NUMBERS = Numbers()


def made(above: int, *drafts: Draft, last_ms: int = 0, numbers: Numbers = NUMBERS) -> Job:
    loop = asyncio.new_event_loop()
    try:
        return job(loop.create_future(), drafts, above, Instant(1000, 1000, 1000), last_ms, 500, numbers)
    finally:
        loop.close()


def test_jobs_are_numbered_above_a_position() -> None:
    """Records get the next positions, in the order of the drafts."""
    one = made(10, draft(), draft())
    assert [record.position for record in one.records] == [11, 12]
    assert len(one.values) == 2 * ENTRY_VALUES


def test_a_group_of_new_keys_is_its_jobs_end_to_end() -> None:
    """The writer joins what the loop made; nothing is made again."""
    jobs = [made(0, draft(keys=("k1", "k2"))), made(1, draft())]
    group = Batch.of(jobs, NUMBERS)
    assert group.values == jobs[0].values + jobs[1].values
    assert (group.records, len(group.digests), group.newest) == (2, 2, 2)
    assert not group.repeats_a_key()
    assert resolve_group(jobs, {}, NUMBERS) == (group, {})


def test_a_repeat_inside_a_group_is_seen() -> None:
    """Across its jobs too."""
    assert Batch.of([made(0, draft(keys=("k",))), made(1, draft(keys=("k",)))], NUMBERS).repeats_a_key()


def test_duplicates_and_conflicts_are_taken_out() -> None:
    """What is known is not written again; its unknown keys are, for the earlier position."""
    jobs = [made(10, draft(keys=("k1", "k2")), draft(keys=("k3",)), draft(data=b"new"))]
    k1, k2, k3 = jobs[0].digests
    known = Known(4, b"1", 5000)
    group, special = resolve_group(jobs, {k1: known, k3: Known(5, b"other", 5000)}, NUMBERS)
    assert special[11] == known
    assert isinstance(special[12], KeyConflictError)
    assert group.digests == [k2]
    assert (group.records, group.newest) == (1, 13)
    assert group.values[0] == 4
    assert group.values[ENTRY_VALUES - 4] == k2


def test_a_key_past_its_window_is_given_anew() -> None:
    """It is named as ended, so that it can be removed in the same transaction."""
    jobs = [made(10, draft(keys=("k",)))]
    (digest,) = jobs[0].digests
    group, special = resolve_group(jobs, {digest: Known(4, b"other", 1000)}, NUMBERS)
    assert (group.ended, special) == ((digest,), {})


def test_keys_go_by_the_clock_where_it_stepped_back() -> None:
    """Records take the time of the last one; windows of keys begin and end by the clock, resolved or not."""
    one = made(10, draft(keys=("k",)), last_ms=5000)
    assert [record.time_ms for record in one.records] == [5000]
    ended = Known(4, b"1", 1000)
    for values in (one.values, resolve_group([one], {}, NUMBERS)[0].values):
        assert values[ENTRY_VALUES - 2] == 1500
    group, special = resolve_group([one], {one.digests[0]: ended._replace(expires_ms=1001)}, NUMBERS)
    assert (group.records, special[11].position) == (0, 4)  # type: ignore[union-attr]
    assert resolve_group([one], {one.digests[0]: ended}, NUMBERS)[0].ended == (one.digests[0],)


def test_a_known_channel_is_handed_as_its_number() -> None:
    """Others by their names, which are to be learned; a control record has none that a filter could match."""
    numbers = Numbers()
    numbers.learn([(Channel("a", "t"), 7)])
    one = made(0, draft("a"), draft("b"), erasure(Channel("a", "t")), numbers=numbers)
    assert one.values[1::ENTRY_VALUES] == [7, "b/t", CONTROL]
    assert list(one.unknown) == [Channel("b", "t")]


def test_a_number_that_was_forgotten_meanwhile_is_not_written() -> None:
    """Rows made before retention forgot a channel are given names: the number may be another channel's by now."""
    numbers = Numbers()
    numbers.learn([(Channel("a", "t"), 7)])
    one = made(0, draft("a", keys=("k", "l")), draft("a"), numbers=numbers)
    assert Batch.of([one], numbers).values[1::ENTRY_VALUES] == [7, None, 7]
    numbers.forget([Channel("other", "t")])
    assert Batch.of([one], numbers).values[1::ENTRY_VALUES] == [7, None, 7]
    numbers.forget([Channel("a", "t")])
    assert Batch.of([one], numbers).values[1::ENTRY_VALUES] == ["a/t", None, "a/t"]
    assert one.values[1::ENTRY_VALUES] == [7, None, 7]

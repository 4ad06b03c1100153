"""A view is what the topic says, can be thrown away, and is never believed when it is not that."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.backends import draft
from tests.store.kafka.entries import NOW_MS, poison, raw

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, fingerprint_text
from fast_sse.model.errors import ConfigError, KeyConflictError
from fast_sse.model.message import erasure
from fast_sse.store.base import Appended, Windows
from fast_sse.store.kafka.fold import known_outcomes
from fast_sse.store.kafka.view import View

EPOCH = "e" * 13


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    made = View(tmp_path / "data" / "view-a.db", Windows())
    assert not made.open(EPOCH)
    yield made
    made.close()


@contextmanager
def opened(path: Path, windows: Windows) -> Iterator[View]:
    view = View(path, windows)
    view.open(EPOCH)
    try:
        yield view
    finally:
        view.close()


def seqs(view: View) -> list[int]:
    return [row[0] for row in view.log.connection.execute("SELECT seq FROM log ORDER BY seq")]


def reopened(view: View, epoch: str = EPOCH) -> bool:
    view.close()
    return view.open(epoch)


def test_a_view_is_kept_between_starts(view: View) -> None:
    """What was read once is not read again."""
    view.fold([raw(0), raw(1)])
    assert reopened(view)
    assert (seqs(view), view.read_to) == ([1, 2], 2)


@pytest.mark.parametrize(
    "damage", ["missing", "no database", "empty", "flipped", "other form", "other topic"]
)
def test_a_view_that_is_no_use_is_replaced(view: View, damage: str) -> None:
    """Missing, damaged, of another form or of another topic: an empty one takes its place, and nothing is served."""
    view.fold([raw(number, draft(data=b"x" * 3000)) for number in range(50)])
    view.log.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    view.close()
    if damage == "missing":
        view.path.unlink()
    elif damage == "no database":
        view.path.write_bytes(b"not a database" * 1000)
    elif damage == "empty":
        view.path.write_bytes(b"")
    elif damage == "flipped":
        content = bytearray(view.path.read_bytes())
        for place in range(4096, len(content), 4096):
            content[place : place + 64] = bytes(byte ^ 0xFF for byte in content[place : place + 64])
        view.path.write_bytes(content)
    elif damage == "other form":
        with sqlite3.connect(view.path) as connection:
            connection.execute("PRAGMA application_id = 1")
        connection.close()
    assert not view.open("f" * 13 if damage == "other topic" else EPOCH)
    assert (seqs(view), view.newest, view.read_to) == ([], 0, 0)
    view.fold([raw(0)])
    assert seqs(view) == [1]


def test_one_process_has_the_view(view: View, tmp_path: Path) -> None:
    """A second process of the same name would write the same file: it is refused, by the setting to change."""
    other = View(view.path, Windows())
    with pytest.raises(ConfigError, match=r"^node: another process"):
        other.open(EPOCH)


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Waiting would not mend it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"^data_dir: "):
        View(tmp_path / "file" / "view-a.db", Windows()).open(EPOCH)


def test_a_duplicate_moves_what_was_read_and_nothing_else(view: View) -> None:
    """The topic was read beyond the newest record: the next start goes on from there."""
    keyed = draft(keys=("k",))
    view.fold([raw(0, keyed), raw(1, keyed)])
    assert (view.newest, view.read_to, view.anchor) == (1, 2, 2)


def test_the_trim_mark_is_the_last_that_went(view: View) -> None:
    """A cursor at the last trimmed record has missed nothing, so the mark is there, with its fingerprint."""
    keyed = draft(keys=("k",))
    view.fold([raw(0, keyed), raw(1, keyed), raw(2, keyed), raw(3)])
    assert view.trim_to(3) == 1
    assert (view.trimmed, view.print_at(1)) == (1, fingerprint_text(1))
    assert view.trim_to(3) == 0


def test_what_was_never_read_is_behind_the_mark(view: View) -> None:
    """The broker let go what this node had not read: nobody may continue as if nothing had been there."""
    view.fold([raw(0)])
    assert view.trim_to(10) == 1
    assert (view.trimmed, view.newest, view.read_to, view.print_at(10)) == (10, 10, 10, None)


def test_trimming_takes_steps(view: View) -> None:
    """One step removes at most 500."""
    view.fold([raw(number) for number in range(1200)])
    assert [view.trim_to(1100) for _ in range(4)] == [500, 500, 100, 0]
    assert len(seqs(view)) == 100


def test_a_lost_tail_takes_its_keys(view: View) -> None:
    """What entries above the cut said of keys is forgotten, whatever place it stood for."""
    view.fold([raw(0, draft(keys=("a",))), raw(1, draft(keys=("a", "b"))), raw(2, draft(keys=("c",)))])
    view.cut(1)
    assert (seqs(view), view.read_to, view.log.keys()) == ([1], 1, 1)
    group = view.fold([raw(1, draft(keys=("b",))), raw(2, draft(keys=("a",)))])
    assert [answer.duplicate for answer in group.answers] == [False, True]


def test_erasing_leaves_fingerprints_only(view: View) -> None:
    """Cursors at erased records stay good; what they said is in no file."""
    secret = b'"something to forget"'
    view.fold([raw(0, draft("a", "t", data=secret)), raw(1, draft("b", "t"))])
    group = view.fold([raw(2, erasure(Channel("a", "t"))), raw(3, draft("a", "t"))])
    assert group.erased == {3: 1}
    assert seqs(view) == [2, 3, 4]
    assert view.print_at(1) == fingerprint_text(1)
    assert all(secret not in file.read_bytes() for file in view.path.parent.iterdir())


def test_poison_has_a_place_without_a_fingerprint(view: View) -> None:
    """Its place is known and holds nothing."""
    view.fold([raw(0), poison(1)])
    assert (view.newest, view.print_at(2), view.log.get(2)) == (2, NO_FINGERPRINT, None)


def test_a_key_may_be_given_anew_within_one_page(tmp_path: Path) -> None:
    """Two entries of one page carry a key, the second after its window: the view keeps what the second says."""
    with opened(tmp_path / "view-a.db", Windows(key_window_s=10)) as view:
        late = NOW_MS + 10_000
        one, other = draft(keys=("j", "k")), draft(data=b"2", keys=("k", "l"))
        group = view.fold([raw(0, one), raw(1, other, time_ms=late), raw(2, one, time_ms=late)])
        assert [record.position for record in group.records] == [1, 2]
        assert isinstance(group.answers[2].conflict, KeyConflictError)
        assert view.log.keys() == 3
        (again,) = view.fold([raw(3, other, time_ms=late)]).answers
        assert (again.position, again.duplicate) == (2, True)


class Step(NamedTuple):
    """An entry, how far the broker's clock moves before it, and what the view does behind it."""

    keys: tuple[str, ...]
    pass_ms: int
    window_ms: int
    ends_page: bool
    forgets: bool
    reopens: bool


_steps = st.builds(
    Step,
    keys=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=2).map(tuple),
    pass_ms=st.integers(-3, 10),
    window_ms=st.sampled_from([8, 20, 40]),
    ends_page=st.booleans(),
    forgets=st.booleans(),
    reopens=st.integers(0, 9).map(lambda number: number == 0),
)


@settings(max_examples=50, deadline=None)
@given(steps=st.lists(_steps, min_size=1, max_size=30))
def test_which_keys_count_follows_from_the_topic_alone(steps: list[Step]) -> None:
    """More keys than may be: whatever pages are read, cleared away and trimmed between, and whenever, nodes say the same."""
    entries, now_ms = [], NOW_MS
    for offset, step in enumerate(steps):
        now_ms += step.pass_ms
        entries.append(raw(offset, draft(keys=step.keys, window_ms=step.window_ms), time_ms=now_ms))
    with (
        tempfile.TemporaryDirectory() as directory,
        opened(Path(directory) / "view-a.db", Windows(keys_max=3)) as one,
        opened(Path(directory) / "view-b.db", Windows(keys_max=3)) as other,
    ):
        expected = [answer for entry in entries for answer in one.fold([entry]).answers]
        found, page, latest_ms = [], [], 0
        for entry, step in zip(entries, steps, strict=True):
            page.append(entry)
            latest_ms = max(latest_ms, entry.time_ms)
            if step.ends_page or entry is entries[-1]:
                found += other.fold(page).answers
                page = []
                if step.forgets:
                    other.trim_to(entry.offset)
                    other.forget_keys(latest_ms, leeway_ms=100)
                if step.reopens:
                    assert reopened(other)
        assert found == expected
        assert counting(one, now_ms) == counting(other, now_ms)


def counting(view: View, now_ms: int) -> list[tuple[int, bytes]]:
    """The keys that count, whether or not others are there still."""
    return [rank for rank in view.log.oldest_keys(1_000) if rank > max((now_ms, b""), view.floor or (0, b""))]


def test_a_key_that_does_not_count_is_not_answered_from_the_view(tmp_path: Path) -> None:
    """It lies there still, and the topic would call it new: so says this node."""
    with opened(tmp_path / "view-a.db", Windows(keys_max=1)) as view:
        old, new = draft(keys=("old",)), draft(keys=("new",))
        view.fold([raw(0, old), raw(1, new, time_ms=NOW_MS + 1)])
        origin = Cursor("k1", EPOCH, 0, NO_FINGERPRINT)
        found = known_outcomes(view.log, [old, new], NOW_MS, origin, view.floor)
        assert found == [None, Appended(origin.at(2, fingerprint_text(2)), duplicate=True)]


def test_a_first_reading_keeps_no_more_keys_than_it_must(tmp_path: Path) -> None:
    """Nobody clears away while a long topic is read: far above the number keys go as they come, and are counted."""
    with opened(tmp_path / "view-a.db", Windows(keys_max=10)) as view:
        for start in range(0, 4000, 1000):
            view.fold([raw(number, draft(keys=(f"k{number}",))) for number in range(start, start + 1000)])
        assert 10 < view.log.keys() <= 10 + 2000
        assert view.keys_cut == 4000 - view.log.keys()


def test_keys_are_forgotten_by_time_and_by_number(tmp_path: Path) -> None:
    """Past their window keys go; above their number those go that would have ended first, and are counted."""
    view = View(tmp_path / "view-a.db", Windows(key_window_s=100, keys_max=2))
    view.open(EPOCH)
    view.fold([raw(number, draft(keys=(f"k{number}",)), time_ms=NOW_MS + number) for number in range(5)])
    assert view.forget_keys(NOW_MS + 100_000) == 3
    assert (view.keys_cut, view.log.keys()) == (2, 2)
    view.close()


def mark_ms(view: View) -> int | None:
    found: int | None = view.log.connection.execute("SELECT trimmed_ms FROM mark").fetchone()[0]
    return found


def test_the_trim_mark_has_the_time_of_what_went(view: View) -> None:
    """Of the last record that went, as its neighbours made it."""
    view.fold([raw(0, time_ms=NOW_MS + 5), raw(1), raw(2, time_ms=NOW_MS + 9)])
    view.trim_to(2)
    assert (view.trimmed, mark_ms(view)) == (2, NOW_MS + 5)


def test_what_was_never_read_leaves_the_mark_without_a_time(view: View) -> None:
    """The topic let records go that this view never had: nobody here knows until when."""
    view.fold([raw(0)])
    view.trim_to(1)
    view.fold([raw(1)])
    view.trim_to(5)
    assert (view.trimmed, mark_ms(view)) == (5, None)
    view.fold([raw(6, time_ms=NOW_MS + 1)])
    view.trim_to(7)
    assert mark_ms(view) == NOW_MS + 1


def test_times_go_on_from_what_the_view_holds(view: View) -> None:
    """From page to page, after it was opened again, when all was trimmed, and from what is left of a lost tail."""

    def next_ms(offset: int) -> int:
        return view.fold([raw(offset, time_ms=NOW_MS)]).records[0].time_ms - NOW_MS

    view.fold([raw(0, time_ms=NOW_MS + 5), raw(1, time_ms=NOW_MS + 9)])
    assert next_ms(2) == 9
    view.cut(1)
    assert next_ms(1) == 5
    assert reopened(view)
    assert next_ms(2) == 5
    view.trim_to(3)
    assert next_ms(3) == 5


def test_a_group_says_when_the_broker_took_its_last_entry(view: View) -> None:
    """By the broker's clock, which is what time it is, whatever the records before had."""
    view.fold([raw(0, time_ms=NOW_MS + 5)])
    assert view.fold([raw(1), raw(2, time_ms=NOW_MS + 1)]).time_ms == NOW_MS + 1


def test_a_view_of_an_earlier_schema_is_made_anew(view: View, caplog: pytest.LogCaptureFixture) -> None:
    """The topic has all that it held: nothing is converted, and a line says why the topic is read again."""
    view.fold([raw(0), raw(1)])
    view.log.connection.execute("PRAGMA user_version = 3")
    assert not reopened(view)
    assert (seqs(view), view.read_to) == ([], 0)
    assert "is made again (data_dir: the log has schema 3 of an earlier version)" in caplog.text


def test_channels_are_forgotten_with_their_last_record(view: View) -> None:
    """By retention, by an erasure, and with a lost tail."""
    view.fold([raw(0, draft("a")), raw(1, draft("b")), raw(2, draft("c")), raw(3, draft("d"))])
    names = "SELECT group_concat(id, '') FROM channel"
    view.trim_to(1)
    assert view.log.connection.execute(names).fetchone() == ("bcd",)
    view.cut(3)
    assert view.log.connection.execute(names).fetchone() == ("bc",)
    view.fold([raw(3, erasure(draft("b").channel))])
    assert view.log.connection.execute(names).fetchone() == ("c",)


def test_a_view_of_a_later_schema_is_replaced(view: View) -> None:
    """It can be made again, so nothing is guessed about it."""
    view.fold([raw(0)])
    view.log.connection.execute("PRAGMA user_version = 99")
    assert not reopened(view)
    assert seqs(view) == []

"""How pages of dead letters are found, beside what the contract says of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Cursor
from fast_sse.model.letter import Poison, Source
from fast_sse.model.message import Record
from fast_sse.store.letters import LetterBounds, Wanted
from fast_sse.store.pace import Instant
from fast_sse.store.rows import letter_pages
from fast_sse.store.rows.letter_pages import letter_of, letter_page
from fast_sse.store.rows.letters import LetterRows
from fast_sse.store.rows.schema import prepare

ORIGIN = Cursor("s1", "e" * 13, 0)
AT = Instant(1000, 1000, 1000)
LETTERS = 20


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection)
    rows = LetterRows(connection, ORIGIN, LetterBounds())
    for position in range(1, LETTERS + 1):
        record = Record(position, Channel("ab"[position % 2], f"t{position % 5}"), b"1", b"{}", "", b"", 10)
        rows.add(record, AT, maybe=position % 3 == 0, node="a", grace_s=1)
    rows.keep(Poison(source=Source("k", "q", "1"), raw=b"raw", description=""), LETTERS, AT)
    yield connection
    connection.close()


@pytest.mark.parametrize("looked_at_max", [1, 3, 7])
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_filter_looks_at_a_bounded_number_and_goes_on(
    connection: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    looked_at_max: int,
    newest_first: bool,
) -> None:
    """A page may be short or empty while its cursor goes on; together they have each match once, in order."""
    monkeypatch.setattr(letter_pages, "LOOKED_AT_MAX", looked_at_max)
    wanted = Wanted(event_type="t0", newest_first=newest_first)
    found, after, pages = [], "", 0
    while True:
        page = letter_page(connection, wanted, after, 2)
        found += [letter.position for letter in page.items]
        pages += 1
        if page.next is None:
            break
        after = page.next
    assert found == sorted([5, 10, 15, 20], reverse=newest_first)
    assert pages >= LETTERS // looked_at_max


def test_without_a_filter_a_page_is_full(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an index has in order is looked at for as long as the page is, and no further."""
    monkeypatch.setattr(letter_pages, "LOOKED_AT_MAX", 1)
    assert len(letter_page(connection, Wanted(), "", 7).items) == 7
    assert len(letter_page(connection, Wanted(event_id="a", event_type="t0"), "", 2).items) == 2


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "PRIMARY KEY"),
        (Wanted(event_type="t1"), "PRIMARY KEY"),
        (Wanted(event_id="a"), "PRIMARY KEY"),
        (Wanted(event_id="a", event_type="t1"), "letter_channel"),
        (Wanted(reason="poison", after_ms=5), "letter_reason"),
    ],
)
@pytest.mark.parametrize("newest_first", [True, False])
def test_a_page_begins_at_its_place_in_an_index(
    connection: sqlite3.Connection, wanted: Wanted, index: str, newest_first: bool
) -> None:
    """No page walks over those before it, and none is sorted that an index has in order."""
    wanted = Wanted(
        reason=wanted.reason,
        event_id=wanted.event_id,
        event_type=wanted.event_type,
        after_ms=wanted.after_ms,
        newest_first=newest_first,
    )
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    letter_page(connection, wanted, f"{'n' if newest_first else 'o'}.5.x", 2)
    connection.set_trace_callback(None)
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}").fetchall()]
    looked = steps[steps.index("MATERIALIZE looked") + 1]
    assert looked.startswith("SEARCH letter")
    assert index in looked
    assert "(seq,id)" in looked
    assert not any("TEMP B-TREE" in step for step in steps[: steps.index(looked) + 2])
    rows = [step for step in steps if step.startswith("SEARCH letter") and step != looked]
    assert set(rows) == {"SEARCH letter USING PRIMARY KEY (seq=?)"}


def flip(connection: sqlite3.Connection, where: str) -> None:
    """Change one bit in the middle of a body."""
    seq, letter_id, body = connection.execute(f"SELECT seq, id, body FROM letter WHERE {where}").fetchone()
    middle = len(body) // 2
    flipped = body[:middle] + bytes([body[middle] ^ 4]) + body[middle + 1 :]
    connection.execute("UPDATE letter SET body = ? WHERE seq = ? AND id = ?", (flipped, seq, letter_id))


@pytest.mark.parametrize("where", ["seq = 3", "reason = 'poison'"])
def test_a_letter_that_is_damaged_is_not_handed_out(connection: sqlite3.Connection, where: str) -> None:
    """Its body is checked as in the log; its head is still listed, so that it can be purged."""
    (letter_id,) = connection.execute(f"SELECT id FROM letter WHERE {where}").fetchone()
    assert letter_of(connection, letter_id)[0] is not None
    flip(connection, where)
    assert letter_of(connection, letter_id) == (None, True)
    page = letter_page(connection, Wanted(), "", 100)
    assert letter_id in [letter.id for letter in page.items]


def test_a_head_that_cannot_be_read_is_damage(connection: sqlite3.Connection) -> None:
    """A column of another kind than was written hands out nothing."""
    connection.execute("UPDATE letter SET reason = 'thing' WHERE seq = 3")
    (letter_id,) = connection.execute("SELECT id FROM letter WHERE seq = 3").fetchone()
    assert letter_of(connection, letter_id) == (None, True)
    assert letter_of(connection, "none") == (None, False)

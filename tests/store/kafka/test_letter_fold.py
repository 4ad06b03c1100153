"""What the topic makes of dead letters: one answer, whoever reads it, in whatever pieces, and from wherever it is retained."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.contract.backends import draft
from tests.store.kafka.entries import NOW_MS, poison, raw

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, fingerprint_text
from fast_sse.model.errors import UnavailableError
from fast_sse.model.letter import Poison, Source
from fast_sse.model.message import Draft, erasure
from fast_sse.store.base import Windows
from fast_sse.store.kafka.controls import begin_entry, drop_entry, erase_entry, poison_entry, turn_entry
from fast_sse.store.kafka.entry import KIND
from fast_sse.store.kafka.fold import Raw
from fast_sse.store.kafka.letter_fold import LetterAnswer
from fast_sse.store.kafka.view import View
from fast_sse.store.letters import Ack, Begun, Due, Handed, LetterBounds, Settled, Turn, Wanted
from fast_sse.store.rows.letter_pages import letter_page

EPOCH = "e" * 13
#: A control entry of a later version.
FUTURE = replace(draft(keys=("k",)), event="fast-sse.future")
ORIGIN = Cursor(KIND, EPOCH, 0, NO_FINGERPRINT)


@contextmanager
def opened(directory: Path, name: str = "a", letters: LetterBounds = LetterBounds()) -> Iterator[View]:  # noqa: B008 - frozen
    view = View(directory / f"view-{name}.db", Windows(), letters, "topic")
    view.open(EPOCH)
    try:
        yield view
    finally:
        view.close()


@pytest.fixture
def view(tmp_path: Path) -> Iterator[View]:
    with opened(tmp_path) as made:
        yield made


def fp(position: int) -> str:
    """Of the entry at a position, as `raw` makes it."""
    return fingerprint_text(position)


def id_of(position: int) -> str:
    return ORIGIN.at(position, fp(position)).text


class Topic:
    """Entries, one after another, as nodes append them."""

    def __init__(self) -> None:
        self.entries: list[Raw] = []
        self.time_ms = NOW_MS
        self._numbers: dict[str, int] = {}

    def put(self, one: Draft | None = None) -> int:
        self.entries.append(raw(len(self.entries), one, time_ms=self.time_ms))
        return len(self.entries)

    def poison(self) -> int:
        self.entries.append(poison(len(self.entries), time_ms=self.time_ms))
        return len(self.entries)

    def begin(self, node: str = "a", *, first: bool = True, epoch: str = EPOCH) -> int:
        return self.put(begin_entry(epoch, node, "1", first=first))

    def turn(
        self, node: str = "a", *, handed: Sequence[int] = (), due: Sequence[int] = (), **more: Any
    ) -> int:
        self._numbers[node] = self._numbers.get(node, 0) + 1
        told: dict[str, Any] = {
            "node": node,
            "start": "1",
            "number": self._numbers[node],
            "every_ms": 1000,
            "grace_s": 30.0,
            "through": len(self.entries),
            "decided": None,
            "seen": "",
            "handed": [Handed(position, 1) for position in handed],
            "due": [Due(position, fp(position)) for position in due],
        }
        epoch = more.pop("epoch", EPOCH)
        return self.put(turn_entry(epoch, Turn(**(told | more))))


def letters(view: View) -> list[str]:
    """Ids, the oldest first."""
    page = letter_page(view.log.connection, Wanted(newest_first=False), "", 1000)
    return [letter.id for letter in page.items]


def dump(view: View) -> list[Any]:
    """All that the view says of dead letters."""
    tables = ("letter", "letter_count", "receipt", "turner", "post")
    return [view.log.connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]


def everyone(token: int) -> bool:
    return True


def answer(view: View, entry: Raw) -> Any:
    """What an entry comes to."""
    (answered,) = view.fold([entry], everyone).answers
    assert isinstance(answered.told, LetterAnswer)
    return answered.told.answer


# -- one topic, one answer --------------------------------------------------------------------------------


@st.composite
def topics(draw: st.DrawFn) -> Topic:
    """A topic as two nodes may write it, and a stranger."""
    topic = Topic()
    topic.begin("a")
    choose = st.sampled_from(["record"] * 4 + ["turn"] * 4 + ["poison", "garbage", "drop", "erase", "forget"])
    for what in draw(st.lists(choose, min_size=5, max_size=25)):
        topic.time_ms += draw(st.sampled_from([0, 1000, 40_000]))
        some = st.lists(st.integers(1, len(topic.entries) + 2), max_size=4, unique=True)
        if what == "record":
            topic.put(draft(draw(st.sampled_from("xy"))))
        elif what == "turn":
            seen = draw(st.integers(0, len(topic.entries)))
            topic.turn(
                draw(st.sampled_from("ab")),
                handed=draw(some),
                due=draw(some),
                late=[id_of(position) for position in draw(some)],
                decided=draw(st.none() | st.integers(0, len(topic.entries))),
                acks=[Ack(position, "phone") for position in draw(some)],
                seen=id_of(seen),
            )
        elif what == "poison":
            place = draw(st.sampled_from("12"))
            found = Poison(source=Source("redis_stream", "q", place), raw=b"x", description="d")
            topic.put(poison_entry(found, 100))
        elif what == "garbage":
            topic.poison()
        elif what == "drop":
            topic.put(drop_entry([id_of(position) for position in draw(some)]))
        elif what == "erase":
            topic.put(erasure(Channel("x", "t")))
        else:
            topic.put(erase_entry(Channel("x", "t")))
    return topic


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[View]]:
    """Three of them, made once: `emptied` between examples."""
    with ExitStack() as stack:
        directory = tmp_path_factory.mktemp("views")
        yield [stack.enter_context(opened(directory, name)) for name in "abc"]


def emptied(view: View) -> View:
    """As it was when it was made."""
    execute = view.log.connection.execute
    for table in ("log", "key", "channel", "print", "letter", "receipt", "turner"):
        execute(f"DELETE FROM {table}")
    execute("UPDATE mark SET trimmed = 0, trimmed_ms = NULL, counted = 0")
    execute("UPDATE post SET epoch = '', decided = 0")
    return view


@pytest.mark.slow
@given(topics(), st.lists(st.integers(1, 30), max_size=4))
@settings(max_examples=30, deadline=None)
def test_in_whatever_pieces_it_is_read_the_view_is_the_same(
    views: list[View], topic: Topic, cuts: list[int]
) -> None:
    """One node reads a long topic at once, another one entry by entry: letters, receipts, turners and the decided place agree."""
    whole, single, parts = map(emptied, views)
    whole.fold(topic.entries)
    for entry in topic.entries:
        single.fold([entry], everyone)
    ends = sorted({0, *(cut for cut in cuts if cut < len(topic.entries)), len(topic.entries)})
    for start, end in pairwise(ends):
        parts.fold(topic.entries[start:end])
    assert dump(whole) == dump(single) == dump(parts)


@pytest.mark.slow
@given(topics(), st.integers(1, 25))
@settings(max_examples=30, deadline=None)
def test_wherever_the_topic_begins_the_letters_are_the_same(
    views: list[View], topic: Topic, low: int
) -> None:
    """A view that read all and was trimmed lists what a view lists that never saw what retention took."""
    low = min(low, len(topic.entries) - 1)
    old, new, _ = map(emptied, views)
    old.fold(topic.entries)
    new.trim_to(low)
    new.fold(topic.entries[low:])
    while old.trim_to(low):
        pass
    assert letters(old) == letters(new)


# -- entries --------------------------------------------------------------------------------------------


def test_no_control_entry_is_a_record_or_a_gap(view: View) -> None:
    """Begins, turns, poison, drops and events of a later version: places with a fingerprint, as duplicates are."""
    topic = Topic()
    topic.put()
    topic.begin()
    topic.turn(through=1)
    topic.put(FUTURE)
    topic.put(drop_entry(["x"]))
    topic.put()
    group = view.fold(topic.entries)
    assert [record.position for record in group.records] == [1, 6]
    assert (group.poisoned, letters(view)) == ([], [])
    assert [view.print_at(position) for position in range(1, 7)] == [fp(position) for position in range(1, 7)]


def test_an_event_of_a_later_version_takes_no_key(view: View) -> None:
    """Whatever it says is not for this version: a message under the key that it carries is new."""
    group = view.fold([raw(0, FUTURE), raw(1, draft(keys=("k",)))])
    assert [record.position for record in group.records] == [2]


def test_an_unreadable_entry_is_a_letter_at_its_place(view: View) -> None:
    """Its bytes, where it stood, and that it was found in the log itself; on every node the same id."""
    topic = Topic()
    topic.poison()
    topic.entries.append(Raw(1, NOW_MS + 1, None))
    view.fold(topic.entries)
    page = letter_page(view.log.connection, Wanted(newest_first=False), "", 10)
    assert [(letter.position, letter.reason, letter.source) for letter in page.items] == [
        (1, "poison", Source("log", "topic", "0")),
        (2, "poison", Source("log", "topic", "1")),
    ]
    assert [letter.size_bytes for letter in page.items] == [len(topic.entries[0].value or b""), 0]


def test_only_what_is_waited_for_is_answered(view: View) -> None:
    """Turns of others are applied, and cost no answer."""
    topic = Topic()
    topic.begin()
    topic.turn()
    assert view.fold(topic.entries).answers == []
    topic.turn()
    assert len(view.fold(topic.entries[2:], everyone).answers) == 1


def test_what_was_told_of_another_topic_says_nothing(view: View) -> None:
    """A node that has not noticed that the topic was made anew tells of positions of the old one: it is told so."""
    topic = Topic()
    topic.begin()
    topic.put()
    topic.begin("b", epoch="f" * 13)
    topic.turn("b", epoch="f" * 13, handed=[2], decided=1000)
    topic.turn("a", due=[2])
    group = view.fold(topic.entries, everyone)
    assert letters(view) == [id_of(2)]
    assert [type(one.told) for one in group.answers if one.position in (3, 4)] == [UnavailableError] * 2
    assert [row[0] for row in view.log.connection.execute("SELECT node FROM turner")] == ["a"]


def test_a_turn_decides_of_what_is_before_it(view: View) -> None:
    """Where entry and turn stand in one group, too; what is behind the turn is not there yet."""
    topic = Topic()
    topic.begin()
    topic.put()
    topic.turn(due=[2, 4])
    topic.put()
    view.fold(topic.entries)
    assert letters(view) == [id_of(2)]


def test_what_was_erased_before_a_turn_makes_no_letter(view: View) -> None:
    """Although all of it came in one group, and the erasure of the records has steps of its own."""
    topic = Topic()
    topic.begin()
    gone, kept = topic.put(draft("x")), topic.put(draft("y"))
    topic.put(erasure(Channel("x", "t")))
    topic.turn(due=[gone, kept])
    group = view.fold(topic.entries)
    assert letters(view) == [id_of(kept)]
    assert group.erased == {4: 1}
    assert [record.position for record in group.records] == [gone, kept, 4]


def test_letters_that_are_erased_are_overwritten(view: View) -> None:
    """Neither the file nor its write-ahead log has them afterwards."""
    topic = Topic()
    topic.begin()
    gone = topic.put(draft("x", data=b'"hidden words"'))
    topic.turn(due=[gone])
    topic.put(erasure(Channel("x", "t")))
    assert answer_of_last(view, topic, erase_entry(Channel("x", "t"))) == 1
    assert letters(view) == []
    held = [path.read_bytes() for path in view.path.parent.iterdir() if path.name.startswith(view.path.name)]
    assert not any(b"hidden words" in part for part in held)


def answer_of_last(view: View, topic: Topic, one: Draft) -> Any:
    topic.put(one)
    view.fold(topic.entries[:-1])
    return answer(view, topic.entries[-1])


def test_bounds_are_those_of_the_node(tmp_path: Path) -> None:
    """Each node lists as many as it is set to, the newest, and counts what it let go."""
    topic = Topic()
    topic.begin()
    due = [topic.put() for _ in range(5)]
    topic.turn(due=due)
    with opened(tmp_path, "a") as wide, opened(tmp_path, "b", LetterBounds(max_count=2)) as narrow:
        for view in (wide, narrow):
            view.fold(topic.entries)
        assert letters(wide) == [id_of(position) for position in due]
        assert letters(narrow) == letters(wide)[3:]
        assert (wide.letters_dropped["count"], narrow.letters_dropped["count"]) == (0, 3)


# -- where it begins --------------------------------------------------------------------------------------


def test_the_first_process_finds_all_decided_and_a_later_one_does_not(view: View) -> None:
    """Of two that begin at once on a new log only the first in the topic does: what came between waits."""
    topic = Topic()
    topic.put()
    topic.begin("a")
    between = topic.put()
    topic.begin("b")
    _, first, _, second = (view.fold([entry], everyone).answers for entry in topic.entries)
    begun = [one[0].told for one in (first, second)]
    assert all(isinstance(one, LetterAnswer) and isinstance(one.answer, Begun) for one in begun)
    assert [one.answer.decided for one in begun if isinstance(one, LetterAnswer)] == [1, 1]
    topic.turn("a", due=[1, between])
    view.fold(topic.entries[-1:])
    assert letters(view) == [id_of(between)]


def test_a_view_that_begins_later_finds_nothing_decided(view: View) -> None:
    """What it holds no process has decided of in the topic it knows: `begin` answers with the trim mark."""
    topic = Topic()
    topic.begin()
    for _ in range(4):
        topic.put()
    topic.begin("b", first=False)
    view.trim_to(3)
    view.fold(topic.entries[3:-1])
    begun: Begun = answer(view, topic.entries[-1])
    assert (begun.decided, begun.newest) == (3, 5)
    topic.turn("b", due=[4])
    view.fold(topic.entries[-1:])
    assert letters(view) == [id_of(4)]


# -- what the topic lost ----------------------------------------------------------------------------------


def test_a_lost_tail_takes_letters_receipts_and_what_was_told(view: View) -> None:
    """Numbers that are given again are of other messages: nothing above the cut is decided, handed over or told of."""
    topic = Topic()
    topic.begin("a")
    topic.begin("b")
    kept, lost = topic.put(), topic.put()
    topic.turn("a", due=[kept, lost], decided=lost)
    topic.turn("b", handed=[lost])
    view.fold(topic.entries)
    view.cut(3)
    assert letters(view) == [id_of(kept)]
    assert view.log.connection.execute("SELECT count(*) FROM receipt").fetchone() == (0,)
    del topic.entries[3:]
    again = topic.put()
    topic.turn("a", due=[again], seen=id_of(6))
    view.fold(topic.entries[3:-1])
    settled: Settled = answer(view, topic.entries[-1])
    assert settled.dead == [(again, "no_subscriber", True)]  # b may have handed it over: what it told is lost


def test_receipts_at_places_that_are_given_again_are_heard(view: View) -> None:
    """`seen` names the entry: where another one stands at its place, nothing was heard, and no letter is made of it."""
    topic = Topic()
    topic.begin("a")
    topic.begin("b")
    message = topic.put()
    topic.turn("b", handed=[message])
    topic.turn("a", due=[message], seen=ORIGIN.at(4, "other0s").text)
    view.fold(topic.entries[:-1])
    settled: Settled = answer(view, topic.entries[-1])
    assert (settled.dead, [one.node for one in settled.receipts]) == ([], ["b"])
    assert settled.seen == id_of(4)
    topic.turn("a", due=[message], seen=settled.seen)
    assert answer(view, topic.entries[-1]).receipts == []


@pytest.mark.parametrize("seen", ["", "x", "4", f"k1.{'f' * 13}.3-{fp(4)}", f"k1.{EPOCH}.{'9' * 30}-{fp(4)}"])
def test_what_was_seen_nowhere_is_nothing_seen(view: View, seen: str) -> None:
    """Whatever somebody wrote there, the turn is applied and hears all receipts."""
    topic = Topic()
    topic.begin("a")
    topic.begin("b")
    message = topic.put()
    topic.turn("b", handed=[message])
    topic.turn("a", seen=seen)
    view.fold(topic.entries[:-1])
    assert len(answer(view, topic.entries[-1]).receipts) == 1


# -- what the topic let go --------------------------------------------------------------------------------


def test_letters_go_with_their_entries(view: View) -> None:
    """In steps, exactly up to where the topic begins, poison by its own place; receipts of turns that are gone go, too."""
    topic = Topic()
    topic.begin("a")
    topic.begin("b")
    first, second = topic.put(), topic.put()
    topic.turn("a", due=[first, second], handed=[])
    topic.poison()
    view.fold(topic.entries)
    assert view.trim_to(first) == 2  # a record and a letter
    assert letters(view)[0] == id_of(second)
    while view.trim_to(5):
        pass
    assert len(letters(view)) == 1
    assert view.log.connection.execute("SELECT count(*) FROM receipt").fetchone() == (0,)
    while view.trim_to(6):
        pass
    assert letters(view) == []


def test_many_letters_go_in_steps(view: View) -> None:
    """No step takes more than 500, although none of the records is left."""
    topic = Topic()
    topic.begin()
    due = [topic.put() for _ in range(1100)]
    topic.turn(due=due)
    view.fold(topic.entries)
    gone = [view.trim_to(1200) for _ in range(5)]
    assert gone == [1000, 1000, 200, 0, 0]


# -- the file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("garbage", "kept"), [(False, True), (True, False)])
def test_a_view_of_an_earlier_version_is_kept_unless_it_may_lack_turns(
    view: View, *, garbage: bool, kept: bool
) -> None:
    """An earlier version took turns for poison: where it found some, the topic is read again."""
    topic = Topic()
    topic.put()
    if garbage:
        topic.poison()
    view.fold(topic.entries)
    as_before(view)
    view.close()
    assert view.open(EPOCH) is kept
    view.fold([raw(2)])
    assert view.newest == 3


def as_before(view: View) -> None:
    """Schema 4: without what came with dead letters."""
    execute = view.log.connection.execute
    for table in ("letter", "letter_count", "receipt", "turner", "post"):
        execute(f"DROP TABLE {table}")
    execute("PRAGMA user_version = 4")


def test_a_damaged_decided_place_is_never_believed(view: View) -> None:
    """It says everything twice; where it does not agree, the view is made anew."""
    topic = Topic()
    topic.begin()
    topic.put()
    topic.turn(due=[2])
    view.fold(topic.entries[:-1])
    view.log.connection.execute("UPDATE post SET said = 'flipped'")
    with pytest.raises(sqlite3.DatabaseError, match="post"):
        view.fold(topic.entries[-1:])
    assert view.read_to == 2

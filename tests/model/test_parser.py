"""The client's side of the wire: WHATWG's rules, the cases of web-platform-tests, and a naive second parser."""

from __future__ import annotations

import codecs
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import TooLargeError
from fast_sse.model.frame import frame, gap, retry, started
from fast_sse.model.parser import Event, EventParser


class NaiveParser:
    """The standard's text, step by step: decode everything, split into lines, take one line at a time."""

    def __init__(self, everything: bytes) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.last_event_id = self.id = self.type = self.data = ""
        self.retry_ms: int | None = None
        text = everything.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
        for line in re.split("\r\n|\n|\r", text)[:-1]:
            self.take(line)

    def take(self, line: str) -> None:
        if not line:
            self.dispatch()
        elif not line.startswith(":"):
            name, colon, value = line.partition(":")
            self.field(name, value[1:] if colon and value.startswith(" ") else value)

    def field(self, name: str, value: str) -> None:
        if name == "event":
            self.type = value
        elif name == "data":
            self.data += value + "\n"
        elif name == "id" and "\0" not in value:
            self.id = value
        elif name == "retry" and re.fullmatch("[0-9]{1,15}", value):
            self.retry_ms = int(value)

    def dispatch(self) -> None:
        self.last_event_id = self.id
        if self.data:
            self.events.append((self.type or "message", self.data.removesuffix("\n"), self.id))
        self.data = self.type = ""


def parse(*pieces: bytes) -> list[Event]:
    """Everything one parser dispatches."""
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)]


def plain(events: list[Event]) -> list[tuple[str, str, str]]:
    """Events as the naive parser lists them."""
    return [(event.type, event.text, event.last_event_id) for event in events]


# -- the cases of web-platform-tests, eventsource/ ------------------------------------------------------

LONG = "x" * 2048
WPT = {
    "format-bom": ("\ufeffdata:1\n\n\ufeffdata:2\n\ndata:3\n\n", ["1", "3"]),
    "format-bom-2": ("\ufeff\ufeffdata:1\n\ndata:2\n\ndata:3\n\n", ["2", "3"]),
    "format-comments": (
        f"data:1\r:\0\n:\r\ndata:2\n:{LONG}\rdata:3\n:data:fail\r:{LONG}\ndata:4\n\n",
        ["1\n2\n3\n4"],
    ),
    "format-data-before-final-empty-line": ("retry:1000\ndata:test1\n\nid:test\ndata:test2", ["test1"]),
    "format-field-data": ("data:\n\ndata\ndata\n\ndata:test\n\n", ["", "\n", "test"]),
    "format-field-parsing": (
        "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
        ["\0\n 2\n1\n3\n\n4"],
    ),
    "format-field-retry-bogus": ("retry:3000\nretry:1000x\ndata:x\n\n", ["x"]),
    "format-field-retry-empty": ("retry\ndata:test\n\n", ["test"]),
    "format-field-unknown": (
        "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
        ["test\n\ntest"],
    ),
    "format-leading-space": ("data:\ttest\rdata: \ndata:test\n\n", ["\ttest\n\ntest"]),
    "format-newlines": ("data:test\r\ndata\ndata:test\r\n\r", ["test\n\ntest"]),
    "format-null-character": ("data:\0\n\n\n\n", ["\0"]),
    "format-utf-8": ("data:ok…\n\n", ["ok…"]),
}


@pytest.mark.parametrize(("text", "expected"), WPT.values(), ids=WPT)
@pytest.mark.parametrize("size", [1, 2, 3, 1 << 20])
def test_web_platform_tests(text, expected, size):
    """The events of each fixture, however its bytes are cut."""
    data = text.encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert [event.text for event in parse(*pieces)] == expected
    assert plain(parse(*pieces)) == NaiveParser(data).events


def test_event_sets_the_type_of_one_event_only():
    """format-field-event: the next event is a `message` again, and so is one with an empty `event` field."""
    events = parse(b"event:test\ndata:x\n\ndata:x\n\nevent: \ndata:x\n\nevent:lost\n\ndata:x\n\n")
    assert [event.type for event in events] == ["test", "message", "message", "message"]


def test_an_id_lasts_until_another_one():
    """format-field-id-2: an id stays for later events; an empty one takes it away."""
    events = parse(b"data:a\n\nid: 1\ndata:b\n\ndata:c\n\nid\ndata:d\n\nid:\n\ndata:e\n\n")
    assert [event.last_event_id for event in events] == ["", "1", "1", "", ""]


@pytest.mark.parametrize("bad", [b"id:\0\n", b"id: 2\0\n", b"id:\x003\n", b"id: \0\n"])
def test_an_id_with_nul_is_ignored(bad):
    """format-field-id-null: the whole field is ignored, in every spelling, and the old id stays."""
    assert parse(b"id: 1\n" + bad + b"data:x\n\n") == [Event("message", b"x", "1")]


def test_an_id_without_data_moves_the_cursor_and_dispatches_nothing():
    """A blank line commits the id even without data: this is what priming relies on."""
    parser = EventParser()
    assert parser.feed(b"retry: 2731\nid: s1.e.7\n") == []
    assert parser.last_event_id == ""
    assert parser.feed(b"\n") == []
    assert (parser.last_event_id, parser.retry_ms) == ("s1.e.7", 2731)


def test_an_unfinished_event_leaves_no_trace():
    """At the end of a stream an event without its blank line is discarded, and so is its id."""
    parser = EventParser("old")
    assert parser.feed(b"data: a\nid: new\n") == []
    assert parser.last_event_id == "old"


def test_the_last_id_is_carried_to_the_next_connection():
    """A parser made with the last id gives it to events that have none, as browsers do."""
    assert EventParser("kept").feed(b"data:x\n\n") == [Event("message", b"x", "kept")]


@pytest.mark.parametrize(
    "bad", ["", " ", "1.5", "-1", "+1", "1e3", "0x10", " 5", "5 ", "\u0665", "\u00b2", "9" * 5000]
)
def test_retry_is_ascii_digits_only(bad):
    """format-field-retry-bogus: anything else is ignored; 5,000 digits are no reason to fall over."""
    parser = EventParser()
    parser.feed(f"retry: 1000\nretry: {bad}\n".encode())
    assert parser.retry_ms == 1000


def test_retry_counts_at_once():
    """`retry` does not wait for a blank line, and leading zeros are decimal."""
    parser = EventParser()
    parser.feed(b"retry:0012\n")
    assert parser.retry_ms == 12


def test_a_crlf_cut_in_two_is_one_line_end():
    """A CR ends its line at once; an LF that comes next belongs to it, and only that one."""
    parser = EventParser()
    assert parser.feed(b"data: a\r") == []
    assert parser.feed(b"") == []
    assert parser.feed(b"\n\r") == [Event("message", b"a", "")]
    assert parser.feed(b"\ndata: b\n") == []
    assert parser.feed(b"\n") == [Event("message", b"b", "")]


def test_a_heartbeat_dispatches_nothing():
    """A comment line without a blank line, also in the middle of an event, changes nothing."""
    assert parse(b":\n:\ndata: a\n:\ndata: b\n\n:\n") == [Event("message", b"a\nb", "")]


def test_other_unicode_line_ends_are_text():
    """U+2028, U+2029, U+0085, VT and FF do not end a line (`str.splitlines` says they do)."""
    text = "a\u2028b\u2029c\u0085d\x0be\x0cf"
    assert [event.text for event in parse(f"data: {text}\n\n".encode())] == [text]


def test_broken_utf8_is_replaced_and_hides_no_line_end():
    """Undecodable bytes become U+FFFD; a cut-off sequence does not swallow the LF behind it."""
    assert plain(parse(b"id: \xff\ndata: a\xe2\x80\n\n")) == [("message", "a\ufffd", "\ufffd")]


def feed_in_pieces(parser: EventParser, data: bytes, size: int) -> None:
    for at in range(0, len(data), size):
        parser.feed(data[at : at + size])


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_memory_is_bounded(size):
    """An endless line, and an event of endless lines, end in an error before they are longer than the bound."""
    for unit in (b"x", b"data: xxx\n", b"data\n"):
        parser = EventParser(event_bytes_max=300)
        with pytest.raises(TooLargeError, match="300"):
            feed_in_pieces(parser, unit * 1000, size)
        assert sum(map(len, parser._data)) + len(parser._rest) <= 300 + size


def test_finished_events_do_not_count():
    """The bound is on one event: any number may come in one piece, and one of exactly the bound passes."""
    parser = EventParser(event_bytes_max=20)
    assert len(parser.feed(b"data: xxxx\n\n" * 1000)) == 1000
    assert len(parser.feed(b"data: " + b"y" * 14 + b"\n\n")) == 1
    with pytest.raises(TooLargeError):
        parser.feed(b"data: " + b"y" * 15 + b"\n\n")


# -- against the encoder and the naive parser -----------------------------------------------------------

FIELDS = [b"data", b"id", b"event", b"retry", b"data: x\n", b"id: 7\n", b"12", b"x"]
MARKS = [b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\0"]
BYTES = [codecs.BOM_UTF8, b"\xef\xbb", b"\xef", "é\u2028".encode(), b"\xff", b"\xe2\x80"]
line_soup = st.lists(st.sampled_from(FIELDS + MARKS + BYTES), max_size=60).map(b"".join)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """`data` in pieces, cut at these places (modulo its length)."""
    places = sorted(place % (len(data) + 1) for place in at)
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


cuts = st.lists(st.integers(0, 1 << 16), max_size=12)


@given(line_soup, cuts)
def test_agrees_with_the_naive_parser(data, at):
    """For any bytes in any pieces: the same events, ids and retry as a step-by-step reading of the standard."""
    data += b"\n"  # the naive parser has no notion of a line that is not finished
    parser, naive = EventParser(), NaiveParser(data)
    events = [event for piece in cut(data, at) for event in parser.feed(piece)]
    assert plain(events) == naive.events
    assert (parser.last_event_id, parser.retry_ms) == (naive.last_event_id, naive.retry_ms)


names = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)
bodies = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"", b"\n", b"\r", b"\r\n", b"a\r\n\rb\n\nc", b"\0"])
)


@given(st.lists(st.tuples(names, bodies), max_size=6), cuts)
def test_what_the_encoder_writes_is_what_arrives(sent, at):
    """Encoded and cut anywhere, each event arrives once, with its name, its id and its lines."""
    data = b"".join(frame(f"m1.e.{at}", name, body) for at, (name, body) in enumerate(sent))
    expected = [
        Event(name or "message", re.sub(rb"\r\n|\r", b"\n", body), f"m1.e.{at}")
        for at, (name, body) in enumerate(sent)
    ]
    assert parse(*cut(data, at)) == expected


def test_the_blocks_of_the_hub_read_as_they_should():
    """The opening primes, a gap is one event with the id to go on from."""
    cursor = Cursor("s1", "k3v9x2qah5m2c", 7)
    parser = EventParser()
    (event,) = parser.feed(retry(2731) + started(cursor, resumed=False))
    assert (event.type, event.last_event_id) == ("fast-sse.start", cursor.text)
    assert (parser.last_event_id, parser.retry_ms) == (cursor.text, 2731)
    (event,) = parser.feed(gap("trimmed", "x\r\n\ny", cursor))
    assert (event.type, event.last_event_id) == ("fast-sse.gap", cursor.text)
    assert event.text == '{"reason":"trimmed","from":"x\\r\\n\\ny","resumed_at":"s1.k3v9x2qah5m2c.7"}'

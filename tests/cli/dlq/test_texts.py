"""Letters for people."""

from __future__ import annotations

import re

import msgspec
from tests.cli.dlq.letters import head

from fast_sse.cli.dlq.texts import Head, channel_text, letters, moment, table
from fast_sse.model.moment import parse_moment


def heads(*items: dict) -> list[Head]:
    """Letters as the command reads them."""
    return msgspec.convert(items, list[Head])


def test_columns_stand_under_their_names() -> None:
    """Each is as wide as its widest cell; the mark of a doubt comes last."""
    first, second = head(7), head(123, event_id="c", attempts=3, size_bytes=2048, maybe_delivered=True)
    names, *rows = table(heads(first, second))
    ends = [found.end() for found in re.finditer(r"\S+\s*", names)]
    cells = [
        [row[begin:end].strip() for begin, end in zip([0, *ends], [*ends, None], strict=True)] for row in rows
    ]
    times = ["2026-11-29T12:00:00Z", "2026-11-29T12:00:30Z"]
    assert [names[begin:].split()[0] for begin in (0, *ends[:-1])] == names.split()
    assert cells[0][:6] == [first["id"], "carid000001/cart_changed", "no_subscriber", *times, "1"]
    assert cells[1][:6] == [second["id"], "c/cart_changed", "no_subscriber", *times, "3"]
    assert [row[ends[-2] :].split() for row in rows] == [["14", "B"], ["2.0", "KiB", "?"]]


def test_what_a_publisher_wrote_shapes_no_terminal() -> None:
    """Escapes and marks of direction are shown as what they are (CWE-150); poison without a channel has a dash."""
    (_, line) = table(heads(head(1, event_id="\x1b[2J\u202e", reason="poison")))
    assert "\\x1b[2J\\u202e/cart_changed" in line
    assert channel_text(None, None) == "-"


def test_times_can_be_pasted_into_a_filter() -> None:
    """In UTC, in the form that --after takes; a number that is no date stays one."""
    assert moment(1_795_953_600_000) == "2026-11-29T12:00:00Z"
    assert parse_moment(moment(1_795_953_600_000)).ms == 1_795_953_600_000
    assert moment(10**18) == str(10**18)


def test_one_is_singular() -> None:
    """Numbers have their separators."""
    assert [letters(number) for number in (0, 1, 1204)] == [
        "0 dead letters",
        "1 dead letter",
        "1,204 dead letters",
    ]

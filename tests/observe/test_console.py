"""The log as a person reads it: one line an event, and nothing in it that could pass for another line or field."""

from __future__ import annotations

import io
import logging
import re
from typing import Any, cast

import msgspec
import pytest

from fast_sse.observe import observer as facts
from fast_sse.observe.access import AccessLog, Asked, Ended
from fast_sse.observe.logging import LogObserver, StandardHandler, form_of, make_log

#: What a stranger may put anywhere: line ends, a forged line, ANSI, NUL, marks that turn or hide text, a lone surrogate.
NASTY = (
    "a\r\n2026-01-01T00:00:00.000Z error   forged  level=error\n\x1b[31mred\x00\x85\u2028\u202eback\u2066\ud800\x9b2J"
    '" key="value\' =x'
)
UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z (debug|info|warning|error) {1,4}\S")


def written(form: Any, write: Any) -> list[str]:
    """The lines that `write(log)` leads to."""
    stream = io.StringIO()
    write(make_log("debug", stream, "node-1", form))
    return stream.getvalue().split("\n")[:-1]


def console(write: Any) -> str:
    """One event in the console form, without its time."""
    (line,) = written("console", write)
    assert LINE.match(line)
    return line.partition("Z ")[2]


def test_a_line_is_time_level_words_and_fields() -> None:
    """What happened comes first, its fields after it; the name of the node and tables are for machines."""
    line = console(
        lambda log: log.warning("store is slow", after_s=1.5, peer="::1", ok=True, limits={"a": 1})
    )
    assert line == "warning store is slow  after_s=1.5 peer=::1 ok=true"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', r'"say \"x\""'),
        ("", '""'),
        ("no\u00a0break", '"no\u00a0break"'),
        ("größe", "größe"),
        (["a", "b"], '["a","b"]'),
        (None, "null"),
    ],
)
def test_a_value_that_could_be_two_stands_in_quotes(value: Any, shown: str) -> None:
    """No text can look like another field."""
    assert console(lambda log: log.info("ready", value=value)) == f"info    ready  value={shown}"


def test_words_that_could_be_a_field_stand_in_quotes() -> None:
    """Libraries put texts of strangers into what they say."""
    record = logging.LogRecord("uvicorn", logging.WARNING, "", 0, "bad level=error", None, None)
    line = console(lambda log: StandardHandler(log).emit(record))
    assert line == 'warning "bad level=error"  logger=uvicorn'


def test_a_traceback_is_indented() -> None:
    """No line of a traceback can pass for a line of the log, whatever an exception says."""
    error = facts.DefectSeen(
        "here", "ValueError", "Traceback:\n  at a\nValueError: x\n2026-01-01T00:00:00Z error forged\n"
    )
    lines = written("console", lambda log: LogObserver(log).notify(error))
    assert LINE.match(lines[0])
    assert lines[1:] == [
        "    Traceback:",
        "      at a",
        "    ValueError: x",
        "    2026-01-01T00:00:00Z error forged",
    ]


def every_event(log: Any) -> None:
    """Each kind of line there is, with what a stranger sends in every field that is text, and in names."""
    for kind in facts.Fact.__subclasses__():
        kinds = {field.name: field.type for field in msgspec.structs.fields(kind)}
        LogObserver(log).notify(kind(**{name: NASTY if one is str else 1 for name, one in kinds.items()}))
    access = AccessLog(log, NASTY)
    access.request(Asked(NASTY, NASTY, NASTY, NASTY, NASTY), 400, 1, 0.0, NASTY)
    access.stream(Asked(NASTY, NASTY, "channel=" + NASTY, NASTY), cast(Ended, NASTY), 0.0)
    log.info(NASTY, **{NASTY: NASTY, "many": [NASTY], "table": {NASTY: NASTY}})
    caught = (ValueError, ValueError(NASTY), None)
    StandardHandler(log).emit(logging.LogRecord(NASTY, logging.ERROR, "", 0, NASTY, None, caught))


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_text_can_shape_a_line_or_a_terminal(form: str) -> None:
    """Whatever a stranger sends, in whatever field: one line an event, and no character that acts (CWE-117, CWE-150)."""
    lines = written(form, every_event)
    events = len(facts.Fact.__subclasses__()) + 4
    assert events > 20
    begins = [line for line in lines if (line[:1] == "{" if form == "json" else LINE.match(line))]
    assert len(begins) == events
    assert [line for line in lines if line not in begins and not line.startswith("    ")] == []
    assert [line for line in lines if UNSAFE.search(line)] == []
    forged = [
        line for line in begins if "forged" in line.split("=")[0] and '"' not in line.split("forged")[0]
    ]
    assert forged == []


@pytest.mark.parametrize(
    ("setting", "terminal", "form"),
    [
        ("auto", True, "console"),
        ("auto", False, "json"),
        ("json", True, "json"),
        ("console", False, "console"),
    ],
)
def test_by_default_a_terminal_gets_the_form_for_people(setting: Any, terminal: bool, form: str) -> None:
    """A file or a pipe is read by a machine; a setting decides otherwise."""
    assert form_of(setting, terminal=terminal) == form

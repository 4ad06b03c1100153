"""A line of the log for a person at a terminal: time, level, what happened, then its fields as `name=value`.

    2026-11-23T12:00:00.123Z info    ready  public=127.0.0.1:30000 admin=127.0.0.1:30001

It comes after the rules of `logging.py`, so no text in it holds a control character. Two more things keep a stranger's text
from looking like ours. A value that could be read as two, or as another field, stands in quotes. A traceback stands below its
line and is indented, so that no line of it can look like a line of the log.

Two things are left out that only machines want: the name of the node, and tables such as all limits at the start.
"""

from __future__ import annotations

import json
import re
from collections.abc import MutableMapping
from typing import Any

_INDENT = "    "
_STAMP_CHARACTERS = len("2026-11-23T12:00:00.123")
_ONE_WORD = re.compile(r"[^\s\"'=\\]+").fullmatch
_PLAIN = re.compile(r"[^\"=\\]+").fullmatch


def console_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    """The line of a cleaned event, as a structlog processor."""
    fields = dict(event)
    fields.pop("node", None)
    stamp = str(fields.pop("timestamp", "")).removesuffix("Z")[:_STAMP_CHARACTERS]
    level, words = str(fields.pop("level", "")), str(fields.pop("event", ""))
    traceback = fields.pop("traceback", None)
    line = f"{stamp}Z {level:<7} {words if _PLAIN(words) else _quoted(words)}"
    shown = " ".join(
        f"{name if _ONE_WORD(name) else _quoted(name)}={_value(value)}"
        for name, value in fields.items()
        if not isinstance(value, dict)
    )
    if shown:
        line += "  " + shown
    if traceback:
        line += "".join(f"\n{_INDENT}{one}" for one in str(traceback).rstrip("\n").split("\n"))
    return line


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if _ONE_WORD(value) else _quoted(value)
    return _quoted(value)


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

"""What a driver prints: the protocol between a client of the table and its judge."""

from __future__ import annotations

import json
import sys


def say_open() -> None:
    """The client told its user that it is connected, or that can be seen from its code."""
    _say(open=True)


def say_event(event: str | None, event_id: str | None, data: str) -> None:
    """An event was handed to the user's code; without a name it is a message."""
    _say(event=event or "message", id=event_id or None, data=data)


def say_error(problem: object) -> None:
    """The client told its user of something, and may go on."""
    _say(error=problem if isinstance(problem, str) else repr(problem))


def say_closed(reason: str) -> None:
    """The client has given up for good."""
    _say(closed=reason)


def _say(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()

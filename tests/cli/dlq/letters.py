"""Dead letters and answers of a hub, for a scripted server."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.scripted import answer


def head(number: int, **fields: Any) -> dict[str, Any]:
    """A letter in a list, as the hub gives it."""
    letter_id = f"s1.k3v9x2qah5m2c.{number}"
    return {
        "id": letter_id,
        "event_id": "carid000001",
        "event_type": "cart_changed",
        "reason": "no_subscriber",
        "description": "nobody was handed it within 30 s",
        "published_ms": 1_795_953_600_000,
        "dead_ms": 1_795_953_630_000 + number,
        "first_seen_ms": 1_795_953_600_000,
        "attempts": 1,
        "original_id": letter_id,
        "maybe_delivered": False,
        "node": "n1",
        "size_bytes": 14,
        **fields,
    }


def ok(data: Any) -> bytes:
    """200 with `data`; a text is JSON already."""
    text = data if isinstance(data, str) else json.dumps(data)
    return answer(200, f'{{"code":"ok","data":{text}}}')


def page(*items: dict[str, Any], following: str | None = None, total: int = 0, waiting: int = 0) -> bytes:
    """A page of the list."""
    return ok({"items": items, "next": following, "total": total or len(items), "waiting": waiting})


def refused(status: int, code: str, message: str) -> bytes:
    """An error, in the form of the hub."""
    return answer(status, json.dumps({"code": code, "message": message}))


def asked_for(asked: str) -> str:
    """Method and target of a request."""
    return asked.split(" HTTP/1.1", 1)[0]


def body_of(asked: str) -> str:
    """The body of a request."""
    return asked.partition("\r\n\r\n")[2]

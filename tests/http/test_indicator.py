"""Rules of `http.indicator`: the delivery indicator has one form."""

from __future__ import annotations

import json
from typing import Any

from fast_sse.http.indicator import indicator_response
from fast_sse.hub.delivery import Indicator
from fast_sse.model.channel import Channel

#: What is known of a message whose record this node holds no more.
UNKNOWN: dict[str, Any] = {
    "message_id": "s1.k3v9x2qah5m2c.7",
    "channel": Channel("cart1", "changed"),
    "state": "stored",
    "stored_ms": 1000,
    "written": None,
    "acked": None,
    "clients": [],
    "first_written_ms": None,
    "complete": False,
    "silent": ["n2"],
}


def shown(**more: Any) -> dict[str, Any]:
    """The data of the answer."""
    answer = indicator_response(Indicator(**{**UNKNOWN, **more}))
    body: dict[str, Any] = json.loads(answer.body)
    assert (answer.status, body["code"]) == (200, "ok")
    return dict(body["data"])


def test_every_field_is_there() -> None:
    """What is not known is null, never absent and never 0."""
    expected = {name: value for name, value in UNKNOWN.items() if name != "channel"}
    assert shown() == {**expected, "event_id": "cart1", "event_type": "changed"}

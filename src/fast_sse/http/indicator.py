"""The delivery indicator as JSON: the same for publishers, subscribers and operators."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from fast_sse.http.message import Response
from fast_sse.model.channel import Channel


class Indicated(Protocol):
    """How far a message has come. Counts are None when this node does not hold the record any more."""

    message_id: str
    channel: Channel | None
    state: str
    stored_ms: int
    written: int | None
    acked: int | None
    clients: Any
    first_written_ms: int | None
    complete: bool
    silent: Any


def indicator_response(shown: Indicated) -> Response:
    """200 with all of it."""
    event_id, event_type = shown.channel or (None, None)
    data = {
        "message_id": shown.message_id,
        "event_id": event_id,
        "event_type": event_type,
        "state": shown.state,
        "stored_ms": shown.stored_ms,
        "written": shown.written,
        "acked": shown.acked,
        "clients": shown.clients,
        "first_written_ms": shown.first_written_ms,
        "complete": shown.complete,
        "silent": shown.silent,
    }
    return Response(200, msgspec.json.encode({"code": "ok", "data": data}))

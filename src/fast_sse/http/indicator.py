"""The delivery indicator as JSON: the same for publishers, subscribers and operators."""

from __future__ import annotations

from typing import Any

import msgspec

from fast_sse.http.message import Response
from fast_sse.hub.delivery import Indicator


def indicator_response(shown: Indicator) -> Response:
    """200 with all of it."""
    return Response(200, msgspec.json.encode({"code": "ok", "data": indicator_json(shown)}))


def indicator_json(shown: Indicator) -> dict[str, Any]:
    """All of it."""
    return {
        "message_id": shown.message_id,
        "event_id": shown.channel.event_id,
        "event_type": shown.channel.event_type,
        "state": shown.state,
        "stored_ms": shown.stored_ms,
        "written": shown.written,
        "acked": shown.acked,
        "clients": shown.clients,
        "first_written_ms": shown.first_written_ms,
        "complete": shown.complete,
        "silent": shown.silent,
    }

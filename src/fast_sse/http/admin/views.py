"""Messages and dead letters as JSON for operators."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from fast_sse.model.letter import Letter
from fast_sse.model.message import Record


class _Meta(msgspec.Struct):
    """What only operators see of a message."""

    event_name: str | None = None
    user: msgspec.Raw = msgspec.Raw(b"null")


_decode_meta = msgspec.json.Decoder(_Meta).decode


def message_json(record: Record, record_id: str, bytes_max: int) -> dict[str, Any]:
    """A message of the log. Its data is text, cut at `bytes_max`: a page that parsed it would round numbers."""
    meta = _decode_meta(record.meta or b"{}")
    data, user = record.data, bytes(meta.user)
    return {
        "id": record_id,
        "time_ms": record.time_ms,
        **record.channel._asdict(),
        "event": record.event or None,
        "expires_ms": record.expires_ms or None,
        "headers": msgspec.Raw(record.headers),
        "event_name": meta.event_name,
        "user_text": None if user == b"null" else user[:bytes_max].decode("utf-8", "ignore"),
        "data_text": data[:bytes_max].decode("utf-8", "ignore"),
        "data_bytes": len(data),
        "truncated": len(data) > bytes_max,
    }


def head_json(letter: Letter) -> dict[str, Any]:
    """Everything but what was published, or the bytes of poison."""
    event_id, event_type = letter.channel or (None, None)
    head: dict[str, Any] = {
        "id": letter.id,
        "event_id": event_id,
        "event_type": event_type,
        "reason": letter.reason,
        "description": letter.description,
        "published_ms": letter.published_ms,
        "dead_ms": letter.dead_ms,
        "first_seen_ms": letter.first_ms,
        "attempts": letter.attempts,
        "original_id": letter.original,
        "maybe_delivered": letter.maybe_delivered,
        "node": letter.node,
        "size_bytes": letter.size_bytes,
    }
    if letter.source is not None:
        head |= {
            "source": msgspec.structs.asdict(letter.source),
            "raw_bytes": letter.size_bytes,
            "sha256": letter.sha256,
        }
    return head


def whole_json(letter: Letter) -> dict[str, Any]:
    """All of it. Data and headers are those of the message, byte for byte; of poison as much as was kept, in base64."""
    whole = head_json(letter)
    if (record := letter.record) is not None:
        meta = _decode_meta(record.meta or b"{}")
        whole |= {
            "event_name": meta.event_name,
            "event": record.event or None,
            "user": meta.user,
            "headers": msgspec.Raw(record.headers),
            "data": msgspec.Raw(record.data),
        }
    if letter.raw is not None:
        whole["raw"] = base64.b64encode(letter.raw).decode()
    return whole


def bytes_of(letter: Letter) -> bytes:
    """The data of a message, or what was kept of poison."""
    return letter.record.data if letter.record is not None else letter.raw or b""

"""Publishing by hand, to see what arrives: an operator's message takes the road of every other one.

It needs the admin key and no signature. The rules of HTTP hold, the allow-lists too, and the answer is the store's.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import ok
from fast_sse.http.admin.asked import body_of, decoded, parameters, refusing
from fast_sse.model.channel import Channel, channel
from fast_sse.model.limits import KIB, Limits
from fast_sse.store.base import Appended

#: What the fields beside `data` may add to a body.
_MORE_BYTES = 64 * KIB


class Trying(Protocol):
    """A node that publishes.

    Attributes:
        durability: what a 2xx means with its store.
        limits: its bounds.
    """

    @property
    def durability(self) -> str: ...  # noqa: D102  see the class
    @property
    def limits(self) -> Limits: ...  # noqa: D102

    async def put(self, target: Channel, raw: bytes) -> Appended:
        """Publish the body of a publish request. Raises FastSseError, as it would be answered over HTTP."""


class _Trial(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a publish; a field that is misspelt is refused, since somebody is looking. `put` checks the rest."""

    event_id: str
    event_type: str
    data: msgspec.Raw
    event_name: msgspec.Raw = msgspec.Raw()
    user: msgspec.Raw = msgspec.Raw()
    headers: msgspec.Raw = msgspec.Raw()
    event: msgspec.Raw = msgspec.Raw()
    ttl_s: msgspec.Raw = msgspec.Raw()
    idempotency_key: msgspec.Raw = msgspec.Raw()
    dead_letter: msgspec.Raw = msgspec.Raw()


def routes(node: Trying) -> list[Route]:
    """The one route."""

    async def publish(request: Request) -> Response:
        parameters(request, frozenset())
        raw = await body_of(request, node.limits.body_bytes_max + _MORE_BYTES)
        asked = decoded(raw, _Trial)
        appended = await node.put(channel(asked.event_id, asked.event_type), raw)
        return ok(
            {
                "message_id": appended.cursor.text,
                "durability": node.durability,
                "duplicate": appended.duplicate,
            }
        )

    return [Route("/v1/publish-test", refusing(publish), methods=["POST"])]

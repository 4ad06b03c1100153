"""Broken on purpose: a client that comes back goes on from now, whatever it last saw."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from fast_sse.cli.main import app_main
from fast_sse.hub.hub import Hub
from fast_sse.hub.subscriber import Subscriber
from fast_sse.hub.subscription import Start, Subscription

subscribe = Hub.subscribe


def from_now(self: Hub, transport: Any, subscription: Subscription, head: bytes = b"") -> Subscriber:
    """`Hub.subscribe` without the cursor."""
    return subscribe(self, transport, replace(subscription, start=Start()), head)


if __name__ == "__main__":
    Hub.subscribe = from_now  # type: ignore[method-assign]
    app_main()

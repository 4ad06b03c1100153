"""Broken on purpose: a subscription hears every type of its event_id, whatever type it asked for."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from fast_sse.cli.main import app_main
from fast_sse.hub.hub import Hub
from fast_sse.hub.subscriber import Subscriber
from fast_sse.hub.subscription import Subscription
from fast_sse.model.channel import WILDCARD, Channel, Filter

subscribe = Hub.subscribe


def by_id_alone(self: Hub, transport: Any, subscription: Subscription, head: bytes = b"") -> Subscriber:
    """`Hub.subscribe` that forgets the type."""
    wider = Filter.of(*(Channel(pattern.event_id, WILDCARD) for pattern in subscription.filter.patterns))
    return subscribe(self, transport, replace(subscription, filter=wider), head)


if __name__ == "__main__":
    Hub.subscribe = by_id_alone  # type: ignore[method-assign]
    app_main()

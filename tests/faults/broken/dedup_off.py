"""Broken on purpose: idempotency keys are read and forgotten."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Sequence

from msgspec.structs import replace

from fast_sse.cli.main import app_main
from fast_sse.hub.hub import Hub
from fast_sse.model.message import Draft
from fast_sse.store.base import Outcome

publish = Hub.publish


def without_keys(self: Hub, drafts: Sequence[Draft]) -> Future[list[Outcome]]:
    """`Hub.publish` without what would tell a retry from a new message."""
    return publish(self, [replace(draft, keys=()) for draft in drafts])


if __name__ == "__main__":
    Hub.publish = without_keys  # type: ignore[method-assign]
    app_main()

"""Broken on purpose: the Kafka producer is not idempotent, so that what it sends again is stored again."""

from __future__ import annotations

from typing import Any

from fast_sse.cli.main import app_main
from fast_sse.store.kafka import settings

own = settings._producer_own


def not_idempotent(wanted: settings.KafkaSettings) -> dict[str, Any]:
    """What is decided of the producer, but for that."""
    return {**own(wanted), "enable.idempotence": False}


if __name__ == "__main__":
    vars(settings)["_producer_own"] = not_idempotent
    app_main()

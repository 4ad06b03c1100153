"""Broken on purpose: a client whose buffer is full stays in its live set and is written to all the same."""

from __future__ import annotations

from fast_sse.cli.main import app_main
from fast_sse.hub.subscriber import Subscriber

if __name__ == "__main__":
    Subscriber.pause_writing = lambda self: None  # type: ignore[method-assign]
    app_main()

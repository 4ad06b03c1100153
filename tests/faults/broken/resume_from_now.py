"""Broken on purpose: a client that comes back goes on from now, whatever it last saw."""

from __future__ import annotations

from fast_sse.cli.main import app_main

from fast_sse.http.endpoints import Endpoints
from fast_sse.hub.catch_up import Start

if __name__ == "__main__":
    Endpoints._start = lambda self, headers, query: Start()  # type: ignore[method-assign]
    app_main()

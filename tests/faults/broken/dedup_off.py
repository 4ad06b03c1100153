"""Broken on purpose: idempotency keys are read and forgotten."""

from __future__ import annotations

from fast_sse.cli.main import app_main

from fast_sse.http.endpoints import Endpoints

if __name__ == "__main__":
    Endpoints._keys = lambda self, *_: ()  # type: ignore[method-assign]
    app_main()

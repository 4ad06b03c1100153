"""A hub as the program starts it, but with gzip streams for every client that says it takes them. Run with `python -m`."""

from __future__ import annotations

import os

from fast_sse.cli.main import app_main

if __name__ == "__main__":
    os.environ["FAST_SSE_COMPRESSION"] = "auto"
    app_main()

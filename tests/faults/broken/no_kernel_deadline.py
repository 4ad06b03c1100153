"""Broken on purpose: only the hub cuts peers that stand still."""

from __future__ import annotations

from tests.faults.broken.no_deadline import without_the_kernels

from fast_sse.cli.main import app_main

if __name__ == "__main__":
    without_the_kernels()
    app_main()

"""What the hub asks of tracing knows no library of it."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_nothing_of_it_is_imported_where_it_is_off() -> None:
    """The core install has no OpenTelemetry, and a hub without tracing does not look for it."""
    code = (
        "import sys, fast_sse.cli.process, fast_sse.asgi, fast_sse.hub.traced, fast_sse.http.api.traced\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

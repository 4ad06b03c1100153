"""The bench's own hub: fresh, gone afterwards, and an error that says why when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from fast_sse.cli.bench.hub import own_hub
from fast_sse.model.errors import UnavailableError


@pytest.mark.wire
@pytest.mark.slow
def test_it_ends_with_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs while it is used, takes nothing from the caller's settings, and its process is gone afterwards."""
    monkeypatch.setenv("FAST_SSE_PORT", "no port at all")
    with own_hub("sqlite") as hub:
        assert Path(f"/proc/{hub.pid}").exists()
        assert hub.url.startswith("http://127.0.0.1:")
    assert not Path(f"/proc/{hub.pid}").exists()


@pytest.mark.slow
def test_a_hub_that_does_not_start_says_why() -> None:
    """The end of its log is in the error."""
    with pytest.raises(UnavailableError, match="must be"), own_hub("nonsense"):
        pass

"""Every client resumes when it is the hub that ends, refuses or trims, or what stands before it that goes.

These are the cells of docs/clients.md that our own faults would turn. The full table is `make chaos`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.clients.catalogue import catalogue
from tests.clients.outages import OUTAGES
from tests.clients.scenarios import cells, complaints, named, need

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(120)]

#: Quick to start and quick to come back: those that had the fault which the table is here for, and our own.
QUICK = ("npm eventsource 4", "npm eventsource-client", "npm launchdarkly-eventsource", "fast-sse subscribe")


@pytest.mark.parametrize("scenario", [outage.name for outage in OUTAGES])
async def test_an_outage_loses_nothing(tmp_path: Path, scenario: str) -> None:
    """Whatever ends a stream, its client comes back, and is told what it missed or that it missed it."""
    clients = need(named(catalogue(), *QUICK))
    assert not complaints(scenario, await cells(scenario, clients, tmp_path))

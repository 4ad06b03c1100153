"""Every client resumes: cut before the first event, in the middle of a block, at every byte of one, and between two.

These are the cells of docs/clients.md that our own faults would turn. The full table is `make chaos`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.clients.catalogue import MENDED, PLAIN, catalogue
from tests.clients.scenarios import cells, complaints, named, need

pytestmark = [pytest.mark.wire, pytest.mark.slow, pytest.mark.timeout(150)]

#: One of each parser whose client comes back at once, and our own. The others wait for seconds: `make chaos`.
PARSERS = (
    *("npm eventsource 2", "npm eventsource 4", "npm launchdarkly-eventsource", "npm event-source-plus"),
    *("npm extended-eventsource", "fast-sse subscribe"),
)
#: And those that have to read all of it behind a browser's or a language's own HTTP.
OTHERS = (
    *("npm @microsoft/fetch-event-source, mended", "npm sse.js, mended"),
    *("PyPI httpx-sse, mended", "PyPI sseclient-py, mended"),
)


@pytest.mark.browser
async def test_a_cut_before_the_first_event_loses_nothing(tmp_path: Path) -> None:
    """A client that was told where it stands comes back from there, in the browsers and in every library."""
    clients = need(catalogue())
    # A library that does not come back by itself says nothing here that its mended row does not.
    mended = {client.name for client in clients if client.variant == MENDED}
    clients = [client for client in clients if client.variant == MENDED or client.name not in mended]
    assert PLAIN in {client.variant for client in clients}
    assert not complaints("before-first", await cells("before-first", clients, tmp_path))


@pytest.mark.browser
async def test_a_cut_at_any_byte_of_a_block_loses_nothing(tmp_path: Path) -> None:
    """Wherever in a block a connection ends, the next one brings the message once: not never, and not twice."""
    clients = need(named(catalogue(), *PARSERS, *OTHERS))
    assert not complaints("every-byte", await cells("every-byte", clients, tmp_path))


@pytest.mark.parametrize("scenario", ["mid-block", "reset", "between"])
async def test_a_cut_while_messages_come_loses_nothing(tmp_path: Path, scenario: str) -> None:
    """What is published while a client is away is there when it is back, however its connection ended."""
    clients = need(named(catalogue(), *PARSERS))
    assert not complaints(scenario, await cells(scenario, clients, tmp_path))

"""Each Python driver says what its client does, in the protocol of tests/clients/driver.py."""

from __future__ import annotations

import pytest
from tests.clients.catalogue import MENDED, Client, catalogue
from tests.clients.trial import expect_end, expect_return, skip_unless_installed

pytestmark = [pytest.mark.slow, pytest.mark.wire]

#: Of those that run as their README shows, the ones that a cut does not end.
COME_BACK = {"PyPI requests-sse", "PyPI launchdarkly-eventsource", "fast-sse subscribe"}


def _rows(*, come_back: bool) -> pytest.MarkDecorator:
    rows = [
        pytest.param(client, id=client.key)
        for client in catalogue()
        if client.language == "Python" and (client.variant == MENDED or client.name in COME_BACK) is come_back
    ]
    return pytest.mark.parametrize("client", rows)


@_rows(come_back=True)
async def test_tells_events_of_two_connections(client: Client) -> None:
    """After a cut it asks from the last event that was handed over, and each message is told once with its id."""
    skip_unless_installed(client)
    driver = await expect_return(client)
    assert driver.opens == 2


@_rows(come_back=False)
async def test_tells_that_the_client_gave_up(client: Client) -> None:
    """A client that a cut ends for good is told to be closed, behind what it had handed over."""
    skip_unless_installed(client)
    driver = await expect_end(client)
    assert driver.opens == 1

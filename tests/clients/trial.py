"""One driver against a script, without a hub: does it say what its client does? Two short streams, cut behind each."""

from __future__ import annotations

import asyncio
import os

import pytest
from tests.cli.scripted import Scripted, stream
from tests.clients.catalogue import Client
from tests.clients.driver import Driver, Told
from tests.support.server import ROOT

PATH = "/v1/subscribe/events/carid000001/types/cart_changed?signature=v2.s"
FIRST = """\
retry: 40
event: fast-sse.start
data: {"cursor":"m1.0","resumed":false}
id: m1.0

:
data: {"data":1}
id: m1.1

"""
SECOND = """\
retry: 40
event: fast-sse.start
data: {"cursor":"m1.1","resumed":true}
id: m1.1

data: {"data":2}
id: m1.2

"""
START = Told("fast-sse.start", "m1.0", '{"cursor":"m1.0","resumed":false}')
ONE, TWO = Told("message", "m1.1", '{"data":1}'), Told("message", "m1.2", '{"data":2}')
#: What stands in `closed` of a driver that never said so.
ENDED = "the driver ended"


def skip_unless_installed(client: Client) -> None:
    """A laptop skips and says so; in CI what is missing is a failure."""
    if client.needs and os.environ.get("CI") != "true":
        pytest.skip(f"scripts/setup-clients has not been run: {client.needs} is missing")


async def expect_return(client: Client) -> Driver:
    """It asks again from the last event that was handed over, and each message is told once with its id."""
    with Scripted(stream(FIRST), stream(SECOND)) as server:
        driver = await _run(client, server, until=TWO)
    first, second = (request.lower() for request in server.asked)
    assert "last-event-id" not in first
    assert "last-event-id: m1.1\r\n" in second
    assert driver.closed == ENDED, "it had given up"
    assert [event for event in driver.events if not event.is_ours] == [ONE, TWO]
    return driver


async def expect_end(client: Client) -> Driver:
    """It hands over all of the first stream, says that it is closed, and asks for no second one."""
    with Scripted(stream(FIRST)) as server:
        driver = await _run(client, server, until=None)
    assert driver.closed != ENDED, "it said nothing"
    assert driver.events == [START, ONE]
    return driver


async def _run(client: Client, server: Scripted, *, until: Told | None) -> Driver:
    """A driver that ran until its user was told something, or until it gave up, and that ended by itself."""
    driver = await Driver(client.command, ROOT).start(server.url + PATH, client.variant)
    try:
        async with asyncio.timeout(20):
            await driver.until(lambda: until in driver.events if until else driver.closed is not None)
    except TimeoutError:
        pytest.fail(driver.describe())
    finally:
        await driver.end()
    assert driver._process is not None
    assert driver._process.returncode == 0, "it ends when its input ends, and is not killed"
    return driver

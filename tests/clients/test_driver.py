"""The protocol between a driver and the tests, with drivers of three lines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from tests.clients import driver
from tests.clients.driver import Driver, Told

pytestmark = pytest.mark.slow

SAYS = """
import sys
print('{"open": true}')
print('{"event": "message", "id": null, "data": "' + sys.argv[1] + '"}')
print('{"event": "fast-sse.gap", "id": "7", "data": "' + sys.argv[2] + '"}')
print('{"error": "broken"}', flush=True)
sys.stdin.read()
"""
STAYS = "import time\nprint('{\"open\": true}', flush=True)\ntime.sleep(60)"


async def driving(script: str) -> Driver:
    """A driver that is this script."""
    return await Driver((sys.executable, "-c", script), Path()).start("the-url", "plain")


async def test_what_a_driver_says_is_what_its_user_was_told() -> None:
    """Each line is a report, in order; URL and variant are the last arguments."""
    one = await driving(SAYS)
    await one.until(lambda: bool(one.errors))
    assert one.events == [Told("message", None, "the-url"), Told("fast-sse.gap", "7", "plain")]
    assert (one.opens, one.errors, one.closed) == (1, ["broken"], None)
    assert [event.is_ours for event in one.events] == [False, True]
    await one.end()
    assert one._process is not None
    assert one._process.returncode == 0


@pytest.mark.parametrize(
    ("script", "why"), [('print(\'{"closed": "204"}\')', "204"), ("", "the driver ended")]
)
async def test_a_driver_that_ends_has_given_up(script: str, why: str) -> None:
    """It says why, or its end is the reason."""
    one = await driving(script)
    await one.until(lambda: one.closed is not None)
    assert one.closed == why
    await one.end()


async def test_a_driver_that_stays_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No driver outlives its test."""
    monkeypatch.setattr(driver, "END_S", 0.1)
    one = await driving(STAYS)
    await one.until(lambda: bool(one.opens))
    await one.end()
    assert one._process is not None
    assert one._process.returncode == -9


def test_a_line_that_is_none_of_the_protocol_is_an_error() -> None:
    """A driver that says something else is mended, not guessed at."""
    with pytest.raises(ValueError, match="no line of the protocol"):
        Driver((), Path()).take({"said": 1})

"""Numbers of the recipe against the hub's own: each is right only in relation to another."""

from __future__ import annotations

import re

import pytest
from tests.deploy.nginx import RECIPE

from fast_sse.model.limits import MIB, Limits

LIMITS = Limits()
UNITS = {"s": 1, "m": MIB, "": 1}


def values(directive: str, location: str = "") -> list[int]:
    """What a directive is set to, in seconds or bytes, in one location or anywhere."""
    text = RECIPE.read_text()
    if location:
        text = text.partition(f"    location {location} {{")[2].partition("\n    }")[0]
    found = re.findall(rf"^\s*{directive} (\d+)([sm]?);", text, re.MULTILINE)
    assert found, f"{directive} is not set in {location or 'the recipe'}"
    return [int(number) * UNITS[unit] for number, unit in found]


def test_nginx_closes_idle_connections_first() -> None:
    """A publish is never written to a connection that the hub is just closing for idleness."""
    assert values("keepalive_timeout")[0] <= LIMITS.keep_alive_s - 10


def test_a_living_hub_is_never_taken_for_dead() -> None:
    """A stream may be silent for three heartbeats, a publish unanswered for as long as the store may take."""
    assert values("proxy_read_timeout", "/v1/subscribe")[0] >= 3 * LIMITS.heartbeat_s
    assert values("proxy_read_timeout", "/")[0] > LIMITS.append_s
    assert values("proxy_read_timeout", "= /v1/sse/batch")[0] > LIMITS.append_s


@pytest.mark.parametrize(
    ("location", "bytes_max"),
    [("/", LIMITS.body_bytes_max), ("= /v1/sse/batch", LIMITS.batch_bytes_max)],
)
def test_the_hub_is_who_refuses_a_body(location: str, bytes_max: int) -> None:
    """Nginx lets through what is a little too large, so that the hub says so, and no more than twice what may come."""
    assert bytes_max < values("client_max_body_size", location)[0] <= 2 * bytes_max


def test_operators_are_not_in_the_proxy() -> None:
    """The recipe leads to one address, the public one, and nowhere to the operators' listener."""
    assert re.findall(r"^\s*server (\S+);", RECIPE.read_text(), re.MULTILINE) == ["127.0.0.1:30000"]
    assert set(re.findall(r"proxy_pass (\S+);", RECIPE.read_text())) == {"http://fast_sse"}

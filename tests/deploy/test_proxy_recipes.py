"""Numbers of the recipes against the hub's own: each is right only in relation to another."""

from __future__ import annotations

import re

import pytest
from tests.deploy import apache, caddy, haproxy, nginx, varnish

from fast_sse.model.limits import MIB, Limits

LIMITS = Limits()
UNITS = {"s": 1, "m": MIB, "MiB": MIB, "": 1}
RECIPES = {
    "nginx": nginx.RECIPE,
    "haproxy": haproxy.RECIPE,
    "caddy": caddy.RECIPE,
    "varnish": varnish.RECIPE,
    "apache": apache.RECIPE,
}

#: Where a recipe says what: its one number, and its unit if there is one.
WORDS = {
    "nginx": {
        "idle": r"^    keepalive_timeout (\d+)(s);",
        "stream": r"^    location /v1/subscribe \{[^}]*?proxy_read_timeout (\d+)(s);",
        "publish": r"^    location / \{[^}]*?proxy_read_timeout (\d+)(s);",
        "batch": r"^    location = /v1/sse/batch \{[^}]*?proxy_read_timeout (\d+)(s);",
        "body_bytes": r"^    location / \{[^}]*?client_max_body_size (\d+)(m);",
        "batch_bytes": r"^    location = /v1/sse/batch \{[^}]*?client_max_body_size (\d+)(m);",
    },
    "haproxy": {
        "stream": r"^backend event_source\n(?:    .*\n)*?    timeout server (\d+)(s)",
        "other stream": r"^backend stream\n(?:    .*\n)*?    timeout server (\d+)(s)",
        "publish": r"^defaults\n(?:    .*\n|\n)*?    timeout server (\d+)(s)",
        "body_bytes": r"if !batch \{ req.hdr_val\(content-length\) gt (\d+)() \}",
        "batch_bytes": r"if batch \{ req.hdr_val\(content-length\) gt (\d+)() \}",
    },
    "caddy": {
        "idle": r"^\t\t\tkeepalive (\d+)(s)",
        "stream": r"^\thandle @streams \{[^}]*?read_timeout (\d+)(s)",
        "publish": r"^\t\t\tresponse_header_timeout (\d+)(s)",
        "body_bytes": r"^\thandle \{[^}]*?max_size (\d+)(MiB)",
        "batch_bytes": r"^\thandle @batch \{[^}]*?max_size (\d+)(MiB)",
    },
    "varnish": {
        "idle": r" -p backend_idle_timeout=(\d+)()",
        "stream": r" -p pipe_timeout=(\d+)()",
        "publish": r"^    \.first_byte_timeout = (\d+)(s);",
        "body_bytes": r"elsif \(std\.integer\(.*?\) > (\d+)()\)",
        "batch_bytes": r" if \(req\.url ~ .*batch.*\n.*std\.integer\(.*?\) > (\d+)()\)",
    },
    "apache": {
        "idle": r'ProxyPass "/" .* ttl=(\d+)()',
        "stream": r'ProxyPass "/v1/subscribe" .* timeout=(\d+)()',
        "publish": r'ProxyPass "/" .* timeout=(\d+)()',
        "body_bytes": r' -gt (\d+)()"\n    RewriteRule !',
        "batch_bytes": r' -gt (\d+)()"\n    RewriteRule \^/v1/sse/batch',
    },
}

recipes = pytest.mark.parametrize("proxy", RECIPES)


def values(proxy: str, *names: str) -> list[int]:
    """What a recipe says, in seconds or bytes, of those names that it has."""
    text = RECIPES[proxy].read_text()
    found = []
    for name in names:
        if name in WORDS[proxy]:
            (match,) = re.findall(WORDS[proxy][name], text, re.MULTILINE)
            found.append(int(match[0]) * UNITS[match[1]])
    assert found, f"{proxy}'s recipe says nothing of {names}"
    return found


@pytest.mark.parametrize("proxy", [proxy for proxy, words in WORDS.items() if "idle" in words])
def test_a_proxy_closes_idle_connections_first(proxy: str) -> None:
    """A publish is never written to a connection that the hub is just closing for idleness."""
    assert max(values(proxy, "idle")) <= LIMITS.keep_alive_s - 10


@recipes
def test_a_living_hub_is_never_taken_for_dead(proxy: str) -> None:
    """A stream may be silent for three heartbeats, a publish unanswered for as long as the store may take."""
    assert min(values(proxy, "stream", "other stream")) >= 3 * LIMITS.heartbeat_s
    assert min(values(proxy, "publish", "batch")) > LIMITS.append_s


@recipes
@pytest.mark.parametrize(
    ("name", "bytes_max"),
    [("body_bytes", LIMITS.body_bytes_max), ("batch_bytes", LIMITS.batch_bytes_max)],
)
def test_the_hub_is_who_refuses_a_body(proxy: str, name: str, bytes_max: int) -> None:
    """A proxy lets through what is a little too large, so that the hub says so, and no more than twice what may come."""
    assert bytes_max < values(proxy, name)[0] <= 2 * bytes_max


@recipes
def test_operators_are_not_in_the_proxy(proxy: str) -> None:
    """A recipe leads to one port, the public one, and nowhere to the operators' listener."""
    assert set(re.findall(r"\b300\d\d\b", RECIPES[proxy].read_text())) == {"30000"}

"""Settings that are allowed and open a door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fast_sse.cli.doctor.check_settings import settings, wrong
from fast_sse.config import load
from fast_sse.model.errors import ConfigError

SECRET = "0123456789abcdef0123456789abcdef"
SAFE = {"secret": SECRET, "publish_secret": SECRET[::-1]}


def found(file: Path | None = None, **flags: object) -> list[tuple[str, str]]:
    """Name and level of what is said about these settings."""
    config = load(None, {"auth": SAFE, **flags})
    return [(finding.name, finding.level) for finding in settings(config, file)]


@pytest.mark.parametrize(
    ("flags", "name", "level"),
    [
        ({}, "settings", "green"),
        ({"auth": {"secret": SECRET}}, "auth", "yellow"),
        ({"auth": {"v1": "subscribe", "secret": SECRET, "keys": {"a": SECRET}}}, "settings", "green"),
        ({"load_route": True}, "load_route", "yellow"),
        ({"load_route": True, "host": "0.0.0.0", "trusted_proxies": "10.0.0.1"}, "load_route", "red"),
        ({"host": "0.0.0.0"}, "tls", "yellow"),
        ({"host": "0.0.0.0", "tls": {"cert": "c", "key": "k"}}, "settings", "green"),
        ({"host": "::1"}, "settings", "green"),
        ({"trusted_proxies": "10.0.0.0/8,192.168.0.1"}, "settings", "green"),
        ({"trusted_proxies": "0.0.0.0/0"}, "trusted_proxies", "red"),
        ({"trusted_proxies": "::/0"}, "trusted_proxies", "red"),
        ({"trusted_proxies": "::ffff:0:0/96"}, "trusted_proxies", "red"),
        ({"trusted_proxies": "::ffff:10.0.0.0/104,unix"}, "settings", "green"),
        ({"host": "unix:/run/hub.sock"}, "settings", "green"),
        ({"host": "unix:/run/hub.sock", "load_route": True}, "load_route", "yellow"),
        ({"host": "unix:/run/hub.sock", "limits": {"publish_rate": 1}}, "trusted_proxies", "yellow"),
        ({"cors": {"origins": "https://shop.example"}}, "settings", "green"),
        ({"cors": {"origins": "http://localhost:3000,http://127.0.0.1"}}, "settings", "green"),
        ({"cors": {"origins": "http://shop.example:8080"}}, "cors.origins", "yellow"),
    ],
)
def test_each_open_door_is_one_line(flags: dict[str, Any], name: str, level: str) -> None:
    """What strangers could use is red, what one should know is yellow, and without either there is one green line."""
    assert found(**flags) == [(name, level)]


def test_a_file_of_secrets_that_everybody_can_read_is_named(tmp_path: Path) -> None:
    """Its mode is looked at: a group may read it (a service's user), the rest may not (CWE-732)."""
    file = tmp_path / "hub.toml"
    file.write_text("")
    for mode, said in ((0o600, "settings"), (0o640, "settings"), (0o644, "secrets")):
        file.chmod(mode)
        assert found(file)[0][0] == said


def test_what_keeps_a_hub_from_starting_is_red() -> None:
    """One line a problem, such as an operators' listener on the network without a key."""
    (line,) = wrong([ConfigError("admin.key", "is required when admin_host is not a loopback address")])
    assert line.level == "red"
    assert line.found.startswith("admin.key: is required")

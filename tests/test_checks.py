"""What is wrong with settings of the right shape: each rule names its key. Their lines at a start: `test_config.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fast_sse.checks import problems_of
from fast_sse.config import Config

SECRET = "0123456789abcdef0123456789abcdef"


def keys_of(**settings: Any) -> list[str]:
    """The keys that something is wrong with."""
    made = Config.model_validate({"auth": {"secret": SECRET}, **settings})
    return [key for key, _ in problems_of(made)]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, []),
        ({"port": 9000, "admin_port": 9000}, ["admin_port"]),
        ({"port": 9000, "admin_port": 9000, "host": "0.0.0.0", "admin_host": "127.0.0.1"}, ["admin_port"]),
        ({"port": 9000, "admin_port": 9000, "host": "127.0.0.2", "admin_host": "127.0.0.1"}, []),
        ({"port": 0, "admin_port": 0}, []),
        ({"port": 9000, "admin_port": 9000, "host": "localhost", "admin_host": "::1"}, ["admin_port"]),
        ({"port": 9000, "admin_port": 9000, "host": "unix:/run/hub.sock"}, []),
        ({"host": "unix:hub.sock"}, ["host"]),
        ({"host": "unix:"}, ["host"]),
        ({"host": "unix:/run/\0hub.sock"}, ["host"]),
        ({"host": "unix:/a", "store": "redis", "node": "a", "reuse_port": True}, ["reuse_port"]),
        ({"admin_host": "unix:/run/hub.sock", "admin": {"key": SECRET}}, ["admin_host"]),
        ({"proxy_protocol": True, "trusted_proxies": "10.0.0.1"}, []),
        ({"proxy_protocol": True}, ["trusted_proxies"]),
        ({"proxy_protocol": True, "trusted_proxies": "10.0.0.1", "host": "unix:/a"}, ["trusted_proxies"]),
        ({"proxy_protocol": True, "trusted_proxies": "unix", "host": "unix:/a"}, []),
        ({"tls": {"key_password": "x"}}, ["tls.key_password"]),
        ({"retention": {"max_age_s": 59}}, ["retention.max_age_s"]),
        ({"retention": {"max_age_s": 60}}, []),
        ({"retention": {"max_age_s": 0}}, []),
        ({"retention": {"max_age_s": 59}, "dead_letters": {"enabled": False}}, []),
        ({"cors": {"credentials": True}}, ["cors.credentials"]),
        ({"cors": {"credentials": True, "origins": ["https://a.example"]}}, []),
    ],
)
def test_each_rule_names_its_key(settings: dict[str, Any], expected: list[str]) -> None:
    """Listeners of two kinds on one place, and settings that are for nothing."""
    assert keys_of(**settings) == expected


def test_a_chain_and_its_key_come_together() -> None:
    """The one that is missing is named."""
    assert keys_of(tls={"cert": Path("a.pem")}) == ["tls.key"]
    assert keys_of(tls={"key": Path("a.pem")}) == ["tls.cert"]


def test_a_proxy_header_and_tls_exclude_one_another() -> None:
    """The header comes before TLS; both keys are named in one line."""
    tls = {"cert": Path("a.pem"), "key": Path("b.pem")}
    made = Config.model_validate(
        {"auth": {"secret": SECRET}, "tls": tls, "proxy_protocol": True, "trusted_proxies": "10.0.0.1"}
    )
    ((key, problem),) = problems_of(made)
    assert key == "proxy_protocol"
    assert "tls.cert and tls.key" in problem


@pytest.mark.parametrize(
    ("auth", "served", "mounted"),
    [
        ({}, ["auth.secret"], []),
        ({"v1": "off"}, ["auth.keys"], []),
        ({"keys": {"web": SECRET}}, ["auth.secret"], []),
        ({"publish_secret": SECRET}, ["auth.secret"], []),
        ({"secret": ""}, ["auth.secret"], ["auth.secret"]),
        ({"secret": "{SECRET}"}, ["auth.secret"], ["auth.secret"]),
        ({"keys": {"web": ""}}, ["auth.keys", "auth.secret"], ["auth.keys"]),
        ({"signing_kid": "web"}, ["auth.secret", "auth.signing_kid"], ["auth.signing_kid"]),
        ({"secret_previous": SECRET}, ["auth.secret"], ["auth.secret"]),
    ],
)
def test_a_mounted_hub_may_have_nothing_to_sign_with(
    auth: dict[str, Any], served: list[str], mounted: list[str]
) -> None:
    """It may leave secrets out. One that is there must be strong, and `secret_previous` alone is a mistake."""
    made = Config.model_validate({"auth": auth})
    assert [key for key, _ in problems_of(made)] == served
    assert [key for key, _ in problems_of(made, mounted=True)] == mounted

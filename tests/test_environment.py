"""Variables that others put into our name space are left alone; a misspelt setting is not."""

from __future__ import annotations

import pytest

from fast_sse.environment import foreign, key_of, settings_of

#: What Kubernetes sets for a Service `fast-sse` and one `fast-sse-redis`, and Docker for a link.
SERVICES = {
    "FAST_SSE_SERVICE_HOST": "10.96.7.1",
    "FAST_SSE_SERVICE_PORT": "30000",
    "FAST_SSE_SERVICE_PORT_HTTP": "30000",
    "FAST_SSE_PORT": "tcp://10.96.7.1:30000",
    "FAST_SSE_PORT_30000_TCP": "tcp://10.96.7.1:30000",
    "FAST_SSE_PORT_30000_TCP_PROTO": "tcp",
    "FAST_SSE_PORT_30000_TCP_PORT": "30000",
    "FAST_SSE_PORT_30000_TCP_ADDR": "10.96.7.1",
    "FAST_SSE_REDIS_SERVICE_HOST": "10.96.7.2",
    "FAST_SSE_REDIS_SERVICE_PORT_REDIS": "6379",
    "FAST_SSE_REDIS_PORT": "tcp://10.96.7.2:6379",
    "FAST_SSE_REDIS_PORT_6379_TCP_ADDR": "10.96.7.2",
    "FAST_SSE_DNS_PORT": "udp://10.96.7.3:53",
    "FAST_SSE_NAME": "/web/fast_sse",
    "FAST_SSE_ENV_LANG": "C.UTF-8",
    "FAST_SSE_REDIS_ENV_REDIS_VERSION": "7",
}


def test_variables_of_services_and_links_are_left_alone() -> None:
    """By their form, and where ours could be meant by their value."""
    assert settings_of(SERVICES) == {}
    assert foreign({**SERVICES, "PATH": "/bin", "KUBERNETES_PORT": "tcp://10.0.0.1:443"}) == sorted(SERVICES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FAST_SSE_PORT", "30000"),
        ("FAST_SSE_ADMIN_PORT", "30001"),
        ("FAST_SSE_PROT", "30000"),
        ("FAST_SSE_REDIS_PORT", "6379"),
        ("FAST_SSE_NAME", "node-1"),
        ("FAST_SSE_AUTH__SECRET", "tcp://looks-like-a-service"),
        ("fast_sse_port", "1"),
    ],
)
def test_what_may_be_ours_stays_ours(name: str, value: str) -> None:
    """Right or misspelt: whoever reads the settings says which."""
    assert settings_of({name: value}) == {name: value}
    assert foreign({name: value}) == []


def test_an_empty_variable_is_unset_but_for_rights() -> None:
    """A template left it empty; an empty list of who may do what is none, and an empty secret must be seen."""
    kept = ["FAST_SSE_AUTH__ALLOWED_EVENT_IDS", "FAST_SSE_AUTH__SECRET", "FAST_SSE_ADMIN__KEY"]
    empty = dict.fromkeys([*kept, "FAST_SSE_NODE", "FAST_SSE_CORS__ORIGINS", "FAST_SSE_REDIS__URL"], "")
    assert sorted(settings_of(empty)) == sorted(kept)


def test_two_underscores_are_a_dot() -> None:
    """As the settings are named in a file."""
    assert key_of("FAST_SSE_AUTH__SECRET_FILE") == "auth.secret_file"

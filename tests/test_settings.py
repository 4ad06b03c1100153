"""The shapes of settings, each group by itself; where their values come from is tests/test_config.py's matter."""

from __future__ import annotations

import msgspec
import pytest
from pydantic import ValidationError

from fast_sse.model.limits import Limits
from fast_sse.settings import (
    TOP_LEVEL_LIMITS,
    Auth,
    CorsRules,
    KafkaTopicSource,
    LimitBounds,
    RedisStreamSource,
)


def test_a_mistake_does_not_show_the_value() -> None:
    """What stands under a wrong name may be a secret (CWE-532)."""
    with pytest.raises(ValidationError) as caught:
        Auth.model_validate({"v1": "hunter2", "publik_secret": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_a_group_does_not_change() -> None:
    """What was checked is what runs."""
    with pytest.raises(ValidationError, match="frozen"):
        CorsRules().origins = frozenset()


def test_limits_have_the_model_s_kinds_and_defaults() -> None:
    """A limit's setting is its field: same name, same kind, same default."""
    fields = {field.name: field.default for field in msgspec.structs.fields(Limits)}
    assert dict(LimitBounds()) == {
        name: value for name, value in fields.items() if name not in TOP_LEVEL_LIMITS
    }


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@h:7000/1?ssl_ca_certs=/a", "redis://:p@[::1]:1"])
def test_a_redis_is_named_by_its_url(url: str) -> None:
    """Host, port, user, password and TLS as redis-py takes them; a secret, because of the password."""
    source = RedisStreamSource.model_validate({"url": url})
    assert source.url is not None
    assert source.url.get_secret_value() == url
    assert "p@" not in repr(source)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:6379",
        "http://h",
        "redis+sentinel://hunter2@h",
        "redis://",
        "redis://h:hunter2",
        "redis://h:0",
        "redis://h?hunter2=1",
        "redis://h?hunter2",
        "redis://h/hunter2",
        "redis://hunter2@h,i",
        "redis://hunter2@h?ssl_ca_certs=/a",
    ],
)
def test_what_is_no_redis_is_refused(url: str) -> None:
    """Another scheme, no host, no port, and whatever else the clients would refuse: refused at the start, without showing it."""
    with pytest.raises(ValidationError) as caught:
        RedisStreamSource.model_validate({"url": url})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a\n", "x" * 257])
def test_a_queue_has_a_plain_name(name: str) -> None:
    """No white space or control characters: it stands in logs and metrics."""
    with pytest.raises(ValidationError):
        RedisStreamSource.model_validate({"queue_name": name})


def test_options_of_kafka_are_secrets() -> None:
    """What goes through to the client may hold a password: it is kept, and never shown; as JSON where it is text."""
    options = '{"sasl.password": "hunter2"}'
    source = KafkaTopicSource.model_validate({"topic": "t", "options": options})
    assert source.options is not None
    assert source.options["sasl.password"].get_secret_value() == "hunter2"
    assert "hunter2" not in repr(source)


@pytest.mark.parametrize("servers", ["", "a b", "a:1,", ",a:1"])
def test_brokers_are_host_and_port(servers: str) -> None:
    """Several stand between commas, without white space."""
    with pytest.raises(ValidationError):
        KafkaTopicSource.model_validate({"bootstrap_servers": servers})

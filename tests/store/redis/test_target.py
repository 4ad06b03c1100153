"""What a Redis URL may say, and that its password is never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis.asyncio

from fast_sse.model.errors import ConfigError
from fast_sse.store.redis.target import Target, Tls, target


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://127.0.0.1:6379/0", Target("127.0.0.1", 6379, 0)),
        ("redis://cache", Target("cache", 6379, 0)),
        ("redis://:p%40ss@cache:7/3", Target("cache", 7, 3, "", "p@ss")),
        ("redis://hub:secret@[::1]:7", Target("::1", 7, 0, "hub", "secret")),
        ("rediss://cache", Target("cache", 6379, 0, tls=Tls())),
        (
            "rediss://cache?ssl_ca_certs=a&ssl_certfile=b&ssl_keyfile=c&ssl_check_hostname=no",
            Target("cache", 6379, 0, tls=Tls("a", "b", "c", check_hostname=False)),
        ),
    ],
)
def test_a_url_is_read(url: str, expected: Target) -> None:
    """Host, port, database, ACL user and password, percent-decoded."""
    assert target(url) == expected


def test_tls_is_checked_unless_told_otherwise() -> None:
    """`rediss://` checks the certificate and the name; only an explicit option leaves the name out."""
    strict, loose = target("rediss://cache"), target("rediss://cache?ssl_check_hostname=false")
    assert strict.context is not None
    assert strict.context.check_hostname
    assert loose.context is not None
    assert not loose.context.check_hostname
    assert loose.context.verify_mode == strict.context.verify_mode


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://u:secret@h", "must begin with redis://"),
        ("redis+sentinel://u:secret@h", "Sentinel is not supported"),
        ("redis-cluster://u:secret@h", "Cluster is not supported"),
        ("redis://u:secret@h:1,h:2", "must be a URL such as"),
        ("redis://u:secret@h,g", "several servers"),
        ("redis://u:secret@h:99999", "must be a URL such as"),
        ("redis://u:secret@h:0", "a port from 1"),
        ("redis://u:secret@", "with a host"),
        ("redis://u@h?secret=1", "an option that is not known"),
        ("redis://u:secret@h/secret", "number of a database"),
        ("redis://u:secret@h/" + "1" * 5000, "number of a database"),
        ("redis://u:secret@h?max_connections=5", "an option that is not known"),
        ("redis://u:secret@h?ssl_ca_certs=x", "needs rediss://"),
        ("rediss://u:secret@h?ssl_ca_certs=/no/such/secret", "certificate that cannot be used"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(url: str, problem: str) -> None:
    """The error names the setting and the problem and repeats nothing of the URL (CWE-532)."""
    with pytest.raises(ConfigError, match=f"redis.url: .*{problem}") as caught:
        _ = target(url).context
    assert "secret" not in str(caught.value)


def test_a_password_is_in_no_repr() -> None:
    """Whoever logs a target logs no secret."""
    assert "secret" not in repr(target("redis://hub:secret@h")) + target("redis://hub:secret@h").where


def test_a_certificate_of_ours_is_used(tmp_path: Path) -> None:
    """A file that is no certificate is named as such, not by its content."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="certificate"):
        _ = target(f"rediss://h?ssl_ca_certs={tmp_path / 'ca.pem'}").context


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache",
        "redis://:p%40ss@cache:7/3",
        "redis://hub:secret@[::1]:7",
        "rediss://hub:secret@cache?ssl_ca_certs=/a&ssl_check_hostname=false",
        "rediss://cache:7000/1?ssl_certfile=/b&ssl_keyfile=/c",
    ],
)
def test_redis_py_is_given_what_it_would_read(url: str) -> None:
    """The client of the foreign queue goes where its own reading of the URL would lead, with the same user and TLS."""
    ours, theirs = (
        redis.asyncio.Redis(**target(url).for_redis_py()).connection_pool,
        redis.asyncio.Redis.from_url(url).connection_pool,
    )
    one, other = ours.make_connection(), theirs.make_connection()
    for name in ("host", "port", "db", "username", "password"):
        assert getattr(one, name) == getattr(other, name), name
    assert type(one) is type(other)
    if url.startswith("rediss"):
        for name in ("ca_certs", "certfile", "keyfile", "check_hostname", "cert_reqs"):
            assert getattr(one.ssl_context, name) == getattr(other.ssl_context, name), name

"""What is said of a setting of the wrong shape: our words, and never the value."""

from __future__ import annotations

import pytest

from fast_sse.config import problems

SECRET = "an-original-secret-of-more-than-32-bytes"


def complaint(monkeypatch: pytest.MonkeyPatch, key: str, value: str) -> str:
    """The line about one setting in the environment."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv("FAST_SSE_" + key.upper().replace(".", "__"), value)
    (found,) = problems()
    return str(found)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("port", "99999", "port: must be at most 65535"),
        ("port", "-1", "port: must be at least 0"),
        ("port", "http", "port: must be a whole number"),
        ("heartbeat_s", "soon", "heartbeat_s: must be a number"),
        ("heartbeat_s", "0", "heartbeat_s: must be above 0"),
        ("heartbeat_s", "inf", "heartbeat_s: must be a finite number"),
        ("reuse_port", "perhaps", "reuse_port: must be true or false"),
        ("store", "mysql", "store: must be sqlite, memory, redis or kafka"),
        ("compression", "gzip", "compression: must be off, payload, stream or auto"),
        ("compression_secret", "no-channel", "compression_secret.0: a channel is ID/TYPE with a single '/'"),
    ],
)
def test_a_value_of_the_wrong_shape(monkeypatch: pytest.MonkeyPatch, key: str, value: str, said: str) -> None:
    """The key and what it takes; not what it was given."""
    line = complaint(monkeypatch, key, value)
    assert line == said
    assert value not in line.replace(key, "") or value == "0"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "FAST_SSE_HEARTBEATS",
            "heartbeats: unknown setting; did you mean heartbeat_s? (in FAST_SSE_HEARTBEATS)",
        ),
        ("FAST_SSE_DATADIR", "datadir: unknown setting; did you mean data_dir? (in FAST_SSE_DATADIR)"),
        (
            "FAST_SSE_AUTH__SECRT",
            "auth.secrt: unknown setting; did you mean auth.secret? (in FAST_SSE_AUTH__SECRT)",
        ),
        (
            "FAST_SSE_XYZZY",
            "xyzzy: unknown setting; see them all with: fast-sse config show (in FAST_SSE_XYZZY)",
        ),
    ],
)
def test_a_name_that_is_nearly_right(monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    """In the environment as in a file: what may have been meant is named."""
    monkeypatch.setenv("FAST_SSE_AUTH__SECRET", SECRET)
    monkeypatch.setenv(name, "1")
    assert [str(one) for one in problems()] == [said]

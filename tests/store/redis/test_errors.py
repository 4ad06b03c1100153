"""What an error reply means."""

from __future__ import annotations

import pytest

from fast_sse.model.errors import DiskFullError, NotStoredError
from fast_sse.store.redis.errors import translated


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", DiskFullError),
        ("ERR max number of clients reached", NotStoredError),
        ("READONLY You can't write against a read only replica.", NotStoredError),
        ("WRONGTYPE Operation against a key holding the wrong kind of value", NotStoredError),
        ("ERR something of tomorrow about {fast-sse}:meta", NotStoredError),
        ("", NotStoredError),
    ],
)
def test_every_error_reply_is_certainly_not_stored(reply: str, kind: type[NotStoredError]) -> None:
    """Known or not, it is a 503 or 507 in our words: Redis' own name keys and arguments (CWE-209)."""
    error = translated(reply)
    assert type(error) is kind
    assert error.status in (503, 507)
    assert "fast-sse" not in error.message
    assert error.retry_after_s > 0


def test_what_nobody_foresaw_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    """It is retried like the rest, so that a reader's stream would stand still without a word; said once for each text."""
    for _ in range(3):
        translated("ERR of the day after tomorrow")
        translated("OOM")
    (line,) = caplog.messages
    assert "refuses a command: ERR of the day after tomorrow; " in line


def test_what_was_sent_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A server that does not know a command repeats its arguments, a message or a password (CWE-532)."""
    translated("ERR unknown command 'EVALSHA', with args beginning with: '0123' '1' 's3cret-word' ")
    (line,) = caplog.messages
    assert "refuses a command: ERR unknown command 'EVALSHA'; " in line


@pytest.mark.parametrize("reply", ["BUSY", "OOM", "BUSYGROUP of another meaning", "ERR max number of others"])
def test_only_whole_words_are_known(reply: str, caplog: pytest.LogCaptureFixture) -> None:
    """A reply whose first word only begins like a known one is another reply, and is logged."""
    translated(reply)
    assert len(caplog.messages) == (" " in reply)

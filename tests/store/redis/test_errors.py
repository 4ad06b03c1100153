"""What an error reply means."""

from __future__ import annotations

import pytest

from fast_sse.model.errors import DiskFullError, NotStoredError
from fast_sse.store.redis.errors import translated


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", DiskFullError),
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
    assert line.endswith(": ERR of the day after tomorrow")

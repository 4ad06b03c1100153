"""What a reply of the server, or its silence, means for the caller (guarantee G2).

A script that answers with an error has written nothing (what it had begun, it took back), so every error reply is
"certainly not stored". So is a command that was never handed to a connection. Only what was sent and not answered is
unknown.
"""

from __future__ import annotations

import logging
from functools import lru_cache

from fast_sse.model.errors import DiskFullError, NotStoredError, UnavailableError

#: The first word of an error reply, and what we say of it.
_REPLIES: dict[str, tuple[type[UnavailableError], str]] = {
    "OOM": (DiskFullError, "Redis has no memory left"),
    "READONLY": (NotStoredError, "this Redis server is a replica and takes no writes"),
    "LOADING": (NotStoredError, "Redis is still loading its data"),
    "MISCONF": (NotStoredError, "Redis cannot persist its data and takes no writes"),
    "MASTERDOWN": (NotStoredError, "this Redis replica has lost its primary"),
    "NOREPLICAS": (NotStoredError, "Redis has fewer replicas than it must have to take writes"),
    "WRONGTYPE": (NotStoredError, "a key of the log holds something else"),
    "BUSY": (NotStoredError, "Redis is busy running somebody's script"),
    "NOPERM": (NotStoredError, "the user of redis.url lacks a permission"),
    "NOAUTH": (NotStoredError, "Redis asks for a password"),
    "WRONGPASS": (NotStoredError, "Redis refuses the user or password of redis.url"),
}

_log = logging.getLogger(__name__)
#: Characters of an unforeseen error that are logged: its sentence, and hardly a value.
_TOLD_MAX = 160


class LostError(Exception):
    """The connection ended, or was given up, before this command was answered."""


def translated(message: str) -> UnavailableError:
    """The error of an error reply. Its own text may name keys and arguments and is never shown to a caller."""
    known = _REPLIES.get(message.split(" ", 1)[0])
    if known is None:
        _tell(message[:_TOLD_MAX])
    kind, sentence = known or (NotStoredError, "Redis refused the command")
    return kind(sentence, retry_after_s=1)


@lru_cache(maxsize=64)
def _tell(message: str) -> None:
    """What nobody foresaw is tried again like the rest, so it must be seen; once, however often it is tried."""
    _log.error("Redis refuses a command for a reason that is not known here: %s", message)

"""What a reply of the server, or its silence, means for the caller (guarantee G2).

A script that answers with an error has written nothing: it takes back what it had begun. So every error reply is
"certainly not stored", and so is a command that was never handed to a connection. Only a command that was sent and not
answered is unknown.

The server's own text is never shown. It may name keys, and it may repeat what was sent, a password too.
"""

from __future__ import annotations

import logging
import os
import ssl
from functools import lru_cache

from fast_sse.model.errors import DiskFullError, NotStoredError, UnavailableError

#: The first words of an error reply, and our words for it.
_REPLIES: dict[str, tuple[type[UnavailableError], str]] = {
    "OOM": (DiskFullError, "Redis has no memory left"),
    "READONLY": (NotStoredError, "this Redis server is a replica and takes no writes"),
    "LOADING": (NotStoredError, "Redis is still loading its data"),
    "MISCONF": (NotStoredError, "Redis cannot persist its data and takes no writes"),
    "MASTERDOWN": (NotStoredError, "this Redis replica has lost its primary"),
    "NOREPLICAS": (NotStoredError, "Redis has fewer replicas than it must have to take writes"),
    "WRONGTYPE": (NotStoredError, "a key of the log holds something else"),
    "BUSY": (NotStoredError, "Redis is busy running a script"),
    "NOPERM": (NotStoredError, "the user of redis.url lacks a permission"),
    "NOAUTH": (NotStoredError, "Redis asks for a password"),
    "WRONGPASS": (NotStoredError, "Redis refuses the user or password of redis.url"),
    "ERR max number of clients": (NotStoredError, "Redis has no room for another client"),
    "DENIED": (NotStoredError, "Redis is in protected mode and wants a password from other machines"),
}
#: Replies that no command asked for: the server says why it lets nobody in, and ends the connection.
TURNED_AWAY = ("DENIED", "ERR max number of clients")

_log = logging.getLogger(__name__)
#: Characters of an unforeseen error that are logged.
_LOGGED_MAX = 160
#: What follows in a reply is a copy of what was sent.
_REPEATED = ", with args beginning with"


class LostError(Exception):
    """The connection ended, or was given up, before this command was answered."""


class TurnedAwayError(LostError):
    """The server let nobody in; the message says why, in our words."""


def why(error: LostError, connect_s: float) -> str:
    """Why there is no connection, in words of the system or of ours. `connect_s`: how long it was tried."""
    cause = error.__cause__
    if isinstance(cause, TimeoutError):
        return f"no answer within {connect_s:g} s"
    if isinstance(cause, ssl.SSLError):
        return f"TLS fails: {cause.reason}"
    if isinstance(cause, OSError):
        return os.strerror(cause.errno) if cause.errno and cause.errno > 0 else cause.strerror or str(cause)
    return str(error)


def translated(message: str) -> UnavailableError:
    """The error that an error reply means, in our words."""
    known = next((_REPLIES[words] for words in _REPLIES if f"{message} ".startswith(f"{words} ")), None)
    if known is None:
        _log_once(message.partition(_REPEATED)[0][:_LOGGED_MAX])
    kind, sentence = known or (NotStoredError, "Redis refused the command")
    return kind(sentence, retry_after_s=1)


@lru_cache(maxsize=64)
def _log_once(message: str) -> None:
    """Log an unforeseen reply, so that it is seen: the command is tried again like any other. Each text is logged once."""
    _log.error(
        "Redis refuses a command: %s; look at the server's log and at the rights of the hub's user", message
    )

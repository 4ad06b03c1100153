"""The access log of one listener: one line for each request that was answered, and one for each stream at its end.

A query may hold a signature or a token, and a client may percent-encode a letter of its name. So a value is shown only if
the decoded name is on a short list of parameters that hold no secret (CWE-532).
"""

from __future__ import annotations

import time
from typing import Literal, NamedTuple
from urllib.parse import unquote_plus

from fast_sse.observe.logging import REDACTED, Log

#: Why a stream ended; docs/logs.md says what each of them means. `client` and `server` are the only ends that the hub did not make.
Ended = Literal[
    "client", "server", "stalled", "age", "expired", "revoked", "drain", "shutdown", "overload", "keys_awaited", "undecided",
    "erased", "operator", "defect",
]  # fmt: skip
#: Parameters whose values may be read by whoever reads the log.
SHOWN = frozenset(
    {"after", "channel", "heartbeat", "last", "last_event_id", "lastEventId", "limit", "prime", "since"}
)
#: Characters of a query that are looked at; a line shows fewer.
_QUERY_CHARACTERS_MAX = 1024
#: Of the name of another parameter: a longer one may be a secret that was pasted there.
_NAME_CHARACTERS_MAX = 24


class Asked(NamedTuple):
    """A request, as its line names it: `query` is raw, `client` empty unless a trusted proxy named one."""

    method: str
    path: str
    query: str
    peer: str
    client: str = ""


class AccessLog:
    """Writes the lines of the listener called `listener`."""

    #: In seconds, for durations.
    now = staticmethod(time.perf_counter)

    def __init__(self, log: Log, listener: str) -> None:
        self._log = log
        self._listener = listener

    def request(self, asked: Asked, status: int, size: int, began_s: float, request_id: str = "") -> None:
        """An answer is ready: `size` is that of its body in bytes, `began_s` when the request was complete."""
        fields = self._fields(asked)
        duration_ms = round((self.now() - began_s) * 1000, 3)
        fields |= {"status": status, "bytes": size, "duration_ms": duration_ms, **_from(asked)}
        if request_id:
            fields["request_id"] = request_id
        self._log.info("request", **fields)

    def stream(self, asked: Asked, ended: Ended, began_s: float) -> None:
        """A stream has ended, and `ended` says why in one word."""
        duration_s = round(self.now() - began_s, 3)
        self._log.info("stream", **self._fields(asked), ended=ended, duration_s=duration_s, **_from(asked))

    def _fields(self, asked: Asked) -> dict[str, object]:
        fields: dict[str, object] = {
            "listener": self._listener,
            "method": asked.method,
            "path": asked.path,
        }
        if asked.query:
            fields["query"] = redacted(asked.query)
        return fields


def _from(asked: Asked) -> dict[str, str]:
    return {"peer": asked.peer, "client": asked.client} if asked.client else {"peer": asked.peer}


def redacted(query: str) -> str:
    """A raw query without the value of any parameter that is not known to hold no secret."""
    cut = query[:_QUERY_CHARACTERS_MAX]
    return "&".join(_shown(field) for field in cut.split("&"))


def _shown(field: str) -> str:
    name, equals, _value = field.partition("=")
    if unquote_plus(name) in SHOWN:
        return field
    return f"{name}={REDACTED}" if equals and len(name) <= _NAME_CHARACTERS_MAX else REDACTED

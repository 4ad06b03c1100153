"""A keep-alive connection to a hub that repeats a request until its outcome is known.

A 503 says that nothing was stored; a 504 or a cut connection leaves it open. A sender of the same idempotency
keys may try all of them again, and there is one message in the end (guarantees G2 and G3).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from fast_sse.cli.remote import NETWORK_ERRORS, Remote
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import UnavailableError

#: A later try may end otherwise. 408 and 502 come from a stall and from a proxy whose hub is away.
RETRY_STATUSES = frozenset({408, 429, 502, 503, 504, 507})
#: Of these the request may have been carried out all the same.
_UNKNOWN_STATUSES = frozenset({502, 504})
#: The words for the same outcomes where a batch answers item by item.
RETRY_CODES = frozenset({"rate_limited", "not_stored", "overloaded", "unknown", "disk_full"})

WAIT_S_MIN = 0.2
WAIT_S_MAX = 5.0
TIMEOUT_S = 30.0

_SECONDS = re.compile("[0-9]{1,5}").fullmatch

#: Shows a sentence to the user.
Tell = Callable[[str], None]


class Answer(NamedTuple):
    """What came back. `status` 0: nothing did, and `problem` says why."""

    status: int
    body: dict[str, Any]
    problem: str = ""
    retry_after_s: float = 0.0


class HubLink:
    """One connection and its patience: `retries` further tries, each later than the one before.

    Attributes:
        unknown: some try of a request may have been carried out although no answer said so.
    """

    def __init__(
        self, hub: Remote, retries: int, tell: Tell, sleep: Callable[[float], None] | None = None
    ) -> None:
        """`sleep` waits for that many seconds, or raises when it is not worth waiting any more."""
        self.unknown = False
        self._hub, self._retries, self._tell, self._sleep = hub, retries, tell, sleep
        self._connection = hub.connect(TIMEOUT_S)
        self._left, self._backoff = retries, Backoff(WAIT_S_MIN, WAIT_S_MAX)

    def settle(self, path: str, body: bytes, headers: Callable[[], dict[str, str]]) -> Answer:
        """Post until there is an answer that a further try would not change. `headers` are made anew each time.

        Raises:
            UnavailableError: every try failed.
        """
        while True:
            answer = self._post(path, body, headers())
            if answer.status and answer.status not in RETRY_STATUSES:
                return answer
            self._connection.close()
            self.pause(answer.problem, answer.retry_after_s)

    def pause(self, problem: str, retry_after_s: float = 0.0) -> None:
        """Wait before another try, at least as long as the hub asked for.

        Raises:
            UnavailableError: that was the last one.
        """
        if self._left == 0:
            raise UnavailableError(problem)
        self._left -= 1
        self._tell(f"{problem}; trying again with the same key")
        wait_s = max(retry_after_s, self._backoff.next_s(random.random()))  # noqa: S311  jitter
        (self._sleep or time.sleep)(wait_s)

    def renew(self) -> None:
        """Something got through: patience begins anew."""
        self._left = self._retries
        self._backoff.restart()

    def abort(self) -> None:
        """End a wait for an answer, from another thread."""
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        try:
            response = self._exchange(path, body, headers)
            text = response.read()
        except NETWORK_ERRORS as error:
            self._connection.close()
            self.unknown = self.unknown or not isinstance(error, ConnectionRefusedError)
            return Answer(0, {}, self._hub.trouble(error))
        self.unknown = self.unknown or response.status in _UNKNOWN_STATUSES
        found = _object(text)
        words = f"{found['code']}: {found.get('message', '')}" if "code" in found else response.reason
        problem = f"{response.status} {words}"
        return Answer(response.status, found, problem, _seconds(response.headers.get("Retry-After", "")))

    def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        try:
            self._connection.request("POST", path, body, headers)
        except (BrokenPipeError, ConnectionResetError):
            if self._connection.sock is None:
                raise
            # The hub may have refused the body by its length alone, and its answer is here to be read.
        return self._connection.getresponse()


def _object(text: bytes) -> dict[str, Any]:
    """The JSON object of an answer; empty for what a proxy says in its own words."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(text: str) -> float:
    """A Retry-After of a few digits; 0 for a date and for whatever else a proxy sends."""
    return float(text) if _SECONDS(text) else 0.0

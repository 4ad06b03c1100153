"""The operators' listener of a hub, as the commands ask it: one request, its answer as the bytes that it is.

The key stands in a variable, never in an argument: every user of a machine can read the arguments of a process (CWE-214).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from typer import Option

from fast_sse.cli.completing import variables
from fast_sse.cli.publishing.link import RETRY_STATUSES, TIMEOUT_S, WAIT_S_MAX, WAIT_S_MIN
from fast_sse.cli.remote import NETWORK_ERRORS, Remote
from fast_sse.environment import PREFIX
from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import ConfigError, UnavailableError

DEFAULT_ADMIN = "http://127.0.0.1:30001"
#: Where the hub itself reads its key from.
KEY_VARIABLE = f"{PREFIX}ADMIN__KEY"
#: Further tries in a row of a request that may be repeated.
RETRIES = 8

AdminOption = Annotated[str, Option("--admin", metavar="URL", help="The operators' listener of the hub.")]
AdminKeyOption = Annotated[
    str | None,
    Option(
        "--admin-key-env",
        metavar="NAME",
        help=f"The variable with its admin.key; else {KEY_VARIABLE}.",
        autocompletion=variables,
    ),
]

_Shape = TypeVar("_Shape")

#: Shows a sentence to the user.
Show = Callable[[str], None]


class _Envelope(msgspec.Struct):
    code: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    message: str = ""


_decode = msgspec.json.Decoder(_Envelope).decode


class Said(NamedTuple):
    """An answer. `data` is its JSON, byte for byte; `status` 0: there was none, and `message` says why."""

    status: int
    code: str = ""
    message: str = ""
    data: bytes = b"null"
    raw: bytes = b""
    retry_after_s: float = 0.0

    @property
    def problem(self) -> str:
        """What went wrong, in one sentence."""
        return f"{self.status} {self.code}: {self.message}" if self.status else self.message


class AdminLink:
    """One hub's operators' listener."""

    def __init__(self, url: str = DEFAULT_ADMIN, key_env: str | None = None) -> None:
        """`key_env`: the variable that holds the key. Raises ConfigError."""
        self._hub = Remote.at(url, "--admin")
        self._key_env = key_env
        self._key = os.environ.get(KEY_VARIABLE if key_env is None else key_env, "")
        if key_env is not None and not self._key:
            raise ConfigError(
                "--admin-key-env",
                f"the environment variable {key_env} is not set; put the hub's admin.key there",
            )

    def ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Said:
        """One request, whatever it is answered with, but for a missing key or another server.

        Raises:
            ConfigError: the key is missing or wrong.
            UnavailableError: this is not the operators' listener of a hub.
        """
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = self._hub.connect(TIMEOUT_S)
        target = self._hub.prefix + path + (f"?{urlencode(query)}" if query else "")
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            text = response.read()
        except NETWORK_ERRORS as error:
            return Said(0, message=f"--admin {self._hub.trouble(error)}")
        finally:
            connection.close()
        return self._judged(response.status, text, response.headers.get("Retry-After", ""))

    def _judged(self, status: int, text: bytes, retry_after: str) -> Said:
        if status == 401:
            why = (
                f"the key in {self._key_env or KEY_VARIABLE} is wrong"
                if self._key
                else "the hub asks for one"
            )
            raise ConfigError("--admin-key-env", f"{why}: name a variable that holds its admin.key")
        retry_after_s = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 0.0
        try:
            found = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if status == 200 or status in RETRY_STATUSES:  # bytes of a letter, or a proxy's own words
                return Said(status, "" if status == 200 else "away", raw=text, retry_after_s=retry_after_s)
            raise UnavailableError(f"{status}, and the answer is not from a hub; {_ADVICE}") from None
        if status in (404, 405) and "route" in found.message:
            raise UnavailableError(f"{status} {found.code}: {found.message}; {_ADVICE}")
        return Said(status, found.code, found.message, bytes(found.data), text, retry_after_s)

    def settle(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        show: Show,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Said:
        """Ask again while the hub is away, for requests that may be repeated. `show` says why, `sleep` waits.

        Raises what `ask` raises, and UnavailableError when every try failed.
        """
        backoff = Backoff(WAIT_S_MIN, WAIT_S_MAX)
        for left in range(RETRIES, -1, -1):
            said = self.ask(method, path, query, body)
            if said.status and said.status not in RETRY_STATUSES:
                return said
            if not left:
                raise UnavailableError(said.problem)
            show(f"{said.problem}; trying again")
            sleep(max(said.retry_after_s, backoff.next_s(random.random())))  # noqa: S311  jitter
        raise AssertionError("the last try returns or raises")

    def data(self, method: str, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The `data` of one request. Raises what `ask` raises, and UnavailableError for every other answer than 200."""
        return checked(self.ask(method, path, query)).data


_ADVICE = "is --admin the address of the hub's operators' listener?"


def checked(said: Said) -> Said:
    """An answer that is one. Raises UnavailableError for every other."""
    if said.status != 200:
        raise UnavailableError(said.problem)
    if said.code != "ok":
        raise UnavailableError(f"the answer is not from a hub; {_ADVICE}")
    return said


def letter_path(letter_id: str, more: str = "") -> str:
    """The path of one dead letter."""
    return f"/v1/dead-letters/{quote(letter_id, safe='')}{more}"


def decoded(data: bytes, shape: type[_Shape]) -> _Shape:
    """The `data` of an answer as a struct. Raises UnavailableError when it has another shape."""
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnavailableError(f"the answer is not from a hub ({error}); {_ADVICE}") from error

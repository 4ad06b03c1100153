"""The log-in of the dashboard: the operators' key in exchange for a cookie, so that the browser keeps the key nowhere.

The cookie is a time and a MAC of it under a key that is derived from `admin.key`. So there is no list of sessions, every node
with the same key takes it, and a change of the key ends it. Logging out removes it from that browser; a copy of it lives
until its time.

- No script can read it (HttpOnly), and no request that another site causes carries it (SameSite=Strict). It is Secure
  where the page came by TLS. Cookies know no ports (RFC 6265, 8.5), so its name holds the port: two hubs on one machine do
  not log each other out. Whether a request with it comes from a page of ours is the guard's to judge.
- A wrong key is answered a second late. While a few of those answers wait, the next requests of the same address are
  refused unread: a guesser gets a few keys a second (CWE-307). Nothing is remembered beyond that second. So nobody is
  locked out for longer, and nobody at another address at all.
"""

from __future__ import annotations

import asyncio
import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fast_sse.http.admin.answers import ok
from fast_sse.http.admin.asked import address_of, body_of, decoded, parameters, refusing
from fast_sse.model.errors import BadRequestError, RateLimitedError, UnauthorizedError
from fast_sse.model.limits import KIB

SESSION = "/v1/session"
#: How long a session lasts.
SESSION_S = 12 * 3600
#: How late a wrong key is answered, and how many such answers one address may wait for.
WRONG_S = 1.0
WRONG_MAX = 4

_BODY_BYTES_MAX = 4 * KIB
_PURPOSE = b"fast-sse/admin/session"
_NONE: frozenset[str] = frozenset()


class _Key(msgspec.Struct, forbid_unknown_fields=True):
    key: str


class Sessions:
    """Makes and judges the cookies of one key. With an empty key nobody needs one.

    `now`: seconds since 1970. `wait`: sleeps for some seconds.
    """

    def __init__(
        self, key: bytes, now: Callable[[], float], wait: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._key = key
        self._mac_key = hmac.digest(key, _PURPOSE, "sha256")
        self._now = now
        self._wait = wait
        self._wrong: Counter[str] = Counter()

    @property
    def needed(self) -> bool:
        """Whether there is a key."""
        return bool(self._key)

    def is_key(self, shown: bytes) -> bool:
        """Whether this is the key, compared in constant time."""
        return self.needed and hmac.compare_digest(shown, self._key)

    def ends_s(self, headers: Iterable[str], host: str) -> int | None:
        """When the session of a request ends that brings these Cookie headers; None when it brings none that is right."""
        name = cookie_name(host)
        for header in headers:
            for pair in header.split(";"):
                found, _, value = pair.strip(" ").partition("=")
                if found == name and (ends_s := self._judge(value)) is not None:
                    return ends_s
        return None

    def _judge(self, value: str) -> int | None:
        time, _, mac = value.partition(".")
        if not (
            self.needed and hmac.compare_digest(mac.encode("latin-1", "replace"), self._mac(time).encode())
        ):
            return None
        return int(time) if int(time) > self._now() else None  # what has our MAC is a number

    def begin(self) -> tuple[str, int]:
        """The value of a new cookie, and when its session ends (seconds since 1970)."""
        ends_s = int(self._now()) + SESSION_S
        return f"{ends_s}.{self._mac(str(ends_s))}", ends_s

    def _mac(self, time: str) -> str:
        return hmac.digest(self._mac_key, time.encode(), "sha256").hex()

    async def check(self, shown: bytes, address: str) -> None:
        """Let the right key pass.

        Raises:
            UnauthorizedError: a wrong one, after WRONG_S.
            RateLimitedError: so many of this address are waiting that this one was not looked at.
        """
        if self._wrong[address] >= WRONG_MAX:
            raise RateLimitedError("too many wrong keys from this address", retry_after_s=2)
        if self.is_key(shown):
            return
        self._wrong[address] += 1
        try:
            await self._wait(WRONG_S)
        finally:
            self._wrong[address] -= 1
            self._wrong += Counter()  # without those at 0
        raise UnauthorizedError("this is not the admin key")


def cookie_name(host: str) -> str:
    """Of the cookie for a listener that is reached under this Host header."""
    _, separator, port = host.rpartition(":")
    return f"fast-sse-{port}" if separator and port.isascii() and port.isdigit() else "fast-sse"


def routes(sessions: Sessions) -> list[Route]:
    """Log in, log out, and whether either is needed."""

    async def session(request: Request) -> Response:
        parameters(request, _NONE)
        if request.method == "POST":
            return await _log_in(request, sessions)
        if request.method == "DELETE":
            return _answer(sessions, request, None, ("", 0))
        host = request.headers.get("host", "")
        return _answer(sessions, request, sessions.ends_s(request.headers.getlist("cookie"), host))

    return [Route(SESSION, refusing(session), methods=["GET", "POST", "DELETE"])]


async def _log_in(request: Request, sessions: Sessions) -> Response:
    if not sessions.needed:
        raise BadRequestError("no admin key is set, so none is needed")
    body = decoded(await body_of(request, _BODY_BYTES_MAX), _Key)
    await sessions.check(body.key.encode(), address_of(request))
    value, ends_s = sessions.begin()
    return _answer(sessions, request, ends_s, (value, SESSION_S))


def _answer(
    sessions: Sessions, request: Request, ends_s: int | None, cookie: tuple[str, int] | None = None
) -> Response:
    """How things stand. `cookie`: a value to set, and the seconds that it lasts."""
    answer = ok(
        {
            "needed": sessions.needed,
            "signed_in": ends_s is not None,
            "expires_ms": None if ends_s is None else ends_s * 1000,
        }
    )
    if cookie is not None:
        value, age_s = cookie
        by_tls = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
        answer.set_cookie(
            cookie_name(request.headers.get("host", "")),
            value,
            max_age=age_s,
            path="/",
            httponly=True,
            samesite="strict",
            secure=by_tls,
        )
    return answer

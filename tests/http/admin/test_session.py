"""The log-in of the dashboard: what the cookie is, who takes it, and what becomes of wrong keys."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.http.admin.conftest import KEY, FakeNode, ask

from fast_sse.http.admin.session import SESSION_S, WRONG_MAX, Sessions, cookie_name
from fast_sse.model.errors import RateLimitedError, UnauthorizedError

NOW_S = 1_000_000.0
HOST = "127.0.0.1:30001"
NAME = "fast-sse-30001"
SIGN_IN = b'{"key":"operators-only"}'


def ends_s(
    value: str, key: bytes = KEY, now_s: float = NOW_S, name: str = NAME, host: str = HOST
) -> int | None:
    """When the session of this cookie ends for a hub with this key."""
    return Sessions(key, lambda: now_s).ends_s([f"theme=dark; {name}={value}"], host)


def fresh(key: bytes = KEY) -> str:
    """The value of a new cookie."""
    return Sessions(key, lambda: NOW_S).begin()[0]


async def test_the_key_is_exchanged_for_a_cookie() -> None:
    """It is HttpOnly, strict, for the whole listener, and lasts twelve hours; the key is not in it."""
    answer = await ask(
        FakeNode(), "/v1/session", KEY, "POST", body=SIGN_IN, origin="http://" + HOST, now_s=NOW_S
    )
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=43200", "Path=/", "SameSite=strict"]
    assert answer.json()["data"] == {
        "needed": True,
        "signed_in": True,
        "expires_ms": (int(NOW_S) + SESSION_S) * 1000,
    }
    name, _, value = cookie.partition("=")
    assert (name, ends_s(value)) == (NAME, int(NOW_S) + SESSION_S)
    assert "operators-only" not in answer.text + answer.headers["set-cookie"]


async def test_the_cookie_is_secure_where_the_page_came_by_tls() -> None:
    """Also when a proxy speaks TLS for the hub: the page's origin says so."""
    answer = await ask(FakeNode(), "/v1/session", KEY, "POST", body=SIGN_IN, origin="https://" + HOST)
    assert "; Secure" in answer.headers["set-cookie"]


async def test_logging_out_removes_the_cookie() -> None:
    """In this browser; it works when the session is over, too."""
    answer = await ask(FakeNode(), "/v1/session", KEY, "DELETE", origin="http://" + HOST)
    assert answer.headers["set-cookie"].startswith(f'{NAME}=""; HttpOnly; Max-Age=0; Path=/')
    assert answer.json()["data"]["signed_in"] is False


async def test_whether_a_key_is_needed() -> None:
    """Anybody may ask that; whether a session stands is told to who shows it."""
    assert (await ask(FakeNode(), "/v1/session")).json()["data"]["needed"] is False
    asked = await ask(FakeNode(), "/v1/session", KEY, now_s=NOW_S)
    assert asked.json()["data"] == {"needed": True, "signed_in": False, "expires_ms": None}
    asked = await ask(FakeNode(), "/v1/session", KEY, now_s=NOW_S, cookie=f"{NAME}={fresh()}")
    assert asked.json()["data"]["signed_in"] is True


@pytest.mark.parametrize("key", [b"", KEY])
async def test_a_strange_page_cannot_ask(key: bytes) -> None:
    """Neither under a name of its own (CWE-350) nor from another origin (CWE-352), which would also use up the tries."""
    strangers: tuple[dict[str, Any], ...] = ({"host": "evil.example"}, {"origin": "http://evil.example"})
    for shown in strangers:
        assert (await ask(FakeNode(), "/v1/session", key, **shown)).status_code == 403
        assert (await ask(FakeNode(), "/v1/session", key, "POST", body=SIGN_IN, **shown)).status_code == 403


@pytest.mark.parametrize("body", [b"", b"{}", b'{"key":1}', b'{"key":"a","more":1}', b"[", b'{"key":"\xff"}'])
async def test_a_body_that_is_none(body: bytes) -> None:
    """It is refused before it counts as a wrong key."""
    answer = await ask(FakeNode(), "/v1/session", KEY, "POST", body=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_no_session_without_a_key() -> None:
    """A hub without a key has nothing to exchange, and takes no cookie for one."""
    assert (await ask(FakeNode(), "/v1/session", b"", "POST", body=SIGN_IN)).status_code == 400
    assert ends_s(fresh(b""), b"") is None
    assert not Sessions(b"", lambda: NOW_S).is_key(b"")


def test_a_session_ends() -> None:
    """After twelve hours, to the second."""
    value = fresh()
    assert ends_s(value, now_s=NOW_S + SESSION_S - 1) is not None
    assert ends_s(value, now_s=NOW_S + SESSION_S) is None


def test_a_change_of_the_key_ends_every_session() -> None:
    """There is no list of them: a cookie is right for the key that made it."""
    assert ends_s(fresh(), b"another key") is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
        lambda value: "9" + value,
        lambda value: value.replace(".", ".0", 1),
        lambda value: value.partition(".")[0],
        lambda value: value.partition(".")[0] + ".",
        lambda value: "." + value.partition(".")[2],
        lambda value: "\u0661" + value[1:],
        lambda value: value.upper(),
        lambda value: value + "\u20ac",
        lambda _value: "",
    ],
)
def test_a_cookie_is_not_made_by_others(forge: object) -> None:
    """Neither its time nor its MAC can be changed; what is no cookie of ours is none, and never an error."""
    assert callable(forge)
    assert ends_s(forge(fresh())) is None


def test_a_cookie_among_others() -> None:
    """One that another program set under our name does not hide the right one; one of another port does not count."""
    value = fresh()
    sessions = Sessions(KEY, lambda: NOW_S)
    assert sessions.ends_s([f"{NAME}=forged", f"{NAME}={value}"], HOST) is not None
    assert sessions.ends_s([f"{NAME}=forged;{NAME}={value}"], HOST) is not None
    assert ends_s(value, name="fast-sse-30002") is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:30001", NAME),
        ("[::1]:30001", NAME),
        ("localhost:9", "fast-sse-9"),
        ("hub.example", "fast-sse"),
        ("[::1]", "fast-sse"),
        ("a:1;b", "fast-sse"),
        ("", "fast-sse"),
    ],
)
def test_the_name_of_a_cookie_holds_the_port(host: str, name: str) -> None:
    """Cookies know no ports: two hubs on one machine would log each other out."""
    assert cookie_name(host) == name


class Waits:
    """Sleeps that end when the test says so."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def __call__(self, _seconds: float) -> None:
        """Sleep."""
        await self.over.wait()


async def test_a_guesser_is_slow_and_locks_nobody_out() -> None:
    """Of one address few wrong keys wait at a time, the next is not looked at; others, and the same one later, get in."""
    waits = Waits()
    sessions = Sessions(KEY, lambda: NOW_S, waits)
    wrong = [asyncio.ensure_future(sessions.check(b"guess", "10.0.0.1")) for _ in range(WRONG_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(RateLimitedError):
        await sessions.check(KEY, "10.0.0.1")
    await sessions.check(KEY, "10.0.0.2")
    waits.over.set()
    assert {type(error) for error in await asyncio.gather(*wrong, return_exceptions=True)} == {
        UnauthorizedError
    }
    await sessions.check(KEY, "10.0.0.1")


async def test_a_guesser_who_leaves_is_counted_no_more() -> None:
    """Nothing is kept of an address whose answers no longer wait."""
    sessions = Sessions(KEY, lambda: NOW_S, Waits())
    for _ in range(WRONG_MAX + 1):
        wrong = asyncio.ensure_future(sessions.check(b"guess", "10.0.0.1"))
        await asyncio.sleep(0)
        wrong.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wrong


@pytest.mark.parametrize("shown", [b"", b"operators-onlY", b"operators-only ", b"\xff"])
async def test_a_wrong_key_is_refused(shown: bytes) -> None:
    """Whatever it is like, with one answer."""
    waits = Waits()
    waits.over.set()
    with pytest.raises(UnauthorizedError, match="this is not the admin key"):
        await Sessions(KEY, lambda: NOW_S, waits).check(shown, "10.0.0.1")

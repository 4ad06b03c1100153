"""Rules of `http.admin.guard`: no page of somebody else changes anything."""

from __future__ import annotations

from typing import Any

import pytest
from tests.http.admin.conftest import KEY, FakeNode, ask

from fast_sse.http.admin.guard import MutationGuard
from fast_sse.http.admin.session import Sessions

OURS = "http://127.0.0.1:30001"
NOW_S = 1_000_000.0


async def passed(method: str = "DELETE", host: str = "127.0.0.1:30001", **headers: Any) -> int:
    """The status that a request gets; 200 when the guard lets it through."""
    sent: list[Any] = []
    named = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": "/v1/channels/a/b",
        "query_string": b"",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
        "server": ("127.0.0.1", 30001),
    }

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    await MutationGuard(app, frozenset({"hub.internal"}))(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:30001", "localhost:9", "LOCALHOST", "[::1]:30001", "10.1.2.3", "hub.internal:30001"]
)
async def test_a_host_that_is_ours_passes(host: str) -> None:
    """An address, localhost, or the configured name, whatever the port: tunnels change it."""
    assert await passed(host=host) == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "127.0.0.1.evil.example:30001", "localhost.evil.example", "1.2.3"]
)
async def test_a_name_of_somebody_else_is_refused(host: str) -> None:
    """DNS rebinding (CWE-350): a page that made its name resolve to this machine still sends its own name."""
    assert await passed(host=host) == 403
    assert await passed("GET", host=host) == 200


async def test_another_origin_is_refused() -> None:
    """CSRF (CWE-352): where a browser says which page it speaks for, it must be this listener's own."""
    assert await passed(origin="http://127.0.0.1:30001") == 200
    for origin in (
        "http://evil.example",
        "null",
        "http://127.0.0.1:30002",
        "ftp://127.0.0.1:30001",
        "",
        "127.0.0.1:30001",
    ):
        assert await passed(origin=origin) == 403


async def test_a_proxy_may_speak_tls_for_us() -> None:
    """The page then is of https, while the request comes by plain HTTP: the scheme alone makes no stranger."""
    assert await passed(origin="https://127.0.0.1:30001") == 200
    assert await passed(origin="https://127.0.0.1") == 403


async def test_a_body_must_be_json() -> None:
    """What a form or a simple request can send is refused; an empty body needs no type."""
    assert await passed() == 200
    assert await passed(content_length="0", content_type="text/plain") == 200
    assert await passed(content_length="2", content_type="application/json; charset=utf-8") == 200
    assert await passed(content_length="2", content_type="text/plain") == 415
    assert await passed(content_length="2") == 415
    assert await passed(transfer_encoding="chunked") == 415


# -- the session's cookie -----------------------------------------------------------------------------------


async def by_cookie(method: str = "GET", path: str = "/v1/live", cookie: str = "", **headers: Any) -> int:
    """The status of a request with a session; 404 where the guards let it through to a path that does not exist."""
    value = cookie or Sessions(KEY, lambda: NOW_S).begin()[0]
    answer = await ask(
        FakeNode(),
        path + "/nothing",
        KEY,
        method,
        cookie=f"a=b; fast-sse-30001={value}",
        now_s=NOW_S,
        **headers,
    )
    return answer.status_code


@pytest.mark.parametrize(
    "shown",
    [
        {"origin": OURS},
        {"sec_fetch_site": "same-origin"},
        {"referer": OURS + "/"},
        {"referer": "https://127.0.0.1:30001/#live"},
        {"origin": OURS, "sec_fetch_site": "cross-site"},
    ],
)
async def test_a_page_of_ours_reads_with_its_cookie(shown: dict[str, Any]) -> None:
    """Whatever its browser sends: the origin, that it is the same one, or where the page is from."""
    assert await by_cookie(**shown) == 404


@pytest.mark.parametrize(
    "shown",
    [
        {},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": OURS + "0"},
        {"origin": "null"},
        {"origin": "http://evil.example", "sec_fetch_site": "same-origin"},
        {"origin": "http://evil.example", "referer": OURS + "/"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "cross-site", "referer": OURS + "/"},
        {"referer": "http://evil.example/127.0.0.1:30001/"},
        {"referer": "http://127.0.0.1:30001@evil.example/"},
        {"referer": "http://127.0.0.1:300010/"},
        {"referer": "http://[::1"},
    ],
)
async def test_a_cookie_alone_is_not_enough(shown: dict[str, Any]) -> None:
    """CSRF (CWE-352): a browser adds the cookie by itself, another port of the same machine included; streams too."""
    assert await by_cookie(**shown) == 403


@pytest.mark.parametrize("shown", [{}, {"sec_fetch_site": "same-origin"}, {"referer": OURS + "/"}])
async def test_a_change_by_cookie_needs_the_origin(shown: dict[str, Any]) -> None:
    """Every browser sends it with what may change something, so nothing else stands for it."""
    assert await by_cookie("DELETE", **shown) == 403
    assert await by_cookie("DELETE", **shown, origin=OURS) == 404
    assert await by_cookie("DELETE", **shown, origin="http://127.0.0.1:8080") == 403


async def test_a_session_under_a_strange_name_is_refused() -> None:
    """DNS rebinding (CWE-350): Host and Origin agree, and are those of the stranger's page."""
    strange = {"host": "evil.example:30001", "origin": "http://evil.example:30001"}
    assert await by_cookie(**strange) == 403
    assert await by_cookie("POST", **strange) == 403


async def test_a_wrong_key_is_not_made_right_by_a_cookie() -> None:
    """Who shows a key is judged by it."""
    assert await by_cookie(origin=OURS, authorization="Bearer wrong") == 401


@pytest.mark.parametrize("path", ["/v1/channels", "/v1/live", "/v1/settings", "/nothing"])
async def test_without_a_key_reading_needs_a_name_of_ours(path: str) -> None:
    """On loopback nobody is asked for a key, and a page that had its name resolve to it would read along (CWE-350)."""
    path += "/nothing"
    assert (await ask(FakeNode(), path, host="evil.example:30001")).status_code == 403
    assert (await ask(FakeNode(), path, host="hub.internal", names=("HUB.internal",))).status_code == 404
    assert (await ask(FakeNode(), path)).status_code == 404
    assert (await ask(FakeNode(), path, sec_fetch_site="none")).status_code == 404


@pytest.mark.parametrize(
    "shown",
    [{"origin": "http://127.0.0.1:8080"}, {"sec_fetch_site": "same-site"}, {"sec_fetch_site": "cross-site"}],
)
async def test_without_a_key_no_other_page_reads(shown: dict[str, Any]) -> None:
    """It could not see the answer, but it could fill the places for streams."""
    assert (await ask(FakeNode(), "/v1/live/nothing", **shown)).status_code == 403


async def test_the_key_reads_under_any_name() -> None:
    """No page has the key, and a command may reach the listener by a name that it does not know."""
    answer = await ask(
        FakeNode(), "/nothing", KEY, authorization="Bearer operators-only", host="admin.svc:30001"
    )
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/", "/static/nothing.js"])
async def test_what_holds_nothing_is_given_under_any_name(path: str) -> None:
    """Orchestrators and scrapers have names of their own for this listener; the page itself holds no data."""
    assert (await ask(FakeNode(), path, host="strange:30001")).status_code in (200, 404)

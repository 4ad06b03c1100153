"""The demo page's answers: what they are, what they allow, and what they keep to themselves.

Whether a browser takes them as they are meant is shown in tests/browser.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fast_sse.http.api.access import Access
from fast_sse.http.api.page import CHANNELS, KILL, POLICY, DemoPages, demo_pages
from fast_sse.http.message import Request, Response
from fast_sse.http.wire import HEAD, response_bytes
from fast_sse.model.channel import Channel
from fast_sse.model.errors import ForbiddenError
from fast_sse.model.signature import Keyring, sign_v1

SECRET = b"a secret of thirty-two bytes or more"
PARTS = ("curl", "dom", "hub", "publisher", "rows", "stage", "subscriber", "words")
MEDIA = {
    "/": "text/html",
    "/demo.css": "text/css",
    "/demo.js": "text/javascript",
    **{f"/demo/{part}.js": "text/javascript" for part in PARTS},
}


def sign(channel: Channel) -> str:
    return sign_v1(SECRET, channel)


@pytest.fixture(scope="module")
def pages() -> dict[str, Response]:
    return demo_pages(sign)


class Page(HTMLParser):
    """Every element with its attributes, and the text inside scripts and styles."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.feed(response.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem is not None and data.strip():
            self.raw.append((self.cdata_elem, data))


def test_each_file_has_its_type(pages: dict[str, Response]) -> None:
    """The page, the two files it names and the parts of its script have a media type that `nosniff` lets through."""
    assert {path: page.content_type for path, page in pages.items()} == {
        path: f"{media}; charset=utf-8" for path, media in MEDIA.items()
    }
    assert all(page.status == 200 and len(page.body) > 500 for page in pages.values())


def test_the_policy_allows_what_is_our_own(pages: dict[str, Response]) -> None:
    """The content security policy lets script, style and connections of this origin through, and nothing else."""
    assert POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    for page in pages.values():
        assert dict(page.headers)["Content-Security-Policy"] == POLICY


@pytest.mark.parametrize("path", MEDIA)
@pytest.mark.parametrize("form", [0, HEAD])
def test_headers_stand_once_on_the_wire(pages: dict[str, Response], path: str, form: int) -> None:
    """Policy, referrer policy, nosniff and no-store are each in the answer once, to GET as to HEAD."""
    head = response_bytes(pages[path], form).partition(b"\r\n\r\n")[0].decode().lower()
    for line in (
        f"content-security-policy: {POLICY.lower()}",
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "cross-origin-resource-policy: same-origin",
    ):
        assert head.splitlines().count(line) == 1, line


def test_nothing_is_inline(pages: dict[str, Response]) -> None:
    """No inline script but the data block, no style, no handler: the policy would stop them, and so nothing needs it."""
    page = Page(pages["/"])
    assert len(page.elements) > 50
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert [attributes.get("src") or attributes["type"] for attributes in scripts] == [
        "application/json",
        "demo.js",
    ]
    assert [tag for tag, _text in page.raw] == ["script"]
    handlers = [name for _tag, attributes in page.elements for name in attributes if name.startswith("on")]
    assert handlers == []
    assert not [tag for tag, attributes in page.elements if "style" in attributes]


def test_every_file_it_names_is_its_own(pages: dict[str, Response]) -> None:
    """The page loads only what `demo_pages` answers, and an icon that is written into it."""
    named = [
        attributes.get(name) or ""
        for _tag, attributes in Page(pages["/"]).elements
        for name in ("src", "href")
        if name in attributes
    ]
    outside = [name for name in named if not name.startswith("data:") and f"/{name}" not in pages]
    assert len(named) == 3
    assert outside == []


def test_script_makes_no_markup_from_text(pages: dict[str, Response]) -> None:
    """The script has no means to turn a string into elements or code: text enters by textContent only (CWE-79)."""
    sinks = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|DOMParser|createContextualFragment|eval\(|Function\("
    scripts = [page.body.decode() for path, page in pages.items() if path.endswith(".js")]
    assert len(scripts) == 1 + len(PARTS)
    assert [found for text in scripts if (found := re.search(sinks, text))] == []
    assert re.search(sinks, "row.innerHTML = data") is not None


def facts_of(pages: dict[str, Response]) -> dict[str, Any]:
    """What the page tells its scripts."""
    [(_tag, text)] = Page(pages["/"]).raw
    facts: dict[str, Any] = json.loads(text)
    return facts


def test_signatures_are_there_and_the_secret_is_not(pages: dict[str, Response]) -> None:
    """Each channel stands with its signature; the secret that made them stands nowhere."""
    facts = facts_of(pages)
    assert facts["channels"] == [
        {"id": channel.event_id, "type": channel.event_type, "signature": sign(channel)}
        for channel in CHANNELS
    ]
    assert facts["kill"] == sign(KILL)
    assert not [path for path, page in pages.items() if SECRET in page.body]


def ask(pages: dict[str, Response], host: str | None, path: str = "/") -> Response:
    """What a listener on `hub.internal` answers to a request with that Host."""
    headers = {} if host is None else {"host": host}
    access = Access(keyring=Keyring())
    return DemoPages(pages, "Hub.internal").answer(Request("GET", path, "", headers), (), access)


@pytest.mark.parametrize(
    "host", ["localhost:30000", "127.0.0.1:30000", "[::1]:30000", "hub.internal", "ME:1"]
)
def test_the_page_is_shown_under_its_own_names(
    pages: dict[str, Response], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """localhost, an address, what the listener is bound to, and the machine's name."""
    monkeypatch.setattr("socket.gethostname", lambda: "Me")
    assert ask(pages, host) is pages["/"]


@pytest.mark.parametrize("path", MEDIA)
@pytest.mark.parametrize("host", [None, "", "evil.example:30000", "127.0.0.1.evil.example"])
def test_no_signature_is_given_to_another_name(
    pages: dict[str, Response], host: str | None, path: str
) -> None:
    """A page that made its own name resolve to this machine cannot read ours (DNS rebinding, CWE-350)."""
    with pytest.raises(ForbiddenError, match="localhost"):
        ask(pages, host, path)


def test_every_form_of_matching_is_offered() -> None:
    """The channels are an exact one first, then one type and all types of an id, all of all, and a second id."""
    assert CHANNELS[0] == Channel("carid000001", "cart_changed")
    assert {Channel("carid000001", "*"), Channel("*", "*")} <= set(CHANNELS)
    assert len({channel.event_id for channel in CHANNELS if not channel.is_wildcard}) == 2


def test_no_value_can_leave_the_data_block() -> None:
    """A value that ends a script element stays inside it as text (CWE-79)."""
    hostile = "</script><img src=x onerror=alert(1)><!--"
    page = Page(demo_pages(lambda _channel: hostile)["/"])
    assert "img" not in [tag for tag, _attributes in page.elements]
    channels = json.loads(page.raw[0][1])["channels"]
    assert [channel["signature"] for channel in channels] == [hostile] * len(CHANNELS)


def test_a_checkouts_documents_are_led_to(tmp_path: Path) -> None:
    """Each Markdown file is there as plain text, named to the page, and nothing else of the directory is."""
    (tmp_path / "quick-start.md").write_text("# Quick start\n<b>")
    (tmp_path / "secret.txt").write_text("no")
    pages = demo_pages(sign, 30_001, tmp_path)
    assert facts_of(pages)["documents"] == ["quick-start.md"]
    assert facts_of(pages)["admin_port"] == 30_001
    assert (pages["/docs/quick-start.md"].body, pages["/docs/quick-start.md"].content_type) == (
        b"# Quick start\n<b>",
        "text/plain; charset=utf-8",
    )
    assert [path for path in pages if path not in MEDIA] == ["/docs/quick-start.md"]
    assert facts_of(demo_pages(sign))["documents"] == []


ASKED = {"host": "127.0.0.1:30000", "origin": "http://127.0.0.1:30000", "x-signature": sign(KILL)}


def killing(headers: dict[str, str]) -> tuple[str, list[str]]:
    """What a hub answers to a request to kill it, by its head and then with its body, and whether it was."""
    killed: list[str] = []
    pages = DemoPages({}, right=sign(KILL), kill=lambda: killed.append("killed"))
    access = Access(keyring=Keyring())
    request = Request("POST", "/demo/kill", "", headers)
    with contextlib.suppress(ForbiddenError):
        pages.admit_kill(request, (), access)
    try:
        return pages.kill(request, (), access).body.decode(), killed
    except ForbiddenError as error:
        with pytest.raises(ForbiddenError):
            pages.admit_kill(request, (), access)
        return error.message, killed


def test_its_own_page_kills_a_hub() -> None:
    """With its own name, origin and signature the page is answered which process dies, and it does."""
    answer, killed = killing(ASKED)
    assert (json.loads(answer)["data"], killed) == ({"pid": os.getpid()}, ["killed"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": ""},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:31000"},
        {"origin": "127.0.0.1:30000"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"host": "", "origin": "http://"},
        {"x-signature": ""},
        {"x-signature": sign(CHANNELS[0])},
        {"x-signature": sign(Channel("*", "*"))},
        {"x-signature": "\xe9"},
    ],
)
def test_nobody_else_kills_a_hub(wrong: dict[str, str]) -> None:
    """Another origin (CSRF, CWE-352), another name (CWE-350) or another signature is 403, and the hub lives."""
    assert killing({**ASKED, **wrong})[1] == []


def test_a_hub_that_nobody_may_kill_has_no_such_route() -> None:
    """Without a right there is no route to kill by, and none that tells the process."""
    assert [route.path for route in DemoPages({"/": Response(200)}).routes(1)] == ["/", "/"]
    assert [route.path for route in DemoPages({}, right="r").routes(1)] == ["/demo/hub", "/demo/kill"]

"""The files of the dashboard: open, never stale, and with a policy that lets nothing else run."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from tests.http.admin.conftest import KEY, FakeNode, ask, ask_app

from fast_sse.http.admin.pages import POLICY, dashboard, read, routes


def app(folder: Path) -> Starlette:
    """An application of nothing but these files."""
    return Starlette(routes=routes(dict(read(folder))))


async def test_the_page_is_open_and_under_a_strict_policy() -> None:
    """Without a key anybody gets it; nothing that is not its own runs in it, frames it, or learns where it was."""
    for path in ("/", "/static/index.html"):
        answer = await ask(FakeNode(), path, KEY)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
    for part in (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert part in POLICY.split("; ")
    assert "unsafe" not in POLICY
    assert "*" not in POLICY


async def test_every_file_of_the_package_is_served() -> None:
    """By its type; a script that was served as text would not run."""
    assert "index.html" in dashboard()
    for name, file in dashboard().items():
        answer = await ask(FakeNode(), f"/static/{name}", KEY)
        assert (answer.status_code, answer.body) == (200, file.body)
        if name.endswith(".js"):
            assert answer.headers["content-type"] == "text/javascript; charset=utf-8"


async def test_a_file_that_did_not_change_is_not_sent_again(tmp_path: Path) -> None:
    """The browser asks by its ETag each time, so that an upgrade of the hub is never mixed with old files."""
    (tmp_path / "index.html").write_bytes(b"one")
    first = await ask_app(app(tmp_path), "/")
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    for shown in (tag, f'"other", W/{tag}', "*"):
        again = await ask_app(app(tmp_path), "/", if_none_match=shown)
        assert (again.status_code, again.body, again.headers["etag"]) == (304, b"", tag)
    assert (await ask_app(app(tmp_path), "/", if_none_match='"other"')).body == b"one"
    (tmp_path / "index.html").write_bytes(b"two")
    assert (await ask_app(app(tmp_path), "/", if_none_match=tag)).body == b"two"


async def test_nothing_else_is_served(tmp_path: Path) -> None:
    """Neither other types, nor folders, nor what lies beside the files, however the path is written (CWE-22)."""
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "chart.js").write_bytes(b"1")
    (tmp_path / "notes.md").write_bytes(b"2")
    (tmp_path / ".env").write_bytes(b"3")
    assert (await ask_app(app(tmp_path), "/static/vendor/chart.js")).status_code == 200
    for path in (
        "/", "/static/", "/static/vendor", "/static/vendor/", "/static/notes.md", "/static/.env", "/static/../guard.py",
        "/static/%2e%2e/guard.py", "/static/vendor/../vendor/chart.js", "/static//vendor/chart.js",
    ):  # fmt: skip
        assert (await ask_app(app(tmp_path), path)).status_code == 404

"""A set of keys over real https: what may come of it is bounded, and a problem is said without its address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError

import pytest
from tests.support.issuer import KeyServer

from fast_sse.http.tokens.fetch import SET_BYTES_MAX, FetchError, fetch

pytestmark = pytest.mark.wire


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyServer]:
    """One whose certificate this process trusts."""
    server = KeyServer(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
    server.body = b'{"keys": []}'
    yield server
    server.stop()


def test_what_stands_there_is_fetched(server: KeyServer) -> None:
    """As it stands, up to the bound."""
    assert fetch(server.url) == b'{"keys": []}'
    server.body = b" " * SET_BYTES_MAX
    assert fetch(server.url) == server.body


def test_an_answer_that_is_none_is_refused(server: KeyServer) -> None:
    """Too large, an error, or a redirect: that could lead anywhere."""
    server.body = b" " * (SET_BYTES_MAX + 1)
    with pytest.raises(FetchError, match="larger"):
        fetch(server.url)
    server.body, server.status = b"", 500
    with pytest.raises(FetchError, match="500") as refused:
        fetch(server.url)
    assert isinstance(refused.value.__cause__, HTTPError)
    assert refused.value.__cause__.closed, (
        "the connection is closed with the answer, and not when memory is tidied up"
    )
    server.status, server.headers = 302, {"Location": f"{server.url}/other"}
    asked = server.asked
    with pytest.raises(FetchError, match="302"):
        fetch(server.url)
    assert server.asked == asked + 1


def test_only_https_to_a_server_that_is_trusted(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever answers for the address could otherwise make keys of its own."""
    for url in (server.url.replace("https", "http"), f"file://{server.ca}"):
        with pytest.raises(FetchError, match="not https"):
            fetch(url)
    with pytest.raises(FetchError, match="certificate"):
        fetch(server.url.replace("127.0.0.1", "localhost"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(FetchError, match="certificate"):
        fetch(server.url)
    assert server.asked == 0


def test_a_server_that_does_not_answer_is_given_up(server: KeyServer) -> None:
    """After the deadline, or at once where nobody listens; the address is not in the words, which go to a log."""
    server.hold()
    began_s = time.monotonic()
    with pytest.raises(FetchError, match="timed out"):
        fetch(server.url, deadline_s=0.1)
    assert time.monotonic() - began_s < 5
    server.stop()
    with pytest.raises(FetchError) as refused:
        fetch(server.url)
    assert "127.0.0.1" not in str(refused.value)


@pytest.mark.parametrize("part", ["head", "interim", "body"])
def test_a_server_that_dribbles_is_given_up(server: KeyServer, part: str) -> None:
    """The deadline is that of the whole answer, however much of it comes in time: the head, too, has as many lines as it likes."""
    server.dribble(part)
    with pytest.raises(FetchError, match=r"timed out|took too long"):
        fetch(server.url, deadline_s=0.2)
    assert server.dribbled < 200, "it went on and on, and was heard to its end"

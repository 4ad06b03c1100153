"""The operators' listener, as the commands ask it."""

from __future__ import annotations

import pytest
from tests.cli.dlq.letters import asked_for, ok, page, refused
from tests.cli.scripted import Scripted, answer

from fast_sse.cli.admin import KEY_VARIABLE, RETRIES, AdminLink, checked, decoded, letter_path
from fast_sse.cli.delivery import Indicator
from fast_sse.model.errors import ConfigError, UnavailableError


def key_of(asked: str) -> str:
    """The key that a request showed."""
    return next((line[22:] for line in asked.split("\r\n") if line.startswith("Authorization: Bearer ")), "")


def test_the_key_is_that_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The named one, else the hub's own, else none is shown; an empty one that was named is a wrong argument."""
    monkeypatch.setenv("OPS", "named")
    with Scripted(page(), page(), page()) as server:
        AdminLink(server.url, "OPS").data("GET", "/x")
        AdminLink(server.url).data("GET", "/x")
        monkeypatch.setenv(KEY_VARIABLE, "own")
        AdminLink(server.url).data("GET", "/x")
    assert [key_of(asked) for asked in server.asked] == ["named", "", "own"]
    with pytest.raises(ConfigError, match=r"^--admin-key-env: the environment variable GONE is not set"):
        AdminLink(server.url, "GONE")


@pytest.mark.parametrize(("key", "said"), [("", "asks for one"), ("wrong", "in OPS is wrong")])
def test_a_key_that_is_missing_or_wrong_names_the_option(
    monkeypatch: pytest.MonkeyPatch, key: str, said: str
) -> None:
    """Both are a wrong argument, whichever of the two it is."""
    monkeypatch.setenv("OPS", key)
    with Scripted(refused(401, "unauthorized", "the admin key is missing or wrong")) as server:
        link = AdminLink(server.url, "OPS" if key else None)
        with pytest.raises(ConfigError, match=f"^--admin-key-env: .*{said}"):
            link.ask("GET", "/v1/dead-letters")


@pytest.mark.parametrize(
    "said",
    [
        refused(404, "not_found", "no such route"),
        refused(405, "method_not_allowed", "the route does not take this method"),
        answer(404, "<html>"),
    ],
)
def test_another_listener_is_found_out(said: bytes) -> None:
    """The public listener and servers of others have no such route: the address is what is wrong."""
    with Scripted(said) as server, pytest.raises(UnavailableError, match="is --admin the address"):
        AdminLink(server.url).ask("GET", "/v1/dead-letters")


def test_a_letter_that_is_gone_is_no_wrong_address() -> None:
    """A 404 of the hub is an answer."""
    with Scripted(refused(404, "not_found", "there is no such dead letter")) as server:
        said = AdminLink(server.url).ask("GET", letter_path("a b/c"))
    assert (said.status, said.message) == (404, "there is no such dead letter")
    assert asked_for(server.asked[0]) == "GET /v1/dead-letters/a%20b%2Fc"
    with pytest.raises(UnavailableError, match="404 not_found"):
        checked(said)


def test_data_is_kept_byte_for_byte() -> None:
    """No number is read: digits, spaces and doubled names are those of the hub."""
    with Scripted(ok('{"n": 1.10, "n":1e400}')) as server:
        assert AdminLink(server.url).data("GET", "/x") == b'{"n": 1.10, "n":1e400}'


def test_a_hub_that_is_away_is_asked_again() -> None:
    """Later each time, as late as it wants, and not for ever; the last problem is the error."""
    waits: list[float] = []
    said: list[str] = []
    away = refused(503, "not_stored", "busy")
    with Scripted(b"", answer(503, "{}", "Retry-After: 7"), away, ok({})) as server:
        link = AdminLink(server.url)
        assert link.settle("POST", "/x", show=said.append, sleep=waits.append).status == 200
    assert waits[1] == 7
    assert len(said) == 3
    assert said[2] == "503 not_stored: busy; trying again"
    with pytest.raises(UnavailableError, match=r"^--admin http://127.0.0.1:"):
        link.settle("POST", "/x", show=said.append, sleep=waits.append)
    assert len(waits) == 3 + RETRIES


def test_an_answer_of_another_shape_is_no_hub() -> None:
    """What lacks a field, or is no JSON, is named and not a stack trace."""
    for text in (b"[]", b"{}", b"{", b"\xff"):
        with pytest.raises(UnavailableError, match="is not from a hub"):
            decoded(text, Indicator)

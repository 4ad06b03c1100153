"""`fast-sse dlq import`: another hub's dead letters, each once."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from tests.cli.conftest import Command
from tests.cli.dlq.letters import asked_for, body_of, ok, refused
from tests.cli.scripted import Scripted
from tests.support.redis_server import RedisServer, need_redis

from fast_sse.cli.admin import RETRIES
from fast_sse.cli.dlq import importing
from fast_sse.cli.dlq.entries import StreamEntry
from fast_sse.cli.dlq.importing import RedisEntries
from fast_sse.model.errors import ConfigError, UnavailableError

STREAM = "sse:events:dead_letter"


class Kept:
    """A stream that is a list."""

    asked: list[str]

    def __init__(self, *pages: list[str]) -> None:
        self._pages, self.asked, self.closed = list(pages), [], False

    def page(self, after: str) -> list[StreamEntry]:
        """The next page."""
        self.asked.append(after)
        places = self._pages.pop(0) if self._pages else []
        return [StreamEntry(place, (b"a", b"{}")) for place in places]

    def close(self) -> None:
        """The end."""
        self.closed = True


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """What the command reads instead of Redis."""
    kept = Kept(["1-0", "2-0"], ["3-0"])
    monkeypatch.setattr(importing, "RedisEntries", lambda _url, _name: kept)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return kept


def run(command: Command, server: Scripted, *options: str) -> int:
    """Import from the stream."""
    return command("dlq", "import", "--redis-stream", STREAM, "--admin", server.url, *options)


def places(asked: str) -> list[str]:
    """The entries of a request."""
    return [one["place"] for one in json.loads(body_of(asked))["items"]]


def test_all_entries_are_given_to_the_hub(
    command: Command, stream: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    """Page by page, each after the last; what is known already is counted apart."""
    with Scripted(ok({"kept": 2, "known": 1})) as server:
        assert run(command, server) == 0
    assert capsys.readouterr().out.startswith("kept 2, known 1, failed 0 in ")
    assert asked_for(server.asked[0]) == "POST /v1/dead-letters/import"
    assert json.loads(body_of(server.asked[0]))["items"][0] == {
        "kind": "redis_stream",
        "queue": STREAM,
        "place": "1-0",
        "raw": base64.b64encode(b'{"event_id":"a"}').decode(),
    }
    assert places(server.asked[0]) == ["1-0", "2-0", "3-0"]
    assert (stream.asked, stream.closed) == (["", "2-0", "3-0"], True)


def test_it_goes_on_after_an_entry(command: Command, stream: Kept) -> None:
    """That one is not asked for again."""
    with Scripted(ok({"kept": 3, "known": 0})) as server:
        assert run(command, server, "--from-id", "0-7", "--json") == 0
    assert stream.asked[0] == "0-7"


def test_a_hub_that_stays_away_says_where_to_go_on(
    command: Command, stream: Kept, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the last entry that it took."""
    monkeypatch.setattr("fast_sse.cli.dlq.entries.ITEMS_MAX", 2)
    away = [refused(503, "not_stored", "busy")] * (RETRIES + 1)
    with Scripted(ok({"kept": 2, "known": 0}), *away) as server:
        assert run(command, server) == 1
    shown = capsys.readouterr()
    assert shown.out.startswith("kept 2, known 0, failed 0 in ")
    assert shown.err.endswith("go on: the same command with --from-id 2-0\n")


def test_one_entry_that_is_refused_is_named(
    command: Command, stream: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    """A request that is too large is halved until one is left; the others are kept, and the status is 1."""
    large = refused(413, "too_large", "no")
    with Scripted(large, ok({"kept": 1, "known": 0}), large, large, ok({"kept": 1, "known": 0})) as server:
        assert run(command, server) == 1
    shown = capsys.readouterr()
    assert [places(asked) for asked in server.asked] == [
        ["1-0", "2-0", "3-0"],
        ["1-0"],
        ["2-0", "3-0"],
        ["2-0"],
        ["3-0"],
    ]
    assert shown.out.startswith("kept 2, known 0, failed 1 in ")
    assert shown.err == "2-0: too_large: no\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--from-id", "now"), "--from-id: must be the id of an entry"),
        (("--redis-url-env", "GONE"), "--redis-url-env: the environment variable GONE is not set"),
        (("--redis-url-env", "BAD"), "--redis-url-env: must begin with redis://"),
    ],
)
def test_wrong_arguments_name_their_option(
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, str],
    said: str,
) -> None:
    """And show no URL, which may hold a password."""
    monkeypatch.setenv("BAD", "http://user:word@x")
    assert command("dlq", "import", "--redis-stream", STREAM, *options) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"fast-sse: {said}")
    assert "word" not in shown


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis."""
    need_redis()
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.mark.wire
@pytest.mark.slow
def test_a_real_stream_is_read_in_pages(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry once, in order, its fields as names and values in turn, also one that comes twice."""
    client: Any = redis.Redis.from_url(server.url)
    for number in range(5):
        client.execute_command("XADD", STREAM, f"{number + 1}-0", "a", b"\xff%d" % number, "a", "2")
    monkeypatch.setattr(importing, "ITEMS_MAX", 2)
    entries = RedisEntries(server.url, STREAM)
    found: list[StreamEntry] = []
    while page := entries.page(found[-1].place if found else ""):
        assert len(page) <= 2
        found += page
    entries.close()
    assert [entry.place for entry in found] == [f"{number + 1}-0" for number in range(5)]
    assert found[3].fields == (b"a", b"\xff3", b"a", b"2")
    assert RedisEntries(server.url, "none").page("") == []


@pytest.mark.wire
def test_a_server_that_is_away_is_named() -> None:
    """By its place, and nothing else of its URL; another type under the name is its word."""
    entries = RedisEntries("redis://user:word@127.0.0.1:9/0", STREAM)
    with pytest.raises(UnavailableError, match=r"^Redis at 127\.0\.0\.1:9: ") as seen:
        entries.page("")
    assert "word" not in str(seen.value)
    with pytest.raises(ConfigError, match=r"^--redis-url-env: "):
        RedisEntries("redis://", STREAM)

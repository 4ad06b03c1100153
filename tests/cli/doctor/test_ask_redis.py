"""What the doctor asks of a Redis server: the truth, over one connection, and nothing is changed by it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from tests.support.closing import served
from tests.support.redis_server import RedisServer, need_redis

from fast_sse.cli.doctor.ask_redis import ask_redis
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.redis.commands import Command
from fast_sse.store.redis.target import target

PROBE = [Command(words) for words in (("XADD", "k", "*", "f", "v"), ("FLUSHALL",), ("NOSUCH", "k"))]


@pytest.mark.wire
@pytest.mark.slow
def test_what_is_tried_is_never_done(tmp_path: Path) -> None:
    """Commands are queued and discarded: even FLUSHALL leaves what is there, and an unknown one is told apart."""
    need_redis()
    with RedisServer(tmp_path) as running:
        running.do("SET", "kept", "v")
        facts = ask_redis(target(running.url), PROBE)
        assert facts.refused == {"NOSUCH": "unknown command"}
        assert (running.do("DBSIZE"), running.do("GET", "kept")) == (1, b"v")
        assert facts.info["redis_mode"] == "standalone"
        assert facts.settings["maxmemory-policy"] == "noeviction"
        assert 0 < facts.round_trip_ms < 1000
        assert abs(facts.clock_ahead_s) < 1


@pytest.mark.wire
@pytest.mark.slow
def test_a_user_of_an_acl_is_asked_as_that_user(tmp_path: Path) -> None:
    """User and password of the URL are used; what this user may not is refused, and the password is in no text."""
    need_redis()
    options = ("user hub on >s3cret-word ~fast-sse:* +@all -config -flushall",)
    with RedisServer(tmp_path, options=options) as running:
        url = running.url.replace("redis://", "redis://hub:s3cret-word@")
        facts = ask_redis(target(url), PROBE)
        assert facts.refused == {"XADD": "NOPERM", "FLUSHALL": "NOPERM", "NOSUCH": "unknown command"}
        assert (facts.settings, facts.password) == ({}, True)
        assert "s3cret-word" not in repr(facts)
        with pytest.raises(ConfigError) as refused:
            ask_redis(target(url.replace("s3cret-word", "wr0ng-word")), PROBE)
        assert "wr0ng-word" not in str(refused.value)
        assert "password" in str(refused.value)


@pytest.mark.wire
@pytest.mark.slow
def test_a_password_that_is_missing_is_named(tmp_path: Path) -> None:
    """A server that asks for one is not away: a hub does not start with such a URL, and the sentence says why."""
    need_redis()
    with (
        RedisServer(tmp_path, options=("requirepass s3cret-word",)) as running,
        pytest.raises(ConfigError, match="names no password"),
    ):
        ask_redis(target(running.url), PROBE)


def test_nobody_there_is_one_sentence() -> None:
    """A port where nothing listens: an error that names host and port, and not the URL."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused for certain
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=rf"^127\.0\.0\.1:{port}: .*refused") as refused:
            ask_redis(target(f"redis://hub:s3cret-word@127.0.0.1:{port}/0"), PROBE)
    assert "s3cret-word" not in str(refused.value)


@pytest.mark.wire
async def test_another_protocol_is_one_sentence() -> None:
    """Something else listens there, such as a web server: no trace, no wait."""

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with served(web) as (_, port):
        with pytest.raises(UnavailableError, match="the server there is not Redis"):
            await asyncio.to_thread(ask_redis, target(f"redis://127.0.0.1:{port}"), PROBE)


@pytest.mark.wire
async def test_the_servers_text_is_not_repeated() -> None:
    """A server that does not know AUTH repeats the password in its answer; the report does not (CWE-532)."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"s3cret-word\r\n")
        writer.write(b"-ERR unknown command 'AUTH', with args beginning with: 'hub' 's3cret-word' \r\n")
        writer.close()

    async with served(refuse) as (_, port):
        place = target(f"redis://hub:s3cret-word@127.0.0.1:{port}")
        with pytest.raises(ConfigError) as refused:
            await asyncio.to_thread(ask_redis, place, PROBE)
    assert "s3cret-word" not in str(refused.value)


@pytest.mark.wire
def test_a_server_that_says_nothing_is_given_up() -> None:
    """A connection that is taken and not answered ends at the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UnavailableError, match=r"no answer within 0\.05 s"):
            ask_redis(target(f"redis://127.0.0.1:{port}"), PROBE, answer_s=0.05)

"""A connection that comes back, and who may use it."""

from __future__ import annotations

import asyncio
import subprocess
import traceback
from contextlib import suppress
from pathlib import Path

import pytest
from tests.contract.asserting import put
from tests.contract.backends import draft
from tests.contract.letters.node import begun, every_letter, poison
from tests.store.redis.conftest import OpenRedis
from tests.support.closing import served
from tests.support.redis_server import RedisServer, hub_user, need_redis

from fast_sse.model.errors import ConfigError, NotStoredError, UnavailableError
from fast_sse.store.redis.commands import commands
from fast_sse.store.redis.link import Link
from fast_sse.store.redis.store import RedisStore
from fast_sse.store.redis.target import target

pytestmark = pytest.mark.wire


def clients(server: RedisServer) -> list[dict[str, str]]:
    """The store's connections, as the server sees them."""
    lines = server.do("CLIENT", "LIST").decode().splitlines()
    found = [dict(part.split("=", 1) for part in line.split(" ")) for line in lines]
    return [client for client in found if client["name"].startswith("fast-sse-")]


def link_to(server: RedisServer) -> Link:
    return Link(target(server.url), "test", connect_s=30, answer_s=30)


async def test_a_server_that_forgot_the_scripts_is_given_them(redis_server: RedisServer) -> None:
    """SCRIPT FLUSH while connected: the call is made with the text, once."""
    link = link_to(redis_server)
    await link.open()
    redis_server.do("SCRIPT", "FLUSH")
    reply = await link.call("read", ["{flushed}:meta", "{flushed}:", "e" * 13, "", "0-0", "0" * 7, 0, 0])
    assert reply[0] == b"e" * 13
    redis_server.do("DEL", "{flushed}:meta")
    await link.close()


async def test_publishes_survive_a_flush_of_the_scripts(store: RedisStore, redis_server: RedisServer) -> None:
    """In the order of the calls, each once."""
    redis_server.do("SCRIPT", "FLUSH")
    cursors = [*await put(store, draft()), *await put(store, draft())]
    assert cursors[0].position < cursors[1].position


@pytest.mark.slow
async def test_a_lost_connection_comes_back(own_server: RedisServer) -> None:
    """While the server is down every call is refused at once; when it is back, so is the link."""
    down: list[str] = []
    link = Link(target(own_server.url), "test", connect_s=30, answer_s=30, on_down=down.append)
    await link.open()
    wire = await link.connected()
    await asyncio.to_thread(own_server.kill)
    await wire.lost
    with pytest.raises(UnavailableError):
        await link.command("PING")
    await asyncio.to_thread(own_server.start)
    again = await link.connected()
    assert again is not wire
    assert await link.command("PING") == b"PONG"
    assert len(down) == 1
    await link.close()


async def test_nothing_is_kept_after_close(redis_server: RedisServer) -> None:
    """A closed link has no connection and makes none."""
    link = link_to(redis_server)
    await link.open()
    wire = await link.connected()
    await link.close()
    await wire.lost
    with pytest.raises(UnavailableError):
        await link.command("PING")


@pytest.mark.slow
async def test_a_user_with_few_rights_is_enough(tmp_path: Path, open_redis: OpenRedis, prefix: str) -> None:
    """An ACL user of the log's own keys and of what the store cannot do without; a wrong password is a setting to mend."""
    need_redis()
    spared = tuple(command.name for command in commands(prefix) if command.lacking)
    user = hub_user(f"{{{prefix}}}:*", without=(*spared, "SELECT", "WAIT"))
    with RedisServer(tmp_path / "redis", options=(user, "user default off")) as server:
        store = await open_redis(server.hub_url)
        (node,) = await begun(store, "a")
        (cursor,) = await put(store, draft(keys=("k",)))
        assert (await node.tell(cursor, due=[cursor])).dead
        assert await store.letters.keep(poison())
        assert len(await every_letter(store)) == 2
        assert await store.letters.erase(draft().channel) == 1
        await store.trim()
        await store.erase(draft().channel)
        await store.ping()
        for wrong in ("hub:wrong@", ""):
            with pytest.raises(ConfigError, match=r"redis\.url") as caught:
                await open_redis(server.url.replace("//", f"//{wrong}"))
            assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("ERR unknown command 'AUTH', with args beginning with: 'hub' 's3cret-word' ", ConfigError),
        ("WRONGPASS hub s3cret-word", ConfigError),
        ("LOADING s3cret-word", UnavailableError),
        ("ERR max number of clients reached s3cret-word", UnavailableError),
    ],
)
async def test_the_servers_text_is_not_repeated(
    answer: str, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    """An answer to AUTH that repeats the password is an error without it, in the log too (CWE-532)."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"s3cret-word\r\n")
        writer.write(f"-{answer}\r\n".encode())
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        ended.set()

    async with served(serve) as (_, port):
        link = Link(target(f"redis://hub:s3cret-word@127.0.0.1:{port}"), "test", connect_s=30, answer_s=30)
        with pytest.raises(kind) as caught:
            await link.open()
        await ended.wait()
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "s3cret-word" not in shown


async def test_a_user_without_a_password_is_signed_in_too(tmp_path: Path, open_redis: OpenRedis) -> None:
    """The URL names a user that has no password: the store is that user, and not the default one."""
    need_redis()
    with RedisServer(tmp_path, options=("user hub on nopass ~* +@all",)) as server:
        await open_redis(server.url.replace("//", "//hub@"))
        assert {client["user"] for client in clients(server)} == {"hub"}


@pytest.mark.slow
async def test_tls_is_spoken_and_checked(tmp_path: Path, open_redis: OpenRedis) -> None:
    """With the right authority it works; without, there is no connection."""
    need_redis()
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    with RedisServer(tmp_path / "redis", tls=(cert, key)) as server:
        store = await open_redis(f"{server.url}?ssl_ca_certs={cert}")
        await put(store, draft())
        with pytest.raises(UnavailableError):
            await open_redis(server.url)


async def test_a_server_that_is_not_there_is_not_available(open_redis: OpenRedis) -> None:
    """Down at start: UnavailableError, which the hub waits out; nothing is left behind."""
    with pytest.raises(UnavailableError, match="cannot be reached: Connection refused") as caught:
        await open_redis("redis://user:secret@127.0.0.1:1/0")
    assert not isinstance(caught.value, NotStoredError)
    assert "secret" not in str(caught.value)


async def test_a_server_without_room_is_not_a_wrong_setting(tmp_path: Path, open_redis: OpenRedis) -> None:
    """`maxclients` is reached as a node starts: it waits, says why, and does not end as for a wrong password."""
    need_redis()
    with RedisServer(tmp_path, options=("maxclients 1", "requirepass s3cret-word")) as server:
        url = server.url.replace("redis://", "redis://:s3cret-word@").replace("/0", "/1")
        taken = Link(target(url), "taken", connect_s=30, answer_s=30)
        await taken.open()
        for _ in range(5):
            with pytest.raises(UnavailableError, match="no room for another client"):
                await open_redis(url)
        await taken.close()


@pytest.mark.slow
async def test_a_defect_does_not_end_the_link(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever connecting again meets is said, and tried again: a link is never down for good in silence."""
    tries = 0

    async def greet(_: object) -> None:
        nonlocal tries
        tries += 1
        if tries == 2:
            raise ZeroDivisionError("never expected")

    down: list[str] = []
    link = Link(target(redis_server.url), "test", connect_s=30, answer_s=30, greet=greet, on_down=down.append)
    await link.open()
    wire = await link.connected()
    link.kick()
    await wire.lost
    assert await (await link.connected()).ask("PING") == b"PONG"
    assert (tries, len(down)) == (3, 1)
    assert "a defect in connecting to Redis" in caplog.text
    await link.close()

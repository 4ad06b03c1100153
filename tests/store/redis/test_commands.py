"""The list of commands is what the store and its scripts send: no right is missing, and none is asked for in vain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.contract.asserting import everything, put
from tests.contract.backends import draft
from tests.store.redis.conftest import OpenRedis
from tests.support.redis_server import RedisServer, hub_user, need_redis

from fast_sse.model.errors import UnknownOutcomeError
from fast_sse.store.redis.commands import commands
from fast_sse.store.redis.scripts import scripts

#: Words in capitals that the scripts use and that are no commands.
ARGUMENTS = {"COUNT", "LIMIT", "MINID", "STREAM", "WITHSCORES"}
#: What the test itself asks the server, and its client by itself.
OURS = {"CONFIG RESETSTAT", "SCRIPT FLUSH", "INFO", "AUTH", "HELLO", "CLIENT SETINFO"}


def in_scripts() -> set[str]:
    """The commands of the Lua files, whether called by name or through a variable."""
    words = {word for script in scripts().values() for word in re.findall(r"'([A-Z]{3,})'", script.text)}
    assert words >= ARGUMENTS, "an argument that no script uses any more"
    return {"XINFO STREAM" if word == "XINFO" else word for word in words - ARGUMENTS}


def sent_to(server: RedisServer) -> set[str]:
    """The commands that a server has run since its counters were reset."""
    return {
        name.removeprefix("cmdstat_").replace("|", " ").upper() for name in server.do("INFO", "commandstats")
    }


@pytest.mark.wire
@pytest.mark.slow
async def test_the_list_is_what_is_sent(tmp_path: Path, open_redis: OpenRedis) -> None:
    """A life of a store, from a user, a database and replicas to a script that the server forgot, and the Lua files."""
    need_redis()
    with RedisServer(tmp_path, persistence="everysec", options=(hub_user("*"),)) as server:
        server.do("CONFIG", "RESETSTAT")
        url = server.hub_url.replace("/0", "/1")
        store = await open_redis(url, wait=(1, 10))
        (outcome,) = await store.append([draft(keys=("k",))])
        assert isinstance(outcome, UnknownOutcomeError)
        other = await open_redis(url)
        server.do("SCRIPT", "FLUSH")
        await put(other, draft())
        (record, _) = await everything(other)
        await other.get(record.position)
        await other.ping()
        sent = sent_to(server) - OURS
        assert server.do("ACL", "LOG") == []
    listed = {command.name for command in commands("p", database=1, wait_replicas=1)}
    assert sent | in_scripts() | {"INFO"} == listed


def test_what_is_not_set_is_not_asked_for() -> None:
    """Without a database and without replicas to wait for, the hub sends neither command, and needs neither right."""
    names = [
        {command.name for command in commands("p", **some)}
        for some in ({}, {"database": 2}, {"wait_replicas": 1})
    ]
    assert (names[1] - names[0], names[2] - names[0]) == ({"SELECT"}, {"WAIT"})


def test_all_keys_are_under_the_hash_tag() -> None:
    """The doctor tries them as a user who may touch the log's keys and no others."""
    keys = {
        word
        for command in commands("some.prefix")
        for word in command.words
        if "doctor:" in word or "meta" in word
    }
    assert keys
    assert all(key.startswith("{some.prefix}:") for key in keys)

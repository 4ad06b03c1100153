"""The Lua files as the server knows them."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from tests.support.redis_server import RedisServer

from fast_sse.model.message import CONTROL_EVENTS
from fast_sse.store.redis.codec import FIELDS
from fast_sse.store.redis.scripts import scripts

LUA = resources.files("fast_sse.store.redis") / "lua"


@pytest.mark.parametrize("name", list(scripts()))
def test_a_script_is_called_by_the_digest_that_redis_gives_it(name: str, redis_server: RedisServer) -> None:
    """Every script compiles, and EVALSHA finds it."""
    script = scripts()[name]
    assert redis_server.do("SCRIPT", "LOAD", script.text).decode() == script.digest


def test_every_file_is_part_of_a_script() -> None:
    """No Lua file is left over, and none is missing from the package."""
    texts = [script.text for script in scripts().values()]
    files = [file.read_text() for file in LUA.iterdir() if file.name.endswith(".lua")]
    assert files
    assert all(any(file in text for text in texts) for file in files)


def test_the_fields_of_an_entry_are_the_same_in_both_languages() -> None:
    """prelude.lua writes them in the order that codec.py reads."""
    found = re.search(r"local FIELDS = \{(.*?)\}", (LUA / "prelude.lua").read_text())
    assert found is not None
    assert [word.encode() for word in re.findall(r"'(\w+)'", found[1])] == FIELDS


def test_every_key_is_documented() -> None:
    """What the scripts append to the prefix stands at the head of prelude.lua."""
    prelude = (LUA / "prelude.lua").read_text()
    suffixes = {
        suffix
        for file in LUA.iterdir()
        for suffix in re.findall(r"base \.\. '([a-z_]+):?'", file.read_text())
    }
    assert len(suffixes) >= 8
    for suffix in suffixes:
        assert re.search(rf"^--   B {suffix}\b", prelude, re.MULTILINE), suffix


def test_control_events_are_the_same_in_both_languages() -> None:
    """What the scripts know as a record that no client sees is one by the table, and every such record is known to them."""
    named = {
        event for file in LUA.iterdir() for event in re.findall(r"'(fast-sse\.[a-z]+)'", file.read_text())
    }
    assert named == {event for event, is_record in CONTROL_EVENTS.items() if is_record}

"""A log in a real redis-server: one server for the whole run, one prefix for each place.

The store speaks to it as a user who has the rights that `store/redis/commands.py` names and no others: so the whole
contract shows that the list is complete.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import redis
from tests.contract.places import BOUNDS, DurablePlace, NowMs
from tests.support.redis_server import RedisServer, hub_user, need_redis

from fast_sse.model.cursor import Position
from fast_sse.store.base import Retention, Store, Windows
from fast_sse.store.letters import LetterBounds
from fast_sse.store.redis.codec import place_text
from fast_sse.store.redis.store import RedisStore


@cache
def shared_server() -> RedisServer:
    """The server of this process."""
    directory = Path(tempfile.mkdtemp(prefix="fast-sse-redis-"))
    server = RedisServer(directory, options=(hub_user("*"),))
    server.start()
    atexit.register(shutil.rmtree, directory)
    atexit.register(server.kill)
    return server


#: Take everything after a place out of the log, as if it had never been written: what a replica that lagged has.
_LOSE_TAIL = """
local base, last = ARGV[1], ARGV[2]
local log, gone, bytes = base .. 'log', 0, 0
local function after(id)
  local ms, n = string.match(id, '^(%d+)%-(%d+)'); local m, k = string.match(last, '^(%d+)%-(%d+)')
  ms, n, m, k = tonumber(ms), tonumber(n), tonumber(m), tonumber(k)
  return ms > m or (ms == m and n > k)
end
for _, e in ipairs(redis.call('XRANGE', log, '(' .. last, '+')) do
  gone, bytes = gone + 1, bytes + #e[2][16] + #e[2][18] + #e[2][20] + 200
  redis.call('XDEL', log, e[1])
end
if redis.call('EXISTS', log) == 1 then
  local top = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  redis.call('XSETID', log, top and top[1] or last)
end
for _, key in ipairs(redis.call('KEYS', base .. '*')) do
  if redis.call('TYPE', key).ok == 'list' and key ~= base .. 'losses' then
    local top = redis.call('LINDEX', key, -1)
    while top and after(top) do
      redis.call('RPOP', key)
      top = redis.call('LINDEX', key, -1)
    end
  end
end
local keys = redis.call('HGETALL', base .. 'keys')
for i = 1, #keys, 2 do
  if after(keys[i + 1]) then redis.call('HDEL', base .. 'keys', keys[i]); redis.call('ZREM', base .. 'key_ends', keys[i]) end
end
local e = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
redis.call('HINCRBY', KEYS[1], 'count', 0 - gone)
redis.call('HINCRBY', KEYS[1], 'bytes', 0 - bytes)
redis.call('HSET', KEYS[1], 'last_fp', e and e[2][2] or redis.call('HGET', KEYS[1], 'trimmed_fp'))
"""


class RedisPlace(DurablePlace):
    """A prefix. A node that dies leaves all of it; what is lost, is lost by the server."""

    losses = "anchors"
    identity_damages = ("missing", "flushed")
    keeps_records_without_identity = False

    def __init__(self, directory: Path) -> None:
        need_redis()
        self.server = shared_server()
        self.prefix = f"{directory.parent.name}-{directory.name}"
        self.keys = f"{{{self.prefix}}}:"
        host, port = self.server.address
        self._client: Any = redis.Redis(host, port, single_connection_client=True)
        self._backup: dict[bytes, bytes] = {}

    def make(
        self, retention: Retention, windows: Windows, clock: NowMs, letters: LetterBounds = BOUNDS
    ) -> Store:
        return RedisStore(
            self.server.hub_url, retention, windows, prefix=self.prefix, now_ms=clock, letters=letters
        )

    async def clear(self) -> None:
        self._forget()
        self._client.close()

    async def kill(self, store: Store) -> None:
        assert isinstance(store, RedisStore)
        for link in (store._writes, store._reads, store._follows):
            link.kick()
        await store.close()

    async def lose_tail(self, store: Store, last: Position) -> None:
        await store.close()
        base = self.keys + self._client.hget(self.keys + "meta", "epoch").decode() + ":"
        self._client.eval(_LOSE_TAIL, 1, self.keys + "meta", base, place_text(last))

    async def back_up(self, store: Store) -> None:
        self._backup = {key: self._client.dump(key) for key in self._names()}

    async def restore(self, store: Store) -> None:
        await store.close()
        self._forget()
        for key, value in self._backup.items():
            self._client.restore(key, 0, value)

    async def lose_identity(self, store: Store, damage: str) -> None:
        await store.close()
        if damage == "missing":
            self._client.delete(self.keys + "meta")
        else:
            self._forget()

    def _names(self) -> list[bytes]:
        return list(self._client.scan_iter(match=f"{self.keys}*", count=10_000))

    def _forget(self) -> None:
        if names := self._names():
            self._client.delete(*names)

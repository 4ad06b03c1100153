"""`fast-sse dlq import`: the dead-letter stream of another hub, into the dead letters of this one.

Nothing is removed from the stream. A letter's id is made of the stream's name, the entry's place and its bytes, so that an import
that is repeated, or goes on after a break, keeps each entry once.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Any, Protocol

import msgspec
from typer import Exit, Option

from fast_sse.cli.admin import DEFAULT_ADMIN, AdminKeyOption, AdminLink, AdminOption, checked, decoded
from fast_sse.cli.completing import variables
from fast_sse.cli.dlq.entries import ITEMS_MAX, Item, StreamEntry, chunks, item
from fast_sse.cli.dlq.options import JsonOption
from fast_sse.cli.dlq.runs import Work
from fast_sse.environment import PREFIX
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.redis.target import target

PATH = "/v1/dead-letters/import"
#: Where the hub itself reads the queue's address from.
URL_VARIABLE = f"{PREFIX}INGEST__REDIS_STREAM__URL"
_DEFAULT_URL = "redis://127.0.0.1:6379/0"
_PLACE = re.compile(r"[0-9]{1,20}-[0-9]{1,20}\Z")
_TIMEOUT_S = 30.0


class Entries(Protocol):
    """A stream that can be read in pages."""

    def page(self, after: str) -> list[StreamEntry]:
        """The entries after a place, at most ITEMS_MAX; "" begins. Raises UnavailableError."""

    def close(self) -> None:
        """End the connection."""


class RedisEntries:
    """A stream in a Redis server."""

    def __init__(self, url: str, name: str) -> None:
        """Raises ConfigError for a bad URL, and without the package of Redis."""
        try:
            import redis  # noqa: PLC0415  an extra, which no other command needs
        except ImportError as error:
            raise ConfigError("--redis-stream", "needs pip install 'fast-sse-hub[redis]'") from error
        try:
            where = target(url)
        except ConfigError as error:
            raise ConfigError("--redis-url-env", error.problem) from error
        self._errors = redis.RedisError
        self._place, self._name = where.place, name
        self._redis: Any = redis.Redis(**where.for_redis_py(), socket_timeout=_TIMEOUT_S)
        self._redis.response_callbacks.clear()  # a field may come twice, which a dict would not hold

    def page(self, after: str) -> list[StreamEntry]:
        """See `Entries`."""
        begin = f"({after}" if after else "-"
        try:
            found = self._redis.execute_command("XRANGE", self._name, begin, "+", "COUNT", ITEMS_MAX)
        except self._errors as error:
            raise UnavailableError(f"Redis at {self._place}: {error}") from error
        return [StreamEntry(place.decode(), tuple(fields or ())) for place, fields in found]

    def close(self) -> None:
        """See `Entries`."""
        self._redis.close()


class _Imported(msgspec.Struct):
    kept: int
    known: int


def import_letters(
    redis_stream: Annotated[
        str, Option("--redis-stream", metavar="NAME", help="Key of the stream: QUEUE_NAME:dead_letter.")
    ],
    redis_url_env: Annotated[
        str | None,
        Option(
            metavar="NAME",
            help=f"The variable with the server's URL; else {URL_VARIABLE}, else this machine.",
            autocompletion=variables,
        ),
    ] = None,
    from_id: Annotated[
        str, Option("--from-id", metavar="ENTRY_ID", help="Go on after this entry.", show_default=False)
    ] = "",
    as_json: JsonOption = False,
    admin: AdminOption = DEFAULT_ADMIN,
    admin_key_env: AdminKeyOption = None,
) -> None:
    """Take the entries of a dead-letter stream of Redis into the dead letters.

    An entry that is a message becomes no_subscriber, any other one poison. You list, show, replay and purge both like all
    others. Nothing is removed from the stream, and an import that is repeated keeps each entry once. The URL may hold a
    password, so it stands in a variable.

    \b
    Examples:
      fast-sse dlq import --redis-stream sse:events:dead_letter
      OLD=redis://:word@10.0.0.5:6379/0 fast-sse dlq import --redis-stream orders:dead_letter --redis-url-env OLD
    """
    if from_id and not _PLACE.match(from_id):
        raise ConfigError("--from-id", "must be the id of an entry: 1795600000000-0")
    link, entries = AdminLink(admin, admin_key_env), RedisEntries(_url(redis_url_env), redis_stream)
    tally = Counter(kept=0, known=0, failed=0)
    work, through = Work(link, tally, 0, as_json=as_json), [from_id]
    with closing(entries):
        work.drive(
            lambda: _import_all(work, entries, redis_stream, through), lambda: _how_to_go_on(through[-1])
        )
    work.summarize()
    raise Exit(int(tally["failed"] > 0))


def _url(variable: str | None) -> str:
    if variable is None:
        return os.environ.get(URL_VARIABLE, "") or _DEFAULT_URL
    if not (url := os.environ.get(variable, "")):
        raise ConfigError(
            "--redis-url-env", f"the environment variable {variable} is not set; put the URL of Redis there"
        )
    return url


def _how_to_go_on(through: str) -> str:
    return f"go on: the same command{f' with --from-id {through}' if through else ''}"


def _import_all(work: Work, entries: Entries, queue: str, through: list[str]) -> None:
    """Import chunk by chunk; the place of each last entry goes to `through`."""
    for chunk in chunks(_items(entries, queue, through[-1])):
        _import(work, chunk)
        through.append(chunk[-1].place)
        work.pause()


def _items(entries: Entries, queue: str, after: str) -> Iterator[Item]:
    while page := entries.page(after):
        yield from (item(queue, entry) for entry in page)
        after = page[-1].place


def _import(work: Work, chunk: list[Item]) -> None:
    """Give the hub some entries; fewer at a time where they are too large. One that it refuses is named."""
    said = work.settle("POST", PATH, None, msgspec.json.encode({"items": chunk}))
    if said.status in (400, 413) and len(chunk) > 1:
        half = len(chunk) // 2
        _import(work, chunk[:half])
        _import(work, chunk[half:])
    elif said.status in (400, 413):
        work.tally["failed"] += 1
        work.show(f"{chunk[0].place}: {said.code}: {said.message}")
    else:
        done = decoded(checked(said).data, _Imported)
        work.tally["kept"] += done.kept
        work.tally["known"] += done.known

"""Numbers that stand for channels in the rows of the log, so that its one index is of integers.

A channel has a number for as long as it has records; retention and erasing forget it with the last of them. The writer knows
numbers from a bounded cache and hands the names of all others to the trigger of `entry`, which finds or makes their
numbers within the same statement (`schema`). What was handed as a name is learned after the commit.

The event loop makes rows with the numbers it finds here while the writer's thread may forget one of them. So each row's
maker notes `version` first, and the writer, which alone changes it, gives rows of an older version their names instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position

#: Numbers that the cache holds, some 300 bytes each.
NUMBERS_MAX = 32_768
#: The channel of a control record, which no filter matches.
CONTROL = 0

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[int, str, str]]).decode

_LEARN_SQL = """
    SELECT json_group_array(json_array(number, channel.id, channel.type))
    FROM json_each(?) AS name
    CROSS JOIN channel ON channel.id = json_extract(name.value, '$[0]') AND channel.type = json_extract(name.value, '$[1]')
"""
_WITHOUT_SQL = """
    SELECT json_group_array(json_array(number, id, type)) FROM channel WHERE {which}
    AND NOT EXISTS (SELECT 1 FROM log INDEXED BY log_channel WHERE log.channel = number AND seq > ?1)
"""
_UP_TO = _WITHOUT_SQL.format(which="number IN (SELECT log.channel FROM log WHERE seq <= ?1)")
_NAMED = _WITHOUT_SQL.format(which="id = ?2 AND type = ?3")
_ANY = _WITHOUT_SQL.format(which="1")


def name_of(channel: Channel) -> str:
    """What stands for a channel whose number is not known. No segment holds a `/`."""
    return "/".join(channel)


class Numbers:
    """The cache. Looked up on any thread, changed on the writer's alone."""

    def __init__(self, numbers_max: int = NUMBERS_MAX) -> None:
        self.known: dict[Channel, int] = {}
        #: Another one after each time that a number was forgotten.
        self.version = 0
        self._numbers_max = numbers_max

    def learn(self, found: Iterable[tuple[Channel, int]]) -> None:
        """These have numbers, on the disk."""
        if len(self.known) >= self._numbers_max:
            self.known.clear()  # none of them became wrong
        self.known.update(found)

    def forget(self, channels: Iterable[Channel]) -> None:
        """These have none any more; those that were not known either were in no row."""
        gone = [self.known.pop(one, None) for one in channels]
        if any(gone):
            self.version += 1

    def forget_all(self) -> None:
        """Nothing is known of what is on the disk."""
        self.known.clear()
        self.version += 1


def numbers_of(connection: sqlite3.Connection, channels: Sequence[Channel]) -> list[tuple[Channel, int]]:
    """The numbers of those that have one."""
    (text,) = connection.execute(_LEARN_SQL, (_encode(channels).decode(),)).fetchone()
    return [(Channel(*name), number) for number, *name in _decode(text)]


def forget_up_to(connection: sqlite3.Connection, position: Position) -> list[Channel]:
    """Forget the channels whose last record is one of those up to a position, which are still there; which they were."""
    return _forget(connection, _UP_TO, (position,))


def forget_empty(connection: sqlite3.Connection, channel: Channel | None = None) -> list[Channel]:
    """Forget a channel if it has no records, or all that have none; which they were."""
    return _forget(connection, _NAMED, (-1, *channel)) if channel else _forget(connection, _ANY, (-1,))


def _forget(connection: sqlite3.Connection, sql: str, values: tuple[object, ...]) -> list[Channel]:
    (text,) = connection.execute(sql, values).fetchone()
    found = _decode(text)
    if found:
        numbers = _encode([number for number, *_ in found]).decode()
        connection.execute("DELETE FROM channel WHERE number IN (SELECT value FROM json_each(?))", (numbers,))
    return [Channel(*name) for _, *name in found]

"""A log of an earlier schema, written anew: into a second file beside it, which then takes its name.

Batch by batch, each with how far it got in the same transaction. So whatever ends it on the way leaves the old log as it was,
and the next start goes on where the last one was, if nothing wrote to the old log since. Every id that was handed out
stays good: positions, losses, the trim mark and the epoch are the same.

What is changed beside the form: a record whose time is below its predecessor's is given that one's (`store.base`). What cannot be
read in the old log stays a gap in the new one.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec.structs import replace as changed

from fast_sse.model.channel import Channel
from fast_sse.model.errors import DiskFullError, NotStoredError
from fast_sse.model.limits import MIB
from fast_sse.model.message import Record
from fast_sse.store.dedup import Known
from fast_sse.store.record import OVERHEAD_BYTES
from fast_sse.store.rows.body import body_of, records_of
from fast_sse.store.rows.channels import CONTROL, Numbers, name_of
from fast_sse.store.rows.checksums import checked_paced
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.entries import KEY_VALUES, add_keys
from fast_sse.store.rows.log import SqliteLog, Totals
from fast_sse.store.rows.schema import IN_PLACE_FROM, SCHEMA_VERSION, prepare, version_of
from fast_sse.store.sqlite.damage import is_damage
from fast_sse.store.sqlite.earlier import Earlier, Row
from fast_sse.store.sqlite.failures import is_out_of_space
from fast_sse.store.sqlite.replace import new_file, remove, replace

_log = logging.getLogger(__name__)

#: Seconds between two lines of progress.
_SAID_S = 5.0
_NO_KEY = (None,) * KEY_VALUES
_UNREADABLE = Channel("*", "*")  # whose it was nobody can tell: a gap for every stream

#: How far it got, and of which log.
_PROGRESS = """
CREATE TABLE upgrade (
    identity TEXT NOT NULL, position INTEGER NOT NULL, last_ms INTEGER NOT NULL, records INTEGER NOT NULL,
    bytes INTEGER NOT NULL, digest BLOB NOT NULL, done INTEGER NOT NULL
);
"""


def upgrade(path: Path) -> None:
    """Write a log of schema 1 to 3 anew in this one. The directory is locked, and nobody has the log open.

    Raises:
        ConfigError: it is of a later schema, or no log.
        DiskFullError: there is no room for a second file; the log is as it was.
        NotStoredError: another process has the log open.
        sqlite3.Error, OSError: as they say; the log is as it was.
    """
    with closing(connect(path, writer=True)) as old:
        version = version_of(old)
        if not version or version >= IN_PLACE_FROM:  # `prepare` takes it
            return
        busy, *_ = old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise NotStoredError("the log is as it was: another process reads it")
        made = path.with_name("log.upgrade.db")
        needed = _size_bytes(old)
        _check_room(path, needed, made)
        try:
            with closing(_opened(made, Earlier(old, version).identity(path))) as new:
                Rewriting(Earlier(old, version), new).run()
        except (sqlite3.Error, OSError) as error:
            if not is_out_of_space(error):
                raise
            remove(made)
            raise _no_room(needed) from error
    replace(made, path)
    _log.warning("log.db has schema %d now: expect an earlier version to refuse it", SCHEMA_VERSION)


class Rewriting:
    """One log on its way into the new file."""

    def __init__(self, old: Earlier, new: sqlite3.Connection) -> None:
        self._old = old
        self._new = new
        self._rows = SqliteLog(new)
        self._numbers = Numbers()
        self._total = old.count()
        progress = "SELECT position, last_ms, records, bytes, digest, done FROM upgrade"
        found = new.execute(progress).fetchone()
        self._position, self._last_ms, self._records, self._bytes, self._digest, self._done = found
        self._said_s = time.monotonic()

    def run(self) -> None:
        """Go on from where it was, to the end."""
        if self._done:
            return
        begun = f"goes on after {self._records}" if self._records else "begins"
        _log.warning(
            "log.db is being written again in schema %d, which %s of %d records: wait, the hub is not ready before",
            SCHEMA_VERSION,
            begun,
            self._total,
        )
        while rows := self._old.batch(self._position):
            self._take(rows)
            self._say()
        self._copy_keys()
        self._end()
        self._new.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _take(self, rows: list[Row]) -> None:
        """Write some records, and that they are written, in one transaction."""
        values: list[Any] = []
        unknown: dict[Channel, None] = {}
        for row in rows:
            channel, one = self._entry(row)
            number = None if channel is None else self._numbers.known.get(channel)
            if channel is not None and number is None:
                unknown[channel] = None
            values += (row.position, _stands_for(channel, number), *one, *_NO_KEY)
            self._records += 1
            self._bytes += len(one[1]) + OVERHEAD_BYTES
        self._position = rows[-1].position
        self._write(values)
        self._numbers.learn(self._rows.numbers(list(unknown)))

    def _entry(self, row: Row) -> tuple[Channel | None, tuple[int, bytes, int | None]]:
        """The channel of a row, None for a control record, and its time, body and the time that its age counts from."""
        records, _ = records_of([(row.position, len(row.body))], row.body)
        if not records:  # it stays as unreadable as it is
            channel = Channel(row.event_id, row.event_type) if row.event_id and row.event_type else None
            if not row.body:
                channel = _UNREADABLE
            self._last_ms = max(self._last_ms, row.time_ms)
            return channel, (self._last_ms, row.body, None)
        (record,) = records
        body, paced_ms = row.body, row.paced_ms
        if record.time_ms < self._last_ms:
            paced_ms = record.time_ms if paced_ms is None else paced_ms
            record = changed(record, time_ms=self._last_ms)
            body = body_of(record)
        self._last_ms = record.time_ms
        return _channel_of(record), (record.time_ms, body, _paced(record, paced_ms))

    def _copy_keys(self) -> None:
        while True:
            values: list[Any] = []
            damaged = False
            try:
                for key in self._old.keys(self._digest):
                    add_keys(values, [(key.digest, Known(key.position, key.sha, key.expires_ms))])
                    self._digest = key.digest
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise
                damaged = True
                _log.error(
                    "idempotency keys in log.db are damaged and some are forgotten: expect doubles of retries"
                )
            if values:
                self._write(values)
            if damaged or not values:
                return

    def _write(self, values: list[Any]) -> None:
        with self._new:
            self._new.execute("BEGIN IMMEDIATE")
            self._rows.insert(values)
            sql = "UPDATE upgrade SET position = ?, last_ms = ?, records = ?, bytes = ?, digest = ?"
            self._new.execute(sql, (self._position, self._last_ms, self._records, self._bytes, self._digest))

    def _end(self) -> None:
        """What there is one of, and that all is done."""
        epoch, trimmed, trimmed_ms = self._old.mark()
        with self._new:
            execute = self._new.execute
            execute("BEGIN IMMEDIATE")
            execute("UPDATE mark SET epoch = ?, trimmed = ?, trimmed_ms = ?", (epoch, trimmed, trimmed_ms))
            probe = "UPDATE probe SET time_ms = ?, boot = ?, boot_ms = ?, paced_ms = ?"
            execute(probe, self._old.probe())
            for loss in self._old.losses():
                self._rows.add_loss(*loss)
            for event_id, event_type, below in self._old.erasing():
                self._rows.add_erasing(Channel(event_id, event_type), below)
            self._rows.save_totals(Totals(self._records, self._bytes))
            execute("UPDATE upgrade SET done = 1")

    def _say(self) -> None:
        if time.monotonic() - self._said_s >= _SAID_S:
            self._said_s = time.monotonic()
            _log.warning("log.db is being written again, %d of %d records: wait", self._records, self._total)


def _opened(made: Path, identity: str) -> sqlite3.Connection:
    """The second file: the one that was begun for this very log, or a new one."""
    if made.exists():
        connection = _begun(made, identity)
        if connection is not None:
            return connection
        _log.warning("%s is from another state of log.db, so it begins again: nothing to do", made.name)
    new_file(made)
    connection = connect(made, writer=True)
    try:
        connection.execute("PRAGMA wal_autocheckpoint = 1000").fetchone()
        prepare(connection)
        connection.executescript(f"BEGIN; {_PROGRESS} COMMIT;")
        connection.execute("INSERT INTO upgrade VALUES (?, -1, 0, 0, 0, x'', 0)", (identity,))
    except BaseException:
        connection.close()
        raise
    return connection


def _begun(made: Path, identity: str) -> sqlite3.Connection | None:
    connection = None
    try:
        connection = connect(made, writer=True)
        connection.execute("PRAGMA wal_autocheckpoint = 1000").fetchone()
        if connection.execute("SELECT identity FROM upgrade").fetchone() == (identity,):
            return connection
    except sqlite3.Error as error:
        if is_out_of_space(error):
            raise
    if connection is not None:
        connection.close()
    return None


def _channel_of(record: Record) -> Channel | None:
    return None if record.is_control else record.channel


def _stands_for(channel: Channel | None, number: int | None) -> int | str:
    return CONTROL if channel is None else number or name_of(channel)


def _paced(record: Record, paced_ms: int | None) -> int | None:
    return None if paced_ms is None else checked_paced(record.position, paced_ms)


def _size_bytes(connection: sqlite3.Connection) -> int:
    """What the log takes without its free pages: the new file takes less."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _check_room(path: Path, needed: int, made: Path) -> None:
    """Say at once what would only be found out in the middle."""
    free = os.statvfs(path.parent)
    begun = made.stat().st_size if made.exists() else 0
    if free.f_bavail * free.f_frsize + begun < needed:
        raise _no_room(needed)


def _no_room(needed: int) -> DiskFullError:
    return DiskFullError(
        f"the log is as it was: it needs up to {needed // MIB + 1} MiB of room beside it, to be written again in schema {SCHEMA_VERSION}"
    )

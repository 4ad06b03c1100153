"""A node's view of the topic: what was read from it, in SQLite, with the indexes that reads and keys need.

The topic is the log and the view can always be made again from it, so it is not fsynced with every group: after a
power cut it merely begins a little earlier. A file that is missing, damaged, of another version or of another topic
is replaced. Every decision here (which entry wins a key, what an erasure takes) follows from the topic alone, by
offset and LogAppendTime, so that all nodes come to the same view.

A position is an offset + 1. Beside the tables of `rows.schema`, of which `mark.counted` says up to which position
the topic was read:

    print   fingerprints of places that hold no record: erased ones and the last that was trimmed, so that cursors there
            stay good, duplicates and conflicts, so that a lost tail is known to the entry
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import NO_FINGERPRINT, Position
from fast_sse.model.errors import ConfigError, HeldError
from fast_sse.store.base import Windows
from fast_sse.store.kafka.bound import Bound, Rank
from fast_sse.store.kafka.entry import decode
from fast_sse.store.kafka.fold import PLACE_BYTES, FoldedGroup, Folding, Raw, known_keys
from fast_sse.store.rows.connect import connect
from fast_sse.store.rows.log import FIRST_OF_CHANNEL_SQL, SqliteLog
from fast_sse.store.rows.pages import INTEGER_MAX
from fast_sse.store.rows.schema import prepare

_log = logging.getLogger(__name__)

#: Marks the file as a view; another number is another form of it.
_FORM = 0x46535601
_STEP = 500
#: Keys above their number that wait for `forget_keys`; reading a long topic for the first time does not wait for it.
_EXCESS_MAX = 2_000
_NONE = "there was none"
_TABLES = """
CREATE TABLE print (seq INTEGER PRIMARY KEY, print TEXT NOT NULL);
"""


class View:
    """The open file. Blocking code; `lock` is held while writing."""

    def __init__(self, path: Path, windows: Windows) -> None:
        self.path = path
        self.lock = threading.RLock()
        self._windows = windows
        self._window_ms = int(windows.key_window_s * 1000)
        self._log: SqliteLog | None = None
        self._lock_file = -1
        self._keys = 0
        #: Keys ranked at or below this are treated as forgotten: `keys_max` live keys rank above (`bound`). Read from any thread.
        self.floor: Rank | None = None
        #: Keys forgotten before their window ended, because there were more than `keys_max`.
        self.keys_cut = 0

    # -- life ---------------------------------------------------------------------------------------

    def open(self, epoch: str) -> bool:
        """Open the view of this epoch, replacing one that is no use; whether it is the one that was there.

        Raises:
            ConfigError: the directory cannot be written, or another process has it.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            self._close_log()
            why = self._try_open(epoch)
            if why:
                _log.log(
                    logging.INFO if why == _NONE else logging.WARNING,
                    "the view %s is made anew: %s",
                    self.path.name,
                    why,
                )
                self.discard()
                self._try_open(epoch, new=True)
            self._count_keys()
        except (OSError, sqlite3.OperationalError) as error:
            raise ConfigError("data_dir", "cannot be written") from error
        return not why

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._close_log()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    def discard(self) -> None:
        """Remove the file, so that `open` makes a new one."""
        self._close_log()
        for end in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + end).unlink(missing_ok=True)

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            with suppress(sqlite3.Error):
                log.connection.close()

    def _take_lock(self) -> None:
        """Two processes with one name and one directory would write each other's view."""
        if self._lock_file >= 0:
            return
        lock_file = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock_file)
            raise HeldError("node", "another process of this name uses the same data_dir") from error
        self._lock_file = lock_file

    def _try_open(self, epoch: str, *, new: bool = False) -> str:
        """Why the file is no use; empty when it is."""
        fresh = new or not self.path.exists()
        try:
            connection = connect(self.path, writer=True)
            self._log = SqliteLog(connection)
            connection.execute("PRAGMA synchronous = NORMAL").fetchone()
            if not fresh:
                return self._flaw(connection, epoch)
            prepare(connection)
            connection.executescript(_TABLES)
            connection.execute(f"PRAGMA application_id = {_FORM}")
            self._log.set_epoch(epoch)
        except (sqlite3.DatabaseError, ConfigError) as error:
            if fresh or isinstance(error, sqlite3.OperationalError):
                raise
            return str(error)
        return "" if new else _NONE

    def _flaw(self, connection: sqlite3.Connection, epoch: str) -> str:
        if connection.execute("PRAGMA application_id").fetchone()[0] != _FORM:
            return "it has another form"
        prepare(connection)
        if (verdict := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            return f"it is damaged: {verdict}"
        return "" if self.log.epoch() == epoch else "it is of another topic"

    @property
    def log(self) -> SqliteLog:
        """The statements over the writer's connection."""
        assert self._log is not None, "the view is not open"
        return self._log

    # -- what it holds ------------------------------------------------------------------------------

    @property
    def read_to(self) -> Position:
        """Up to here the topic was read, whether or not it held records."""
        return int(self.log.connection.execute("SELECT counted FROM mark").fetchone()[0])

    @property
    def newest(self) -> Position:
        """The last place that holds something, or the trim mark."""
        return self.log.ends().newest

    @property
    def trimmed(self) -> Position:
        """Everything up to here is gone from the topic."""
        return self.log.ends().trimmed

    def print_at(self, position: Position) -> str | None:
        """The fingerprint of a place; None when nothing is known of it."""
        return print_at(self.log, position)

    @property
    def anchor(self) -> Position:
        """The last entry that is known, a record or not; 0 when none is."""
        return self.entry_near(INTEGER_MAX, above=False) or 0

    def entry_near(self, position: Position, *, above: bool) -> Position | None:
        """The nearest known entry at or below a place, or strictly above it."""
        end, which = ("min", ">") if above else ("max", "<=")
        arms = [f"SELECT {end}(seq) AS seq FROM {table} WHERE seq {which} ?1" for table in ("log", "print")]  # noqa: S608
        sql = f"SELECT {end}(seq) FROM ({arms[0]} UNION ALL {arms[1]})"  # noqa: S608
        found: Position | None = self.log.connection.execute(sql, (position,)).fetchone()[0]
        return found

    # -- what the topic does to it ------------------------------------------------------------------

    def fold(self, batch: Sequence[Raw]) -> FoldedGroup:
        """Take the next entries of the topic, in one transaction; erasures follow in steps of their own."""
        entries = [(raw, decode(raw.value)) for raw in batch]
        digests = [key.digest for _, entry in entries if entry for key in entry.draft.keys]
        with self.lock:
            folding = Folding(self._window_ms, self.log.last_ms())
            if digests:
                folding.know(*known_keys(self.log, digests), self._bound(len(digests)))
            for raw, entry in entries:
                folding.take(raw, entry)
            with self._transaction():
                self.log.forget_keys(folding.ended)
                self.log.insert(folding.values)
                self.log.connection.executemany("INSERT INTO print VALUES (?, ?)", folding.others)
                self._note_read(batch[-1].offset + 1)
            self._keys += folding.more_keys
            if folding.floor is not None:
                self.floor = folding.floor
            while self._excess > _EXCESS_MAX:
                self._forget_excess(batch[-1].time_ms)
            group = folding.group._replace(time_ms=batch[-1].time_ms)
            for record in group.records:
                if record.is_control:
                    group.erased[record.position] = self._erase(record.channel, record.position)
        return group

    def trim_to(self, low: Position) -> int:
        """One step towards the topic's beginning: what lies at or below `low` goes. How many records went.

        The mark is the last of them. What the topic let go before it was read here is behind the mark, too: then nobody
        knows the mark's time.
        """
        with self.lock:
            sql = "SELECT count(*), max(seq) FROM (SELECT seq FROM log WHERE seq <= ? ORDER BY seq LIMIT ?)"
            count, last = self.log.connection.execute(sql, (low, _STEP)).fetchone()
            unread = count < _STEP and low > self.read_to
            mark = low if unread else last
            if mark is None:
                return 0
            fingerprint = self.print_at(mark)
            with self._transaction() as execute:
                self.log.set_trimmed(mark)
                self.log.forget_up_to(mark)
                execute("DELETE FROM log WHERE seq <= ?", (mark,))
                execute("DELETE FROM print WHERE seq <= ?", (mark,))
                if fingerprint is not None:
                    execute("INSERT INTO print VALUES (?, ?)", (mark, fingerprint))
                if unread:
                    execute("UPDATE mark SET trimmed_ms = NULL")
                    self._note_read(low)
            return int(count)

    def forget_keys(self, now_ms: int, leeway_ms: int = 0) -> int:
        """One step of forgetting keys past their window, by `leeway_ms` or more, or above their number; how many went.

        Nothing that counts: when this is done changes no decision. `leeway_ms` is how far the time of the next entry may
        lie behind `now_ms`.
        """
        with self.lock:
            with self._transaction():
                expired = self.log.forget_expired_keys(now_ms - leeway_ms, _STEP)
            self._keys -= expired
            cut = self._forget_excess(now_ms)
            if self._excess <= 0:
                self.floor = None
            return expired + cut

    def _forget_excess(self, now_ms: int) -> int:
        """One step of forgetting keys that do not count any more; how many went."""
        if self._excess <= 0:
            return 0
        cut = self.log.oldest_keys(min(_STEP, self._excess))
        with self._transaction():
            self.log.forget_keys([digest for _, digest in cut])
        self._keys -= len(cut)
        self.keys_cut += sum(expires_ms > now_ms for expires_ms, _ in cut)
        return len(cut)

    @property
    def _excess(self) -> int:
        return self._keys - self._windows.keys_max

    def _bound(self, more: int) -> Bound | None:
        """Where keys are cut while up to `more` are set; None when none are."""
        count = self._excess + more
        return Bound(self.log.oldest_keys(count), self._excess) if count > 0 else None

    def _count_keys(self) -> None:
        self._keys = self.log.keys()
        bound = self._bound(0)
        self.floor = bound.floor if bound else None

    def cut(self, position: Position) -> None:
        """The topic lost what lies above `position`, and so does the view, keys included."""
        with self.lock, self._transaction() as execute:
            execute("DELETE FROM log WHERE seq > ?", (position,))
            execute("DELETE FROM print WHERE seq > ?", (position,))
            self.log.forget_empty()
            execute(
                f"DELETE FROM key WHERE substr(sha, -{PLACE_BYTES}) > ?",  # noqa: S608
                (position.to_bytes(PLACE_BYTES, "big"),),
            )
            self._note_read(position)
        self._count_keys()

    def _note_read(self, position: Position) -> None:
        self.log.connection.execute("UPDATE mark SET counted = ?", (position,))

    def _erase(self, target: Channel, below: Position) -> int:
        """Overwrite the records of a channel below a place, in steps; their fingerprints stay."""
        execute = self.log.connection.execute
        execute("PRAGMA secure_delete = ON").fetchone()
        erased = 0
        while True:
            places = [row[0] for row in execute(FIRST_OF_CHANNEL_SQL, (*target, below, _STEP)).fetchall()]
            prints = [(place, self.print_at(place) or NO_FINGERPRINT) for place in places]
            with self._transaction():
                self.log.connection.executemany("INSERT INTO print VALUES (?, ?)", prints)
                gone = self.log.erase(target, below, _STEP).messages
                if gone < _STEP:
                    self.log.forget_empty(target)
            erased += gone
            if gone < _STEP:
                break
        execute("PRAGMA secure_delete = OFF").fetchone()
        execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return erased

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        execute = self.log.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            yield execute
            execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise


def print_at(log: SqliteLog, position: Position) -> str | None:
    """The fingerprint of a place; None when nothing is known of it."""
    if position > INTEGER_MAX:
        return None
    record = log.get(position)
    if record is not None:
        return record.fingerprint
    sql = "SELECT ifnull((SELECT print FROM print WHERE seq = ?1), (SELECT ?2 FROM log WHERE seq = ?1 AND body = x''))"
    found: str | None = log.connection.execute(sql, (position, NO_FINGERPRINT)).fetchone()[0]
    return found

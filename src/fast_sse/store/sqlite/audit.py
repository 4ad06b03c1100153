"""Looking through the whole log for damage, again and again, beside everything else (guarantee G6, reliability F16).

A bit that flipped in a record which nobody reads is damage all the same: it is found before somebody asks. A pass checks every
record, every key and every dead letter against its checksum, what is said twice, the tables, and the structure of the file
by SQLite's own `integrity_check`. What it finds is known from then on: a line, a number, readiness, and a gap for whoever passes it.

It has a thread and a connection of its own and takes a twentieth of a core. The records are read in pieces, each of which
is as short as a page for a stream. The structure is one long read, which keeps the write-ahead log from being begun anew:
it is given up when that has grown to half its bound, and tried once more without pauses.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from fast_sse.model.cursor import Position
from fast_sse.store.judge import Ends
from fast_sse.store.ranges import ALL
from fast_sse.store.rows.check import PIECE_ROWS, Keys, check_keys, check_records, has_our_tables
from fast_sse.store.rows.connect import connect, error_code
from fast_sse.store.rows.letter_check import BEGINNING, LetterPiece, LetterPlace, check_letters
from fast_sse.store.rows.log import SqliteLog
from fast_sse.store.rows.wal import Gate, Wal
from fast_sse.store.sqlite.damage import Damage, is_damage, is_unreadable, page_or_gap

_log = logging.getLogger(__name__)

#: When the first pass begins after the start, and each one after the end of the one before.
FIRST_S = 60.0
PERIOD_S = 3600.0
#: How many times as long as it works it rests.
_REST = 19.0
#: Rests at most, so that it ends soon when it is to.
_REST_S_MAX = 1.0
#: Steps of SQLite between two looks at the clock, in the check of the structure.
_LOOK_STEPS = 20_000
#: Records looked at when the log is opened, at its end, and seconds for both ends.
_END_RECORDS = 4_096
_OPENING_S = 0.5

KnownEnds = Callable[[], Ends]
#: Rest after so many seconds of work; whether to go on.
Rest = Callable[[float], bool]


class Walk:
    """One walk over the rows of one connection."""

    def __init__(self, connection: sqlite3.Connection, damage: Damage, ends: KnownEnds) -> None:
        self._connection = connection
        self._damage = damage
        self._ends = ends

    def pieces(self) -> Iterator[bool]:
        """Everything but the structure: each `next` is one piece, and True while more of it is to come."""
        self.tables()
        yield True
        after: Position | None = self._ends().trimmed
        while after is not None:
            after = self.records(max(after, self._ends().trimmed))
            yield True
        digest: bytes | None = b""
        while digest is not None:
            digest = self.keys(digest)
            yield True
        letter: LetterPlace | None = BEGINNING
        while letter is not None:
            letter = self.letters(letter)
            yield letter is not None

    def tables(self) -> None:
        """The tables themselves, and what is said twice."""
        with self._damage.noted("its tables cannot be read"):
            if not has_our_tables(self._connection):
                self._damage.met("its tables were changed")
        with self._damage.noted("its mark cannot be read"):
            for table in SqliteLog(self._connection).unsound():
                self._damage.met(f"table {table} is not what was written")

    def records(self, after: Position) -> Position | None:
        """One piece of the log; where it ended, None at the end of the log."""
        for count, indexed in ((PIECE_ROWS, True), (PIECE_ROWS, False), (16, False), (1, False)):
            try:
                piece = check_records(self._connection, after, count, indexed=indexed)
            except (sqlite3.Error, msgspec.MsgspecError) as error:
                if isinstance(error, sqlite3.Error) and not is_unreadable(error):
                    raise
                continue
            if count == PIECE_ROWS and not indexed:
                self._damage.met("its index of channels cannot be read")
            for position in piece.unreadable:
                self._damage.found(position - 1, position)
            for position in piece.strays:
                self._damage.stray(position)
            for position in piece.others:
                self._damage.met(f"a time of position {position} is not what was written")
            return piece.through
        return self._behind(after)

    def _behind(self, after: Position) -> Position | None:
        """What cannot be read at all, told as a reader of everything would meet it."""
        read = page_or_gap(SqliteLog(self._connection), (ALL,), after, 1, 1, self._ends)
        if read.found is None:
            self._damage.found(after, read.resumed_at)
            return read.resumed_at
        if read.found.damaged is not None:
            self._damage.found(after, read.found.damaged)
            return read.found.damaged
        self._damage.met(f"a part of the record after position {after} cannot be read")
        return read.found.records[-1].position if read.found.records else None

    def keys(self, after: bytes) -> bytes | None:
        """One piece of the keys; where it ended, None at the end."""
        piece = Keys(None, 0)
        with self._damage.noted("idempotency keys cannot be read"):
            piece = check_keys(self._connection, after)
        if piece.damaged:
            self._damage.met("idempotency keys are not what was written")
        return piece.through

    def letters(self, after: LetterPlace) -> LetterPlace | None:
        """One piece of the dead letters; where it ended, None at the end."""
        piece = LetterPiece(None, [])
        with self._damage.noted("dead letters cannot be read"):
            piece = check_letters(self._connection, after)
        for position in piece.damaged:
            self._damage.met(f"the dead letter of position {position} is not what was written")
        return piece.through

    def structure(self) -> None:
        """SQLite's own check. Raises sqlite3.Error: it was interrupted."""
        with self._damage.noted("its structure cannot be read"):
            verdict = str(self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            if verdict != "ok":
                self._damage.met(f"its structure: {' '.join(verdict.split())}")


def look_at_ends(connection: sqlite3.Connection, damage: Damage, ends: Ends) -> None:
    """What can be looked at while a log is opened: the tables, the newest records and the oldest, half a second long."""
    walk = Walk(connection, damage, lambda: ends)
    until_s = time.monotonic() + _OPENING_S
    walk.tables()
    for place in (_before_the_end(connection), ends.trimmed):
        after: Position | None = place
        while after is not None and time.monotonic() < until_s:
            after = walk.records(after)
        until_s += _OPENING_S / 2


def _before_the_end(connection: sqlite3.Connection) -> Position:
    sql = "SELECT min(seq) - 1 FROM (SELECT seq FROM log ORDER BY seq DESC LIMIT ?)"
    try:
        return int(connection.execute(sql, (_END_RECORDS,)).fetchone()[0] or 0)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        return 0


class Audit:
    """The passes over one log, in a thread that ends with the store."""

    def __init__(self, path: Path, gate: Gate, wal: Wal, damage: Damage, ends: KnownEnds) -> None:
        """`ends`: those of the log as the process knows them."""
        self._path = path
        self._gate = gate
        self._wal = wal
        self._damage = damage
        self._ends = ends
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        #: Passes that came to their end.
        self.passes = 0

    def start(self) -> None:
        """Begin; the first pass comes somewhat later."""
        self._thread = threading.Thread(target=self._run, name="fast-sse-log-audit", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End soon: within a piece, or where the check of the structure looks up. Blocking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        rest_s = FIRST_S
        while not self._stop.wait(rest_s):
            rest_s = PERIOD_S
            try:
                self.one_pass(self._rest)
            except sqlite3.Error as error:
                _log.warning(
                    "log.db could not be checked: %s; nothing to do, the hub tries again later", error
                )
            except Exception:  # noqa: BLE001  the last guard: nobody waits for this thread
                _log.exception("a defect in checking log.db: report it")

    def _rest(self, worked_s: float) -> bool:
        return not self._stop.wait(min(_REST * worked_s, _REST_S_MAX))

    def one_pass(self, rest: Rest) -> None:
        """Look through all of the log once. Raises sqlite3.Error when it cannot be opened, or is busy."""
        with closing(connect(self._path, writer=False)) as connection:
            walk = Walk(connection, self._damage, self._ends)
            pieces = walk.pieces()
            more = True
            while more:
                began_s = time.monotonic()
                with self._gate.reading():
                    more = next(pieces, False)
                if not rest(time.monotonic() - began_s):
                    return
            if self._structure(connection, walk, rest) or self._structure(connection, walk, None):
                self.passes += 1
            elif not self._stop.is_set():
                _log.warning(
                    "the structure of log.db was not checked, because too much was written meanwhile; nothing to do"
                )

    def _structure(self, connection: sqlite3.Connection, walk: Walk, rest: Rest | None) -> bool:
        """Check the structure in one long read; whether it came to its end."""
        looked_s = time.monotonic()

        def look() -> bool:
            nonlocal looked_s
            if self._stop.is_set() or self._gate.is_wanted or self._wal.is_half_full():
                return True
            go_on = rest is None or rest(time.monotonic() - looked_s)
            looked_s = time.monotonic()
            return not go_on

        connection.set_progress_handler(look, _LOOK_STEPS)
        try:
            with self._gate.reading_long():
                walk.structure()
        except sqlite3.Error as error:
            if error_code(error) != sqlite3.SQLITE_INTERRUPT:
                raise
            return False
        finally:
            connection.set_progress_handler(None, 0)
        return True

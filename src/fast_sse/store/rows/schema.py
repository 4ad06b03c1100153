"""The tables on disk and their version. A newer file is refused: guessing at it could lose what was acknowledged.

    channel  the channels that have records, each with the number that stands for it in `log`
    log      one row a record; the body is the whole record in msgpack, so that a page of records is one value; `channel`
             is 0 for control records; `paced` is the time that its age counts from (`pace`, `checksums`), NULL where
             that is `time_ms`
    key      idempotency keys, each with a checksum; they outlive their records
    loss     open intervals of positions that may have been given and then lost
    mark     one row: epoch, trim mark and its time (NULL: not known), and what was counted up to which position
    probe    one row that `ping` writes, so that proving a write touches nobody's data: both times of the log, and the start of
             the machine that they were read in
    erasing  channels that are being erased, each written with its control record and gone with its last entry
    entry    what the writer inserts into: a record, a key, or both in one row, taken apart by a trigger; so a
             group with its keys is one statement, and one statement is a transaction of its own

The rowid ends every index, so `log_channel` is `(channel, seq)`: the records of one channel in log order. What a row of `entry`
has for a channel is its number, or its name with a `/` in it: the trigger then looks the number up, and gives one to a
name that is new.

The rows of `loss`, `mark`, `probe`, `erasing` and `post` say everything twice, the second time as text: a bit that flipped in either
is seen (`audit`).

The tables of the dead letters are those of `letter_tables`.

A file of schema 4 is brought to this one in place, in one transaction. One of an earlier version is not for this module: it is
written anew (`sqlite.upgrade`).
"""

from __future__ import annotations

import sqlite3

from fast_sse.model.errors import ConfigError
from fast_sse.store.rows.letter_tables import LETTER_TABLES

SCHEMA_VERSION = 5
#: Files of this version and later ones are brought to ours in place, by UPGRADES; earlier ones are written anew.
IN_PLACE_FROM = 4

_ID = "substr(new.channel, 1, instr(new.channel, '/') - 1)"
_TYPE = "substr(new.channel, instr(new.channel, '/') + 1)"
_NUMBER = f"(SELECT number FROM channel WHERE id = {_ID} AND type = {_TYPE})"  # noqa: S608

#: By table that says everything twice: what the columns are, as they are said again.
SAID = {
    "mark": "epoch, trimmed, counted, messages, bytes, trimmed_ms",
    "loss": "lower, upper",
    "probe": "time_ms, boot, boot_ms, paced_ms",
    "erasing": "id, type, below",
    "post": "epoch, decided",
}


#: Of them those that came with a later version of the file.
_LATER = ("post",)


def _saying(table: str) -> str:
    """The triggers that say a row again whenever it is written."""
    columns = SAID[table]
    again = f"UPDATE {table} SET said = json_array({columns}) WHERE rowid = new.rowid"  # noqa: S608
    return f"""
CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} BEGIN {again}; END;
CREATE TRIGGER {table}_updated AFTER UPDATE OF {columns} ON {table} BEGIN {again}; END;
"""


_TABLES = f"""
CREATE TABLE channel (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, UNIQUE (id, type)
);
CREATE INDEX channel_type ON channel (type);
CREATE TABLE log (
    seq INTEGER PRIMARY KEY, channel INTEGER NOT NULL, time_ms INTEGER NOT NULL, body BLOB NOT NULL, paced INTEGER
);
CREATE INDEX log_channel ON log (channel);
CREATE TABLE key (
    digest BLOB PRIMARY KEY, seq INTEGER NOT NULL, sha BLOB NOT NULL, expires_ms INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX key_expires ON key (expires_ms);
CREATE TABLE loss (lower INTEGER NOT NULL, upper INTEGER NOT NULL, said TEXT NOT NULL DEFAULT '');
CREATE TABLE mark (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, trimmed INTEGER NOT NULL,
    counted INTEGER NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL, trimmed_ms INTEGER,
    said TEXT NOT NULL DEFAULT ''
);
CREATE TABLE probe (
    one INTEGER PRIMARY KEY CHECK (one = 1), time_ms INTEGER NOT NULL, boot TEXT NOT NULL, boot_ms INTEGER NOT NULL,
    paced_ms INTEGER NOT NULL, said TEXT NOT NULL DEFAULT ''
);
CREATE TABLE erasing (id TEXT NOT NULL, type TEXT NOT NULL, below INTEGER NOT NULL, said TEXT NOT NULL DEFAULT '');
{"".join(_saying(table) for table in SAID if table not in _LATER)}
CREATE VIEW entry AS SELECT log.*, digest, sha, expires_ms, checksum FROM log, key;
CREATE TRIGGER entry_insert INSTEAD OF INSERT ON entry BEGIN
    INSERT INTO channel (id, type) SELECT {_ID}, {_TYPE} WHERE typeof(new.channel) = 'text' AND {_NUMBER} IS NULL;
    INSERT INTO log SELECT new.seq, iif(typeof(new.channel) = 'text', {_NUMBER}, new.channel), new.time_ms, new.body, new.paced
        WHERE new.body IS NOT NULL;
    INSERT INTO key SELECT new.digest, new.seq, new.sha, new.expires_ms, new.checksum WHERE new.digest IS NOT NULL;
END;
INSERT INTO mark VALUES (1, '', 0, 0, 0, 0, NULL, '');
INSERT INTO probe VALUES (1, 0, '', 0, 0, '');
"""  # noqa: S608

#: The dead letters, wherever they are kept.
LETTERS = f"{LETTER_TABLES}{_saying('post')}INSERT INTO post VALUES (1, '', 0, '');"  # noqa: S608
#: By version: what it has beside the one before. A new file is made by the same steps.
UPGRADES = {
    5: LETTERS,
}


def version_of(connection: sqlite3.Connection) -> int:
    """The schema of a file, 0 when it is empty.

    Raises:
        ConfigError: written by a newer Fast SSE, or by something else.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise ConfigError(
            "data_dir",
            f"the log has schema {version}, and this version of Fast SSE knows {SCHEMA_VERSION}; run the version that wrote it",
        )
    if not version and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ConfigError(
            "data_dir", "log.db is a database of another program; set data_dir to another directory"
        )
    return version


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, bring those of a recent version to ours, or check that they are ours.

    Raises:
        ConfigError: written by an early or a newer version of Fast SSE, or by something else.
    """
    version = version_of(connection)
    if 0 < version < IN_PLACE_FROM:
        raise ConfigError(
            "data_dir", f"the log has schema {version} of an earlier version; start a hub on it first"
        )
    if version < SCHEMA_VERSION:
        steps = [] if version else [_TABLES]
        steps += [sql for step, sql in UPGRADES.items() if step > version]
        version_sql = f"PRAGMA user_version = {SCHEMA_VERSION};"
        connection.executescript(f"BEGIN IMMEDIATE; {''.join(steps)} {version_sql} COMMIT;")
    if version:
        connection.execute("DROP TABLE IF EXISTS upgrade")  # of the rewriting that made the file

"""The tables on disk and their version. A newer file is refused: guessing at it could lose what was acknowledged.

    log     one row a record; the body is the whole record in msgpack, so that a page of records is one value; `paced_ms`
            is the time that its age counts from (`pace`), NULL where that is `time_ms`
    key     idempotency keys; they outlive their records
    loss    open intervals of positions that may have been given and then lost
    mark    one row: epoch, trim mark and its time (NULL: not known), and what was counted up to which position
    probe   one row that `ping` writes, so that proving a write touches nobody's data: both times of the log, and the start of
            the machine that they were read in
    erasing channels that are being erased, each written with its control record and gone with its last entry
    entry   what the writer inserts into: a record, a key, or both in one row, taken apart by a trigger; so a
            group with its keys is one statement, and one statement is a transaction of its own

The rowid ends every index, so `(id, type)` is `(id, type, seq)`: a range in log order.

An older file is brought to this version step by step, all steps in one transaction: a crash leaves it as it was.
"""

from __future__ import annotations

import sqlite3

from fast_sse.model.errors import ConfigError

SCHEMA_VERSION = 3

_ENTRY = """
CREATE VIEW entry AS SELECT log.*, digest, sha, expires_ms FROM log, key;
CREATE TRIGGER entry_insert INSTEAD OF INSERT ON entry BEGIN
    INSERT INTO log SELECT new.seq, new.id, new.type, new.time_ms, new.body, new.paced_ms WHERE new.body IS NOT NULL;
    INSERT INTO key SELECT new.digest, new.seq, new.sha, new.expires_ms WHERE new.digest IS NOT NULL;
END;
"""
_ERASING = "CREATE TABLE erasing (id TEXT NOT NULL, type TEXT NOT NULL, below INTEGER NOT NULL);"

_TABLES = f"""
CREATE TABLE log (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, time_ms INTEGER NOT NULL, body BLOB NOT NULL,
    paced_ms INTEGER
);
CREATE INDEX log_channel ON log (id, type);
CREATE INDEX log_id ON log (id);
CREATE INDEX log_type ON log (type);
CREATE TABLE key (
    digest BLOB PRIMARY KEY, seq INTEGER NOT NULL, sha BLOB NOT NULL, expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX key_expires ON key (expires_ms);
CREATE TABLE loss (lower INTEGER NOT NULL, upper INTEGER NOT NULL);
CREATE TABLE mark (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, trimmed INTEGER NOT NULL,
    counted INTEGER NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL, trimmed_ms INTEGER
);
CREATE TABLE probe (
    one INTEGER PRIMARY KEY CHECK (one = 1), time_ms INTEGER NOT NULL,
    boot TEXT NOT NULL DEFAULT '', boot_ms INTEGER NOT NULL DEFAULT 0, paced_ms INTEGER NOT NULL DEFAULT 0
);
{_ERASING}
{_ENTRY}
INSERT INTO mark VALUES (1, '', 0, 0, 0, 0, NULL);
INSERT INTO probe (one, time_ms) VALUES (1, 0);
"""  # noqa: S608

#: By version: what makes a file of the next one of it.
UPGRADES = {
    1: "ALTER TABLE mark ADD COLUMN trimmed_ms INTEGER;",
    2: f"""
        ALTER TABLE log ADD COLUMN paced_ms INTEGER;
        ALTER TABLE probe ADD COLUMN boot TEXT NOT NULL DEFAULT '';
        ALTER TABLE probe ADD COLUMN boot_ms INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE probe ADD COLUMN paced_ms INTEGER NOT NULL DEFAULT 0;
        DROP TRIGGER entry_insert;
        DROP VIEW entry;
        {_ERASING}
        {_ENTRY}
    """,
}


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables in an empty file, or check that they are ours and bring them to this version.

    Raises:
        ConfigError: written by a newer Fast SSE, or by something else.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise ConfigError(
            "data_dir", f"the log has schema {version}, this version knows {SCHEMA_VERSION}: do not downgrade"
        )
    if version == SCHEMA_VERSION:
        return
    if version:
        sql = " ".join(UPGRADES[step] for step in range(version, SCHEMA_VERSION))
    elif connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ConfigError("data_dir", "log.db is a database of something else")
    else:
        sql = _TABLES
    connection.executescript(f"BEGIN IMMEDIATE; {sql} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

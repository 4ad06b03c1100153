"""The tables of the dead letters, beside those of the log (`schema`).

    letter        one row a letter, in the order of (position, id). `body` is the record as the log has it, or, of poison, a
                  checksum and its first bytes. `weight` is what it counts against the bounds, `from_ms` what its age counts
                  from: the paced time (`pace`), which no step of the wall clock moves
    letter_count  how many letters there are of each reason and what they weigh. Triggers count, so that it cannot differ
    receipt       what turns told: `body` is packed, `top` the last position in it, `until_ms` how long others may not have
                  heard of it
    turner        one row a process: what it told last. `behind_ms` is when its silence began, NULL while it has nothing to
                  tell. A goodbye is an `upto` of 0: its row stays for a while, so that its last turn is known when it
                  comes again
    post          one row: the place below which nothing waits, and the epoch that it is of

Times of `receipt` and `turner` are paced ones, too.
"""

from __future__ import annotations

LETTER_TABLES = """
CREATE TABLE letter (
    seq INTEGER NOT NULL, id TEXT NOT NULL, event_id TEXT, event_type TEXT, reason TEXT NOT NULL,
    description TEXT NOT NULL, published_ms INTEGER NOT NULL, dead_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL, original TEXT NOT NULL, maybe INTEGER NOT NULL, node TEXT NOT NULL, size INTEGER NOT NULL,
    source TEXT, sha TEXT NOT NULL, weight INTEGER NOT NULL, from_ms INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (seq, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX letter_id ON letter (id);
CREATE INDEX letter_channel ON letter (event_id, event_type, seq, id);
CREATE INDEX letter_reason ON letter (reason, seq, id, weight);
CREATE INDEX letter_from ON letter (from_ms, dead_ms);
CREATE TABLE letter_count (reason TEXT PRIMARY KEY, letters INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO letter_count VALUES ('no_subscriber', 0, 0), ('expired', 0, 0), ('poison', 0, 0);
CREATE TRIGGER letter_inserted AFTER INSERT ON letter BEGIN
    UPDATE letter_count SET letters = letters + 1, bytes = bytes + new.weight WHERE reason = new.reason;
END;
CREATE TRIGGER letter_deleted AFTER DELETE ON letter BEGIN
    UPDATE letter_count SET letters = letters - 1, bytes = bytes - old.weight WHERE reason = old.reason;
END;
CREATE TABLE receipt (
    n INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, start TEXT NOT NULL, top INTEGER NOT NULL,
    until_ms INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE turner (
    node TEXT NOT NULL, start TEXT NOT NULL, number INTEGER NOT NULL, through INTEGER NOT NULL, upto INTEGER,
    every_ms INTEGER NOT NULL, decides INTEGER NOT NULL, time_ms INTEGER NOT NULL, behind_ms INTEGER,
    PRIMARY KEY (node, start)
) WITHOUT ROWID;
CREATE TABLE post (
    one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT NOT NULL, decided INTEGER NOT NULL, said TEXT NOT NULL DEFAULT ''
);
"""

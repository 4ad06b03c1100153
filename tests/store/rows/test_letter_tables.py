"""The counts that triggers keep."""

from __future__ import annotations

import sqlite3

from fast_sse.store.rows.letter_tables import LETTER_TABLES

_INSERT = """
    INSERT OR IGNORE INTO letter (seq, id, reason, description, published_ms, dead_ms, first_ms, attempts, original, maybe,
        node, size, sha, weight, from_ms, body)
    VALUES (?, ?, ?, '', 0, 0, 0, 1, '', 0, '', 0, '', ?, 0, x'')
"""


def test_letters_are_counted_by_reason() -> None:
    """Each letter counts once with its weight, one that is there already does not, and one that goes counts no more."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(LETTER_TABLES)
    rows = [(1, "a", "expired", 10), (2, "b", "expired", 20), (2, "b", "expired", 20), (3, "p-", "poison", 5)]
    connection.executemany(_INSERT, rows)
    connection.execute("DELETE FROM letter WHERE seq = 1")
    counted = connection.execute("SELECT * FROM letter_count ORDER BY reason").fetchall()
    assert counted == [("expired", 1, 20), ("no_subscriber", 0, 0), ("poison", 1, 5)]
    connection.close()

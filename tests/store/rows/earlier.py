"""Logs that earlier versions left, kept as they were."""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

_FILES = Path(__file__).parent / "files"

#: What schema 2 made of a log of schema 1.
_SCHEMA_2 = "BEGIN; ALTER TABLE mark ADD COLUMN trimmed_ms INTEGER; PRAGMA user_version = 2; COMMIT;"


def unpack(version: int, directory: Path) -> None:
    """Put the log that the last version of a schema left into a directory.

    Member by member: `extractall` with a filter is younger than the Python 3.11 of Debian 12.
    """
    directory.mkdir(exist_ok=True)
    with tarfile.open(_FILES / f"sqlite-schema-{1 if version == 2 else version}.tar.gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            (directory / member.name).write_bytes(content.read())
    if version == 2:
        with closing(sqlite3.connect(directory / "log.db")) as connection:
            connection.executescript(_SCHEMA_2)

"""The sidecar `log.reserve`: a position that no record has reached yet, so that none is ever given twice.

Positions are reserved in blocks before they are used, and the reserve is always strictly above the newest. If
the log loses its tail (a flipped bit in the WAL makes SQLite drop it without an error, an old copy of the
database is put back), the next opening finds rows ending below the reserve: it numbers from above it and
records what lies between as lost, so that a cursor into it is told and not silently continued.

A sidecar that is missing, damaged, of another epoch or behind the rows proves nothing, and the log begins a
new epoch. Restoring a backup of the whole directory: leave `log.reserve` out.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from fast_sse.model.cursor import Position

#: Positions reserved at a time: one sidecar write of about a millisecond each.
BLOCK = 1 << 18


class Reserve:
    """The sidecar in one directory. Not thread-safe; every write is on disk when it returns."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "log.reserve"

    def read(self, epoch: str) -> Position | None:
        """The reserve of this epoch, None when the sidecar proves nothing about it."""
        try:
            text = self._path.read_bytes().decode("ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        body, _, check = text.rstrip("\n").rpartition(" ")
        words = body.split(" ")
        if check != _checksum(body) or len(words) != 3 or words[:2] != ["fast-sse-reserve-1", epoch]:
            return None
        return int(words[2])

    def write(self, epoch: str, position: Position) -> None:
        """Make `position` the reserve: on disk, whole or not at all. Raises OSError."""
        body = f"fast-sse-reserve-1 {epoch} {position}"
        temporary = self._path.with_suffix(".reserve.tmp")
        with open(temporary, "wb", opener=_private) as file:
            file.write(f"{body} {_checksum(body)}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._path)
        sync_directory(self._directory)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"

"""Logs that earlier versions left, kept as they were."""

from __future__ import annotations

import tarfile
from pathlib import Path

_FILES = Path(__file__).parent / "files"


def unpack_schema_1(directory: Path) -> None:
    """Put the log that the last version of schema 1 left into a directory.

    Member by member: `extractall` with a filter is younger than the Python 3.11 of Debian 12.
    """
    directory.mkdir(exist_ok=True)
    with tarfile.open(_FILES / "sqlite-schema-1.tar.gz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            assert content is not None
            (directory / member.name).write_bytes(content.read())

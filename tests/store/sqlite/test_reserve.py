"""The sidecar."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fast_sse.store.sqlite.reserve import Reserve

EPOCH = "0123456789abc"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The reserve is read back for its epoch, and a later one replaces it."""
    reserve = Reserve(tmp_path)
    assert reserve.read(EPOCH) is None
    reserve.write(EPOCH, 5)
    reserve.write(EPOCH, 2**62)
    assert Reserve(tmp_path).read(EPOCH) == 2**62
    assert reserve.read("another-epoch") is None
    assert [path.name for path in tmp_path.iterdir()] == ["log.reserve"]


def test_no_damage_is_believed(tmp_path: Path) -> None:
    """Cut anywhere, or with any one bit flipped, the sidecar proves nothing."""
    reserve = Reserve(tmp_path)
    reserve.write(EPOCH, 1234)
    path = tmp_path / "log.reserve"
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        assert reserve.read(EPOCH) is None, length
    for bit in range(8 * (len(whole) - 1)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert reserve.read(EPOCH) is None, bit


def test_the_file_is_on_disk_before_its_name_and_its_name_before_we_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fsync of the file, rename, fsync of the directory: in this order, or a power cut may leave none of both."""
    seen: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def watch_fsync(handle: int) -> None:
        seen.append("directory" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112
        fsync(handle)

    def watch_rename(path: Path, target: Path) -> Path:
        seen.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", watch_fsync)
    monkeypatch.setattr(Path, "rename", watch_rename)
    Reserve(tmp_path).write(EPOCH, 1)
    assert seen == ["file", "rename", "directory"]

"""Room for the day the disk is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from fast_sse.store.sqlite.ballast import Ballast


def test_the_room_is_really_held(tmp_path: Path) -> None:
    """The ballast is allocated, not sparse; taking it twice is taking it once; letting go frees it."""
    ballast = Ballast(tmp_path, 1 << 20)
    assert ballast.take()
    assert ballast.take()
    assert (tmp_path / "log.ballast").stat().st_blocks * 512 >= 1 << 20
    ballast.let_go()
    ballast.let_go()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["open", "posix_fallocate"])
def test_without_room_nothing_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """On a full disk `take` says so, and leaves no half-taken file behind."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, call, full)
    assert not Ballast(tmp_path, 1 << 20).take()
    assert list(tmp_path.iterdir()) == []


def test_it_is_not_taken_back_from_what_it_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken back only when as much is free beside it: otherwise a full disk would look healed, over and over."""
    ballast = Ballast(tmp_path, 1 << 20)

    def free(bytes_free: int) -> None:
        monkeypatch.setattr(
            os, "statvfs", lambda _: SimpleNamespace(f_bavail=bytes_free // 512, f_frsize=512)
        )

    free((2 << 20) - 512)
    assert not ballast.take_back()
    assert list(tmp_path.iterdir()) == []
    free(2 << 20)
    assert ballast.take_back()
    assert (tmp_path / "log.ballast").stat().st_size == 1 << 20


def test_a_file_that_cannot_be_removed_is_said_and_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An immutable file holds its room for ever: that is a line, not the end of the thread that wanted the room (EPERM)."""
    ballast = Ballast(tmp_path, 4096)
    assert ballast.take()

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refused)
    monkeypatch.setattr(os, "open", refused)
    ballast.let_go()
    assert "log.ballast cannot be removed" in caplog.text
    assert ballast.take(), "the room is held all the same"
    assert not Ballast(tmp_path, 8192).take()

"""Rules of `http.unix_socket`, on a real file system."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fast_sse.http.front.acknowledged import acknowledged_bytes
from fast_sse.http.front.unix_socket import UnixPlace, lock_of, look
from fast_sse.model.errors import ConfigError, UnavailableError

pytestmark = pytest.mark.wire

#: A process that holds the path and is killed.
HOLDER = """
import sys, time
from fast_sse.http.front.unix_socket import UnixPlace
place = UnixPlace(sys.argv[1], "host")
if sys.argv[2] == "listening":
    place.sock.listen()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A path that nobody has."""
    return str(tmp_path / "hub.sock")


@pytest.fixture
def place(path: str) -> Iterator[UnixPlace]:
    """One that we have."""
    place = UnixPlace(path, "host")
    yield place
    place.leave()
    place.sock.close()


def close(place: UnixPlace) -> None:
    """As a process that ends cleanly."""
    place.leave()
    place.sock.close()


def test_owner_and_group_may_connect(place: UnixPlace, path: str) -> None:
    """Whatever the umask, the mode is 0660; nobody else reaches the hub past its proxy."""
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o660
    close(place)
    before = os.umask(0o077)
    try:
        strict = UnixPlace(path, "host")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o660
    close(strict)


@pytest.mark.parametrize("state", ["bound", "listening"])
def test_a_path_is_held_while_its_process_lives_and_no_longer(state: str, path: str) -> None:
    """A hub that does not listen yet holds it like one that does; kill -9 leaves a socket that is replaced."""
    command = [sys.executable, "-c", HOLDER, path, state]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for refused in (UnixPlace, look):
            with pytest.raises(
                UnavailableError,
                match=f"^host: unix:{path} is already in use; stop what listens there, or set host$",
            ):
                refused(path, "host")
        holder.kill()
        holder.wait()
    leftover = Path(path).stat().st_ino
    look(path, "host")
    assert Path(path).stat().st_ino == leftover
    place = UnixPlace(path, "host")
    place.sock.listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    close(place)


def test_a_strangers_socket_that_lives_is_left_to_it(path: str) -> None:
    """One that listens, even with a full queue, or that is of another kind is in use, lock or no lock."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as stranger, socket.socket(socket.AF_UNIX) as client:
            stranger.bind(path)
            if kind == socket.SOCK_STREAM:
                stranger.listen(0)
                client.connect(path)  # one waits, and there is room for no other
            with pytest.raises(UnavailableError):
                UnixPlace(path, "host")
            assert stat.S_ISSOCK(Path(path).stat().st_mode)
        Path(path).unlink()


@pytest.mark.parametrize("what", ["file", "directory", "link"])
def test_what_is_no_socket_is_never_removed(what: str, path: str, tmp_path: Path) -> None:
    """A file, a directory or a link at the path ends the start by name, and stays."""
    there = Path(path)
    if what == "link":
        with socket.socket(socket.AF_UNIX) as leftover:
            leftover.bind(str(tmp_path / "elsewhere"))
        there.symlink_to(tmp_path / "elsewhere")
    else:
        there.touch() if what == "file" else there.mkdir()
    with pytest.raises(
        ConfigError, match=f"^host: {path} is there and is not a socket; remove it, or choose another path$"
    ):
        UnixPlace(path, "host")
    assert there.lstat()
    there.rmdir() if what == "directory" else there.unlink()
    close(UnixPlace(path, "host"))


def test_a_clean_end_removes_the_socket(place: UnixPlace, path: str) -> None:
    """The path is gone at once, and the lock is there for the next."""
    place.leave()
    assert not os.path.lexists(path)
    assert lock_of(path).exists()
    place.leave()
    close(UnixPlace(path, "host"))


def test_only_the_socket_that_was_made_here_is_removed(place: UnixPlace, path: str) -> None:
    """Whoever replaced it, by hand or otherwise, keeps theirs."""
    Path(path).unlink()
    Path(path).touch()
    place.leave()
    assert Path(path).is_file()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("none/hub.sock", "No such file or directory"),
        ("x" * 108, "at most 107 bytes"),
    ],
)
def test_an_impossible_path_is_a_wrong_setting(path: str, said: str, tmp_path: Path) -> None:
    """It never becomes possible by waiting."""
    place = str(tmp_path / path) if "/" in path else f"/{path[1:]}"
    for refused in (UnixPlace, look):
        with pytest.raises(ConfigError, match=said):
            refused(place, "host")


def test_a_look_leaves_no_trace(path: str, tmp_path: Path) -> None:
    """A doctor that runs as root must not leave a lock that the hub cannot open."""
    look(path, "host")
    assert list(tmp_path.iterdir()) == []


def test_the_kernel_is_not_asked_what_a_unix_peer_acknowledged(place: UnixPlace, path: str) -> None:
    """There is no TCP behind it: bytes that wait say nothing about a network."""
    place.sock.listen()
    place.sock.setblocking(True)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        accepted, _ = place.sock.accept()
        with accepted:
            accepted.sendall(b"x" * 1000)

            class Transport:
                def get_extra_info(self, _name: str) -> object:
                    return accepted

            assert acknowledged_bytes(Transport()) is None

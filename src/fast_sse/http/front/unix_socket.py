"""The path of a Unix socket: whose it is, and when one that is there may be replaced.

The file of a socket outlives its process. A connect to such a leftover is refused. But so is a connect to a hub that has
bound its path and does not listen yet. Hence a lock beside it, PATH.lock, which the kernel releases when the process
ends, however it ends. The file of the lock stays: if it were removed, two processes could hold locks on two files of one
name.

Only sockets are ever removed, and at the end only the socket that was made here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fast_sse.model.errors import ConfigError, UnavailableError

#: In front of a path, where a host may stand.
PREFIX: Final = "unix:"
#: Owner and group, which the proxy belongs to.
_MODE: Final = 0o660
#: Room for a path in struct sockaddr_un, without the zero at its end (unix(7)).
_PATH_BYTES_MAX: Final = 107
#: A lock that another holds or a full queue of connections, and a socket that listens.
_TAKEN: Final = (errno.EAGAIN, errno.EADDRINUSE)


class UnixPlace:
    """A path that is ours until `leave`; `sock` is bound to it and does not listen yet.

    `key` is the setting that errors name.

    Raises:
        UnavailableError: another process has it.
        ConfigError: no process could have it, or something that is not a socket stands there.
    """

    def __init__(self, path: str, key: str) -> None:
        self._path = Path(path)
        self._made: tuple[int, int] | None = None
        self._lock = -1
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _translated(self._path, key):
                self._lock = _locked(self._path, os.O_RDWR | os.O_CREAT)
                if _leftover(self._path, key):
                    self._path.unlink()
                self.sock.bind(path)
                self._made = _identity(self._path)
                self._path.chmod(_MODE)
                self.sock.setblocking(False)
        except BaseException:
            self.sock.close()
            self.leave()
            raise

    def leave(self) -> None:
        """Remove the socket's file and give the path to others; the socket itself is its user's to close."""
        if self._lock < 0:
            return
        with contextlib.suppress(OSError):  # gone, or its directory
            if self._made is not None and _identity(self._path) == self._made:
                self._path.unlink()
        os.close(self._lock)
        self._lock = -1


def look(path: str, key: str) -> None:
    """Raise what a hub of this user that were to listen there now would raise; leaves no trace."""
    place = Path(path)
    with _translated(place, key):
        with contextlib.suppress(FileNotFoundError):
            os.close(_locked(place, os.O_RDWR))
        _leftover(place, key)
        place.parent.stat()
        if not os.access(place.parent, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def lock_of(path: str) -> Path:
    """The file whose lock the holder of a path has."""
    return Path(f"{path}.lock")


def _locked(path: Path, flags: int) -> int:
    """A descriptor that holds the lock."""
    descriptor = os.open(lock_of(str(path)), flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _leftover(path: Path, key: str) -> bool:
    """Whether a socket without a listener stands there. Raises ConfigError or OSError for anything else that stands there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISSOCK(mode):
        raise ConfigError(key, f"{path} is there and is not a socket; remove it, or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a full queue of connections would hold us up
        answer = probe.connect_ex(str(path))
    if answer in (0, errno.EPROTOTYPE):  # alive, and of our kind or another
        answer = errno.EADDRINUSE
    if answer not in (errno.ECONNREFUSED, errno.ENOENT):
        raise OSError(answer, os.strerror(answer))
    return answer == errno.ECONNREFUSED


@contextlib.contextmanager
def _translated(path: Path, key: str) -> Iterator[None]:
    if len(os.fsencode(path)) > _PATH_BYTES_MAX:
        raise ConfigError(key, f"a path of a Unix socket must have at most {_PATH_BYTES_MAX} bytes")
    try:
        yield
    except OSError as error:
        if error.errno in _TAKEN:
            raise UnavailableError(
                f"{key}: {PREFIX}{path} is already in use; stop what listens there, or set {key}"
            ) from error
        about = f" ({error.filename})" if error.filename is not None else ""
        advice = "choose a path in a directory that the user of the hub can write to"
        raise ConfigError(
            key, f"cannot listen on {PREFIX}{path}: {error.strerror}{about}; {advice}"
        ) from error


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino

"""The sockets of one listener, bound before they listen, with the options that every accepted socket inherits (Linux).

The options are set once, so they cost nothing for each connection:

- TCP_NODELAY: an event is not held back to be joined with the next one;
- SO_KEEPALIVE 30/10/3: a peer that vanished is noticed after a minute of silence;
- TCP_USER_TIMEOUT: unacknowledged bytes, or a window that stays shut, end the connection in the kernel too;
- no SO_LINGER: with linger 0 a close is a reset, and the tail of the stream is dropped on the way.

With SO_REUSEPORT several processes of one user bind the same port, and the kernel gives each new connection to one of
those that listen (socket(7)). Every process must ask for it, so for a process of another user the port is still taken.

A name stands for all its addresses: a client tries them all, and on one that was left out it could meet the process of a
stranger. `localhost` means both loopback addresses, whatever a resolver says (RFC 6761 §6.3). Of several addresses,
those that this machine does not have are skipped. `unix:/path` is a Unix socket. It has none of these options and needs
none: its other end is on this machine, and the kernel reports at once when it is gone.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from fast_sse.http.front.unix_socket import PREFIX, UnixPlace
from fast_sse.model.errors import ConfigError, UnavailableError

_KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}
#: The kernel's choice of a port may be taken on a second address; so many choices are tried.
_CHOICES_MAX = 16
#: An address of a family that this machine has not, or has no such address of.
_NOT_HERE = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)

#: A family and an address in its form, as getaddrinfo gives them.
Place = tuple[int, Any]


class Listener:
    """The sockets of one listener; a context manager that closes them.

    Attributes:
        address: where it is reached, as HOST:PORT (an IPv6 address in brackets) or `unix:/path`; one of several.
    """

    def __init__(self, sockets: list[socket.socket], prefix: str, place: UnixPlace | None = None) -> None:
        self.sockets = sockets
        self.address = _address(sockets[0])
        self._prefix = prefix
        self._place = place
        self._servers: list[asyncio.Server] = []

    async def serve(
        self,
        factory: Callable[[], asyncio.BaseProtocol],
        *,
        backlog: int,
        tls: ssl.SSLContext | None = None,
        handshake_s: float | None = None,
    ) -> None:
        """Listen and accept on every socket. Raises UnavailableError when an address was taken after all."""
        loop = asyncio.get_running_loop()
        more: dict[str, Any] = {
            "backlog": backlog,
            "ssl": tls,
            "ssl_handshake_timeout": handshake_s if tls else None,
        }
        try:
            for sock in self.sockets:
                sock.listen(backlog)
            for sock in self.sockets:
                if sock.family == socket.AF_UNIX:
                    server = await loop.create_unix_server(factory, sock=sock, **more)
                else:
                    server = await loop.create_server(factory, sock=sock, **more)
                self._servers.append(server)
        except OSError as error:
            raise _in_use(self.address, self._prefix) from error

    def stop(self) -> None:
        """Take no more connections, and give up the path of a Unix socket. Idempotent."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._place is not None:
            self._place.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for sock in self.sockets:
            sock.close()


def bind(host: str, port: int, prefix: str, stall_ms: int, *, shared: bool = False) -> Listener:
    """Bind `host` and `port`, without listening yet. Errors name the settings `<prefix>host` and `<prefix>port`.

    `shared` lets other processes of the same user bind the port, too.

    Raises:
        UnavailableError: another process listens there.
        ConfigError: an address or a port that this process can never have.
    """
    if host.startswith(PREFIX):
        place = UnixPlace(host.removeprefix(PREFIX), f"{prefix}host")
        return Listener([place.sock], prefix, place)
    places = _places(host, port, prefix)
    choices = _CHOICES_MAX if port == 0 and len(places) > 1 else 1
    while True:
        choices -= 1
        try:
            return Listener(_bound(places, port, stall_ms, shared=shared), prefix)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not choices:
                raise _translated(error, host, port, prefix) from error


def _places(host: str, port: int, prefix: str) -> list[Place]:
    """All addresses of a host, each once; IPv4 first for `localhost`, since every machine has that one."""
    if host == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"{prefix}host", f"{host} is not a known address; set it to an address of this machine"
        ) from error
    return list(dict.fromkeys((family, place) for family, _, _, _, place in found))


def _bound(places: list[Place], port: int, stall_ms: int, *, shared: bool) -> list[socket.socket]:
    """A socket for each place, all on the port of the first; those that are not here only raise when no other is."""
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, place in places:
            try:
                sockets.append(_tcp_socket(family, (place[0], port, *place[2:]), stall_ms, shared=shared))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                absent = error
            else:
                port = sockets[-1].getsockname()[1]
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    if not sockets and absent is not None:
        raise absent
    return sockets


def _tcp_socket(family: int, place: Any, stall_ms: int, *, shared: bool) -> socket.socket:
    """One bound socket. Raises OSError."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stall_ms)
        for option, value in _KEEPALIVE.items():
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setblocking(False)
        sock.bind(place)
    except OSError:
        sock.close()
        raise
    return sock


def _address(sock: socket.socket) -> str:
    if sock.family == socket.AF_UNIX:
        return f"{PREFIX}{sock.getsockname()}"
    return _written(*sock.getsockname()[:2])


def _written(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _in_use(place: str, prefix: str) -> UnavailableError:
    """The error for an address that another process has."""
    key = f"{prefix}host" if place.startswith(PREFIX) else f"{prefix}port"
    return UnavailableError(f"{key}: {place} is already in use; stop what listens there, or set {key}")


def _translated(error: OSError, host: str, port: int, prefix: str) -> ConfigError | UnavailableError:
    place = _written(host, port)
    if error.errno == errno.EADDRINUSE:
        return _in_use(place, prefix)
    if error.errno == errno.EACCES:
        return ConfigError(
            f"{prefix}port", f"this user has no right to listen on {place}; choose a port above 1023"
        )
    advice = "set it to an address of this machine" if error.errno in _NOT_HERE else "choose another address"
    return ConfigError(f"{prefix}host", f"cannot listen on {place}: {error.strerror}; {advice}")

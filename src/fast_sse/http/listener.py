"""A bound socket that does not listen yet, with the options that every accepted socket inherits (Linux).

Set once here, they cost nothing per connection:

- TCP_NODELAY: an event is not held back to be joined with the next one;
- SO_KEEPALIVE 30/10/3: a peer that vanished is noticed after a minute of silence;
- TCP_USER_TIMEOUT: unacknowledged bytes, or a window that stays shut, end the connection in the kernel too;
- no SO_LINGER: with linger 0 a close is a reset, and the tail of the stream is dropped on the way.

With SO_REUSEPORT several processes of one user bind the same port, and the kernel gives each new connection to one of
those that listen (socket(7)). Every one of them must have asked for it, so a stranger still finds the port taken.
"""

from __future__ import annotations

import errno
import socket

from fast_sse.model.errors import ConfigError, UnavailableError

_KEEPALIVE = {socket.TCP_KEEPIDLE: 30, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 3}


def listening_socket(
    host: str, port: int, prefix: str, stall_ms: int, *, shared: bool = False
) -> socket.socket:
    """Bind `host` and `port`; the caller listens. Errors name the settings `<prefix>host` and `<prefix>port`.

    `shared` lets other processes of the same user bind the port, too.

    Raises:
        UnavailableError: somebody else listens there.
        ConfigError: an address or a port that this process can never have.
    """
    try:
        family, _, _, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{prefix}host", f"{host} is not a known address") from error
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
    except OSError as error:
        sock.close()
        raise _translated(error, host, port, prefix) from error
    return sock


def address(sock: socket.socket) -> str:
    """Where a socket is bound, as HOST:PORT, an IPv6 address in brackets."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def in_use(place: str, prefix: str) -> UnavailableError:
    """The one sentence for an address that somebody else has."""
    return UnavailableError(f"{prefix}port: {place} is already in use")


def _translated(error: OSError, host: str, port: int, prefix: str) -> ConfigError | UnavailableError:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return in_use(place, prefix)
    if error.errno == errno.EACCES:
        return ConfigError(f"{prefix}port", f"this user may not listen on {place}")
    return ConfigError(f"{prefix}host", f"cannot listen on {place}: {error.strerror}")

"""What the kernel knows about a peer that says nothing (Linux).

A peer behind a black hole, or one that never reads an idle channel, never fills the transport's buffer: the
kernel takes the few bytes of each heartbeat. Whether any of them arrive is in the socket: SIOCOUTQ counts the
bytes not yet acknowledged (tcp(7)), TCP_INFO those that were.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from typing import Any

# struct tcp_info, linux/tcp.h: tcpi_bytes_acked is the u64 at byte 120, since Linux 4.1.
_INFO_BYTES = 128
_BYTES_ACKED = struct.Struct("=120xQ")


def acknowledged_bytes(transport: Any) -> int | None:
    """Bytes that the peer has acknowledged so far; None when nothing is outstanding or the transport has no TCP socket."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return None
    try:
        fileno = sock.fileno()
        (outstanding,) = struct.unpack("i", fcntl.ioctl(fileno, termios.TIOCOUTQ, b"\0\0\0\0"))
        if not outstanding:
            return None
        return int(_BYTES_ACKED.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES))[0])
    except (
        OSError,
        ValueError,
    ):  # not a TCP socket, or closed (a descriptor of -1): connection_lost tells that story
        return None

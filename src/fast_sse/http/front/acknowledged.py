"""What the kernel knows about a peer that is silent (Linux).

A peer behind a black hole, or one that never reads an idle channel, never fills the transport's buffer: the kernel
takes the few bytes of each heartbeat. The socket knows whether any of them arrive: SIOCOUTQ counts the bytes that are
not acknowledged yet (tcp(7)), and TCP_INFO those that are.
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
    ):  # not a TCP socket, or a closed one (descriptor -1): connection_lost follows
        return None

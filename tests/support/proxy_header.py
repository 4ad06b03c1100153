"""Headers of the PROXY protocol as proxies write them."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21


def v1(source: str, port: int, target: str = "", target_port: int = 443) -> bytes:
    """The line of version 1."""
    family = ip_address(source).version
    target = target or ("192.0.2.1" if family == 4 else "2001:db8::1")
    return f"PROXY TCP{family} {source} {target} {port} {target_port}\r\n".encode()


def v2(source: str, port: int, tlvs: bytes = b"") -> bytes:
    """The header of version 2 for a TCP client."""
    if ip_address(source).version == 4:
        family, pack, target = 0x11, socket.AF_INET, "192.0.2.1"
    else:
        family, pack, target = 0x21, socket.AF_INET6, "2001:db8::1"
    addresses = (
        socket.inet_pton(pack, source) + socket.inet_pton(pack, target) + struct.pack("!HH", port, 443)
    )
    return raw_v2(PROXY, family, addresses + tlvs)


def local(tlvs: bytes = b"") -> bytes:
    """A proxy that speaks for itself."""
    return raw_v2(LOCAL, 0x00, tlvs)


def raw_v2(command: int, family: int, rest: bytes) -> bytes:
    """Any header of version 2, right or wrong."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(rest)) + rest

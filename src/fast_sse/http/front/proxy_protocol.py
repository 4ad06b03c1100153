"""The header of the PROXY protocol, version 1 and 2. It names the client of a proxy before the first byte of HTTP.

A pure function of the bytes that have come so far: it returns the header, asks for more bytes, or refuses. It never reads
behind the header, where HTTP begins. Whether the sender is trusted is not decided here.
https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, sections 2.1 and 2.2.

    version 1   PROXY TCP4 203.0.113.7 192.0.2.1 51443 443\\r\\n      a line of at most 107 bytes, UNKNOWN without addresses
    version 2   signature (12), version and command, family, length (2), addresses, TLVs

LOCAL (the proxy speaks for itself, as in a health check) and UNKNOWN name no client: then the peer is the client. The same
holds for a client that reached the proxy through a Unix socket. TLVs hold nothing that is needed here and are skipped.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from fast_sse.http.addresses import Address, parse_address

V1_BYTES_MAX: Final = 107
#: Of a whole header of version 2. The addresses take 52; the rest is room for TLVs, such as a certificate's name.
V2_BYTES_MAX: Final = 1024

_V1_START: Final = b"PROXY "
_V2_START: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED: Final = 16
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?").fullmatch
_V1_KNOWN: Final = re.compile(
    rb"PROXY TCP(?P<family>[46]) (?P<source>[0-9A-Fa-f.:]+) (?P<target>[0-9A-Fa-f.:]+) "
    rb"(?P<port>0|[1-9][0-9]{0,4}) (?P<target_port>0|[1-9][0-9]{0,4})"
).fullmatch
_PORT_MAX: Final = 65_535

_LOCAL, _PROXY = 0x20, 0x21  # version 2, and its two commands
#: Family and transport to the bytes that the addresses take; a stream is all that can arrive here.
_ADDRESS_BYTES: Final = {0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216}


class ProxyHeaderError(ValueError):
    """What came is no header of the PROXY protocol."""


class ProxyHeader(NamedTuple):
    """A complete header.

    Attributes:
        source: address and port of the client; None where the peer itself is meant.
        length: its bytes; HTTP begins behind them.
    """

    source: tuple[str, int] | None
    length: int


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header at the start of `data`; None while it is not complete. Raises ProxyHeaderError as early as possible."""
    if data[:1] == _V2_START[:1]:
        return _read_v2(data)
    if not (data.startswith(_V1_START) or _V1_START.startswith(data)):
        raise ProxyHeaderError("the connection does not begin with a PROXY header")
    end = data.find(b"\r\n", 0, V1_BYTES_MAX)
    if end >= 0:
        return ProxyHeader(_v1_source(data[:end]), end + 2)
    if len(data) >= V1_BYTES_MAX:
        raise ProxyHeaderError(f"the PROXY line is longer than {V1_BYTES_MAX} bytes")
    return None


def _v1_source(line: bytes) -> tuple[str, int] | None:
    if _V1_UNKNOWN(line) is not None:
        return None
    found = _V1_KNOWN(line)
    if found is None:
        raise ProxyHeaderError("the PROXY line is malformed")
    kind = IPv4Address if found["family"] == b"4" else IPv6Address
    port = int(found["port"])
    try:
        source, _ = kind(found["source"].decode()), kind(found["target"].decode())
    except ValueError as error:
        raise ProxyHeaderError("the PROXY line has no addresses of its family") from error
    if max(port, int(found["target_port"])) > _PORT_MAX:
        raise ProxyHeaderError("the PROXY line has a port above 65535")
    return _spelt(source, port)


def _read_v2(data: bytes) -> ProxyHeader | None:
    if not (data.startswith(_V2_START) or _V2_START.startswith(data)):
        raise ProxyHeaderError("the connection does not begin with a PROXY header")
    if len(data) < _V2_FIXED:
        return None
    command, family = data[12], data[13]
    length = _V2_FIXED + int.from_bytes(data[14:16])
    if command not in (_LOCAL, _PROXY):
        raise ProxyHeaderError("the PROXY header is of another version or has another command")
    if length > V2_BYTES_MAX:
        raise ProxyHeaderError(f"the PROXY header is longer than {V2_BYTES_MAX} bytes")
    if command == _PROXY and length - _V2_FIXED < _ADDRESS_BYTES.get(family, V2_BYTES_MAX):
        raise ProxyHeaderError("the PROXY header is too short for its family, or its family has no streams")
    if len(data) < length:
        return None
    return ProxyHeader(_v2_source(data, family) if command == _PROXY else None, length)


def _v2_source(data: bytes, family: int) -> tuple[str, int] | None:
    if family == 0x11:
        return _spelt(IPv4Address(data[16:20]), int.from_bytes(data[24:26]))
    if family == 0x21:
        return _spelt(IPv6Address(data[16:32]), int.from_bytes(data[48:50]))
    return None


def _spelt(source: Address, port: int) -> tuple[str, int]:
    """Address and port, spelt as a socket of the client's own family spells them."""
    return str(parse_address(str(source))), port

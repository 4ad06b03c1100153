"""Rules of `http.proxy_protocol`, against the protocol's text."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support import proxy_header

from fast_sse.http.front.proxy_protocol import (
    V1_BYTES_MAX,
    V2_BYTES_MAX,
    ProxyHeader,
    ProxyHeaderError,
    read_proxy_header,
)

ADDRESSES = st.ip_addresses()
PORTS = st.integers(0, 65_535)
TLVS = st.binary(max_size=V2_BYTES_MAX - 52)
UNKNOWN = b"PROXY UNKNOWN\r\n"

HEADERS = st.one_of(
    st.builds(lambda source, port: proxy_header.v1(str(source), port), ADDRESSES, PORTS),
    st.builds(lambda source, port, tlvs: proxy_header.v2(str(source), port, tlvs), ADDRESSES, PORTS, TLVS),
    st.builds(proxy_header.local, TLVS),
    st.just(UNKNOWN),
)


def told(address: IPv4Address | IPv6Address) -> str:
    """As an address is told: what stands for an IPv4 one is that."""
    return str((address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address)


@given(address=ADDRESSES, port=PORTS, tlvs=TLVS, behind=st.binary())
@example(address=IPv6Address("::ffff:203.0.113.7"), port=1, tlvs=b"", behind=b"")
def test_both_versions_tell_who_the_client_is(
    address: IPv4Address | IPv6Address, port: int, tlvs: bytes, behind: bytes
) -> None:
    """Address and port come back as they were sent, whatever TLVs are there, and the length is the header's own."""
    for header in (proxy_header.v1(str(address), port), proxy_header.v2(str(address), port, tlvs)):
        assert read_proxy_header(header + behind) == ProxyHeader((told(address), port), len(header))


@given(header=HEADERS, behind=st.binary())
def test_a_header_is_found_wherever_the_network_cuts_it(header: bytes, behind: bytes) -> None:
    """Every piece asks for more until the last byte; what is behind changes nothing, and is never counted."""
    for cut in range(len(header)):
        assert read_proxy_header(header[:cut]) is None
    found = read_proxy_header(header)
    assert found is not None
    assert found.length == len(header)
    assert read_proxy_header(header + behind) == found


@given(data=st.one_of(st.binary(max_size=2048), st.builds(bytes.__add__, HEADERS, st.binary())), at=st.integers(0, 60),
       other=st.integers(0, 255))  # fmt: skip
@example(data=b"GET / HTTP/1.1\r\n", at=0, other=71)
@example(data=b"\x16\x03\x01", at=0, other=22)
def test_garbage_is_refused_or_bounded(data: bytes, at: int, other: int) -> None:
    """Whatever comes: an answer within its bound, a refusal that more bytes do not undo, or a wait that they end."""
    data = data[:at] + bytes([other]) + data[at + 1 :]
    answers: list[ProxyHeader | str | None] = []
    for end in range(1, len(data) + 1):
        try:
            answers.append(read_proxy_header(data[:end]))
        except ProxyHeaderError:
            answers.append("refused")
        if answers[-1] is not None:
            break
    else:
        assert len(data) < V2_BYTES_MAX
        return
    final = answers[-1]
    if isinstance(final, ProxyHeader):
        assert final.length == len(answers) <= V2_BYTES_MAX
        assert read_proxy_header(data) == final
    else:
        with pytest.raises(ProxyHeaderError):
            read_proxy_header(data)


@pytest.mark.parametrize("start", [b"G", b"PROXY\t", b"PROXYX", b"\r\n\r\n\x01", b"\n", b"\x16\x03\x01"])
def test_what_cannot_become_a_header_is_refused_at_once(start: bytes) -> None:
    """A client that speaks HTTP or TLS to such a listener does not wait for a deadline."""
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(start)


@pytest.mark.parametrize(
    "line",
    [
        *("PROXY", "PROXY ", "PROXY TCP4", "PROXY UDP4 192.0.2.7 192.0.2.1 1 2", "PROXY TCP5 192.0.2.7 192.0.2.1 1 2"),
        *("PROXY TCP4  192.0.2.7 192.0.2.1 1 2", "PROXY TCP4 192.0.2.7 192.0.2.1 1 2 ", "PROXY TCP4 192.0.2.7 192.0.2.1 1"),
        *("PROXY TCP4 192.0.2.7 192.0.2.1 65536 2", "PROXY TCP4 192.0.2.7 192.0.2.1 1 99999"),
        *("PROXY TCP4 192.0.2.7 192.0.2.1 01 2", "PROXY TCP4 192.0.2.7 192.0.2.1 -1 2"),
        *("PROXY TCP4 192.0.2.07 192.0.2.1 1 2", "PROXY TCP4 192.0.2 192.0.2.1 1 2", "PROXY TCP4 ::1 ::1 1 2"),
        *("PROXY TCP6 192.0.2.7 192.0.2.1 1 2", "PROXY TCP6 fe80::1%eth0 ::1 1 2", "PROXY TCP4 192.0.2.7 nobody 1 2"),
        *("proxy TCP4 192.0.2.7 192.0.2.1 1 2", "PROXY unknown", "PROXY UNKNOWNS", "PROXY UNKNOWN\rx"),
    ],
)  # fmt: skip
def test_a_line_that_is_not_exactly_right_is_refused(line: str) -> None:
    """Nothing is guessed: another reader of the same line might guess otherwise."""
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(line.encode() + b"\r\n")


@pytest.mark.parametrize("rest", [b"", b" ", b" 192.0.2.7 192.0.2.1 1 2", b" ffff::1 \xff\x00 nonsense"])
def test_unknown_is_the_peer_itself(rest: bytes) -> None:
    """Whatever else stands in that line is not looked at (section 2.1)."""
    line = b"PROXY UNKNOWN" + rest + b"\r\n"
    assert read_proxy_header(line + b"GET") == ProxyHeader(None, len(line))


def test_the_bounds_of_a_line() -> None:
    """107 bytes with the line end are the longest line; one more is refused without waiting for its end."""
    longest = b"PROXY UNKNOWN " + b"x" * (V1_BYTES_MAX - 16) + b"\r\n"
    assert len(longest) == 107
    assert read_proxy_header(longest) == ProxyHeader(None, 107)
    for longer in (longest[:-2] + b"x\r\n", longest[:-2] + b"xx"):
        with pytest.raises(ProxyHeaderError, match="longer"):
            read_proxy_header(longer)


def test_the_bounds_of_version_2() -> None:
    """A length above the bound is refused from the first 16 bytes, before any of it is kept."""
    longest = proxy_header.local(bytes(V2_BYTES_MAX - 16))
    assert read_proxy_header(longest) == ProxyHeader(None, V2_BYTES_MAX)
    with pytest.raises(ProxyHeaderError, match="longer"):
        read_proxy_header(proxy_header.local(bytes(V2_BYTES_MAX - 15))[:16])


@pytest.mark.parametrize("family", [0x00, 0x11, 0x21, 0x31, 0xFF])
@pytest.mark.parametrize("length", [0, 12, 300])
def test_local_is_the_peer_itself(family: int, length: int) -> None:
    """The receiver must ignore family and addresses then (section 2.2)."""
    header = proxy_header.raw_v2(proxy_header.LOCAL, family, bytes(length))
    assert read_proxy_header(header + b"GET") == ProxyHeader(None, 16 + length)


@pytest.mark.parametrize(("family", "length"), [(0x00, 0), (0x00, 40), (0x31, 216), (0x31, 300)])
def test_a_client_without_an_address_is_the_peer_itself(family: int, length: int) -> None:
    """One whose family is not told, or that came through a Unix socket of the proxy."""
    header = proxy_header.raw_v2(proxy_header.PROXY, family, bytes(length))
    assert read_proxy_header(header) == ProxyHeader(None, 16 + length)


@pytest.mark.parametrize(
    ("command", "family", "length"),
    [
        (0x11, 0x11, 12), (0x22, 0x11, 12), (0x2F, 0x11, 12), (0x31, 0x11, 12),
        (0x21, 0x11, 11), (0x21, 0x21, 35), (0x21, 0x31, 215),
        (0x21, 0x12, 12), (0x21, 0x22, 36), (0x21, 0x32, 216), (0x21, 0x41, 300),
    ],
)  # fmt: skip
def test_a_header_of_version_2_that_makes_no_sense_is_refused(command: int, family: int, length: int) -> None:
    """Another version, an unknown command, too few bytes for the family, a family that is no stream."""
    with pytest.raises(ProxyHeaderError):
        read_proxy_header(proxy_header.raw_v2(command, family, bytes(length)))

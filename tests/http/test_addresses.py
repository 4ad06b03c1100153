"""Rules of `http.addresses`: what is the same machine, however it is written."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fast_sse.http.addresses import UNIX, Address, Trusted, fixed_bits, group, parse_address, parse_hop

ADDRESSES = st.ip_addresses()
PORTS = st.integers(0, 65_535)
ZONES = st.text(st.characters(codec="utf-8", exclude_characters="[]%"), min_size=1)
MAPPED = ip_network("::ffff:0:0/96")


def plain(address: Address) -> Address:
    """The address itself; what stands for an IPv4 one is that."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def mapped(address: IPv4Address) -> IPv6Address:
    """As a dual-stack socket calls it."""
    return IPv6Address(0xFFFF << 32 | int(address))


@given(address=ADDRESSES, port=PORTS, zone=ZONES)
@example(address=IPv6Address("::ffff:203.0.113.7"), port=1, zone="eth0")
def test_every_spelling_is_the_same_address(address: Address, port: int, zone: str) -> None:
    """Long, short, upper case, mapped, with a zone, in brackets or with a port: one address."""
    found = {parse_address(str(address)), parse_hop(f" {address}\t")}
    if isinstance(address, IPv4Address):
        found |= {parse_hop(f"{address}:{port}"), parse_address(str(mapped(address)))}
        found |= {parse_address(f"::ffff:{address}"), parse_hop(f"[::FFFF:{address}]:{port}")}
    else:
        found |= {parse_address(address.exploded), parse_address(str(address).upper())}
        found |= {parse_address(f"{address}%{zone}"), parse_hop(f"[{address}%{zone}]")}
        found |= {parse_hop(f"[{address}]"), parse_hop(f"[{address}]:{port}")}
    assert found == {plain(address)}


@given(text=st.text(st.sampled_from("0123456789abcdefx.:[]%/ ")))
def test_what_is_taken_is_an_address(text: str) -> None:
    """Whatever a hop is read as, its spelling in full is read as the same; everything else is None."""
    found = parse_hop(text)
    if found is not None:
        assert parse_hop(str(found)) == found == parse_address(str(found))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "unknown",
            "_hidden",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:123456",
            "[1.2.3.4]:80",
        ),
        *(
            "[::1",
            "::1]",
            "[::1]:",
            "[::1]x",
            "[]",
            "fe80::1%",
            "1.2.3.4%eth0",
            "1.2.3.4/8",
            "٢.1.1.1",
            "unix",
        ),
    ],
)
def test_no_address_is_none(text: str) -> None:
    """What is not clearly an address is not taken for one."""
    assert parse_hop(text) is None


def test_nginx_on_a_unix_socket_is_a_hop() -> None:
    """Its `$remote_addr` is `unix:`."""
    assert parse_hop(" unix:") == UNIX


@given(address=ADDRESSES, bits=st.integers(0, 32), seed=st.integers(0, 2**32))
def test_a_network_holds_what_it_holds_in_any_spelling(address: Address, bits: int, seed: int) -> None:
    """A network and its mapped form trust the same addresses, as the standard library counts them."""
    base = plain(address)
    bits = bits if base.version == 4 else 4 * bits
    free = base.max_prefixlen - bits
    start = type(base)(int(base) >> free << free)
    network = ip_network(f"{start}/{bits}")
    chance = random.Random(seed)
    other = type(base)(int(base) ^ chance.getrandbits(chance.randint(1, base.max_prefixlen)))
    forms = [Trusted([network])]
    if isinstance(start, IPv4Address):
        forms.append(Trusted([IPv6Network((int(mapped(start)), 96 + bits))]))
    for trusted in forms:
        assert base in trusted
        assert (other in trusted) == (other in network)


def test_a_network_of_everything_holds_everything() -> None:
    """`::/0` holds IPv4 as well: on a dual-stack socket that is what it always meant."""
    assert ip_address("192.0.2.1") in Trusted([ip_network("::/0")])
    assert ip_address("2001:db8::1") not in Trusted([ip_network("0.0.0.0/0"), MAPPED])


def test_a_unix_socket_is_trusted_only_by_name() -> None:
    """No network holds it, and its name holds no address."""
    assert UNIX not in Trusted([ip_network("::/0")])
    assert UNIX in Trusted([UNIX])
    assert ip_address("127.0.0.1") not in Trusted([UNIX])
    assert None not in Trusted([UNIX, ip_network("::/0")])
    assert Trusted([UNIX])
    assert not Trusted()


@given(address=st.ip_addresses(v=6), other=st.integers(0, 2**64 - 1))
def test_ipv6_clients_are_counted_by_their_64(address: IPv6Address, other: int) -> None:
    """Any two addresses of one /64 are one client; one of the next /64 is another."""
    neighbour = IPv6Address(int(address) >> 64 << 64 | other)
    stranger = IPv6Address(int(address) ^ 1 << 64)
    assert group(address) == group(neighbour) != group(stranger)


@pytest.mark.parametrize(
    ("network", "bits"),
    [("10.0.0.0/8", 8), ("::ffff:10.0.0.0/104", 8), ("::ffff:0:0/96", 0), ("::/0", 0), ("2001:db8::/32", 32)],
)
def test_how_wide_a_network_is(network: str, bits: int) -> None:
    """A mapped network is as wide as the IPv4 network that it is."""
    assert fixed_bits(ip_network(network)) == bits

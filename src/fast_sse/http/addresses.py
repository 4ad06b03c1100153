"""Addresses as numbers, because one machine has many spellings. Pure.

A dual-stack socket calls an IPv4 client `::ffff:203.0.113.7`. Some proxies write a port behind the address and brackets
around it. A zone (`fe80::1%eth0`) is a name that only its writer knows. Compared as texts these would be different
machines: a trusted proxy would not be recognised, and all clients behind it would count as one. So every address is a
number. An IPv4 address lies in the range that IPv6 keeps for it (RFC 4291 §2.5.5.2), and a zone is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, Literal

Address = IPv4Address | IPv6Address
#: A peer that came through a Unix socket: it has no address.
Unix = Literal["unix"]
UNIX: Final = "unix"
#: A proxy that may be trusted to name the client.
Proxy = IPv4Network | IPv6Network | Unix

_MAPPED: Final = 0xFFFF << 32
_MAPPED_BITS: Final = 96
# An address in brackets with or without a port, or an IPv4 address with one.
_BRACKETED: Final = re.compile(r"\[([^\[\]]+)\](?::[0-9]{1,5})?").fullmatch
_WITH_PORT: Final = re.compile(r"([0-9.]+):[0-9]{1,5}").fullmatch


def parse_address(text: str) -> Address | None:
    """The address that a text is; None for any other text. A mapped IPv4 address is that IPv4 address."""
    try:
        if ":" not in text:
            return IPv4Address(text)
        number, percent, zone = text.partition("%")
        found = IPv6Address(number)
    except ValueError:
        return None
    if percent and not zone:
        return None
    return found.ipv4_mapped or found


def parse_hop(text: str) -> Address | Unix | None:
    """One element of X-Forwarded-For: an address, perhaps with brackets and a port, or what nginx calls a Unix socket."""
    text = text.strip()
    if text == "unix:":
        return UNIX
    if (found := _WITH_PORT(text)) is not None:
        return parse_address(found[1])
    if (found := _BRACKETED(text)) is not None:
        address = parse_address(found[1])
        return address if ":" in found[1] else None
    return parse_address(text)


class Trusted:
    """The trusted proxies: `address in trusted`. False when there are none."""

    __slots__ = ("_networks", "_unix")

    def __init__(self, proxies: Iterable[Proxy] = ()) -> None:
        named = frozenset(proxies)
        self._unix = UNIX in named
        self._networks = [_range(proxy) for proxy in named if not isinstance(proxy, str)]

    def __bool__(self) -> bool:
        return self._unix or bool(self._networks)

    def __contains__(self, address: Address | Unix | None) -> bool:
        if address is None or isinstance(address, str):
            return address is not None and self._unix
        number = _number(address)
        return any(number & mask == base for base, mask in self._networks)


def group(address: Address) -> str:
    """What a client is counted by: an IPv6 client by its /64, which is what a provider gives to one customer."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def fixed_bits(network: IPv4Network | IPv6Network) -> int:
    """How many bits of an address a network fixes: of an IPv4 address, where the network holds no other kind."""
    base, mask = _range(network)
    bits = mask.bit_count()
    return bits - _MAPPED_BITS if bits >= _MAPPED_BITS and base >> 32 == _MAPPED >> 32 else bits


def _number(address: Address) -> int:
    return int(address) | _MAPPED if isinstance(address, IPv4Address) else int(address)


def _range(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    """The first number of a network, and the mask of the bits that all its numbers share."""
    bits = network.prefixlen + (_MAPPED_BITS if isinstance(network, IPv4Network) else 0)
    return _number(network.network_address), (1 << 128) - (1 << (128 - bits))

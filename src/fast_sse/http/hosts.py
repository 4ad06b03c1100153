"""Whether a request that names a Host means this listener: the answer to DNS rebinding (CWE-350).

A browser that a page's own name leads to 127.0.0.1 takes us for that page's origin, and lets it read what we answer. It
still sends that name as the Host, so whoever must not be read by strangers answers to names of its own only. An address
is always one: no page has an address as its name but the one that is served there.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address


def is_ours(host: str, names: Collection[str]) -> bool:
    """Whether a Host header, its port left out, is `localhost`, an address, or one of `names` (lower case)."""
    name, separator, port = host.rpartition(":")
    if not separator or not port.isdecimal():
        name = host
    name = name.lower()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if name == "localhost" or (name and name in names):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True

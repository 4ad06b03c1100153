"""Whether the Host of a request is one of our own names: the defence against DNS rebinding (CWE-350).

A page can make its own name resolve to 127.0.0.1. The browser then takes our listener for the origin of that page, and
lets the page read our answers. The browser still sends the page's name as the Host. So an answer that strangers must
not read is given only under our own names. An address is always one of them: a page whose name is that address is served
by this listener.
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

"""Who a request comes from, and how much one client may do.

Behind a proxy every connection comes from the proxy. `X-Forwarded-For` is believed only as far as each hop is a
trusted proxy, read from the right: what a client wrote into it itself stands left of the first hop that is not
trusted (CWE-348). IPv6 clients are counted by their /64, which is what one subscriber of a provider gets.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from fast_sse.http.message import Request
from fast_sse.model.errors import RateLimitedError

Network = IPv4Network | IPv6Network

#: Clients whose publish rate is remembered; the longest unseen one is forgotten first.
CLIENTS_MAX = 65_536


class Clients:
    """Addresses, publish rates and open streams of clients.

    Args:
        trusted: networks of the proxies whose X-Forwarded-For is believed.
        publish_rate: messages a second and client, bursts of one second; 0 for no limit.
        streams_max: open streams of one client; 0 for no limit.
    """

    def __init__(
        self, trusted: Sequence[Network] = (), publish_rate: float = 0, streams_max: int = 0
    ) -> None:
        self._trusted = tuple(trusted)
        self._rate = publish_rate
        self._streams_max = streams_max
        self._streams: Counter[str] = Counter()
        #: Client -> (messages it may still publish, as of when).
        self._allowances: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def counts_streams(self) -> bool:
        """Whether open streams are limited by client."""
        return self._streams_max > 0

    def address(self, request: Request) -> str:
        """The client that a request is counted for."""
        if not self._trusted:
            return _group(request.peer)
        hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
        address = request.peer
        while self._is_trusted(address) and hops and _is_address(hops[-1]):
            address = hops.pop()
        return _group(address)

    def _is_trusted(self, address: str) -> bool:
        if not _is_address(address):
            return False
        parsed = ip_address(address)
        return any(parsed in network for network in self._trusted)

    def charge(self, request: Request, messages: int, now_s: float) -> None:
        """Count messages about to be published.

        Raises:
            RateLimitedError: more than the client's rate; nothing was stored. Retry-After says when there is room.
        """
        if not self._rate:
            return
        address = self.address(request)
        burst = max(1.0, self._rate)
        left, since_s = self._allowances.pop(address, (burst, now_s))
        left = min(burst, left + max(0.0, now_s - since_s) * self._rate)
        # A batch larger than the burst passes when the allowance is full, and is paid off afterwards.
        passes = left >= min(messages, burst)
        self._allowances[address] = (left - messages if passes else left, now_s)
        if len(self._allowances) > CLIENTS_MAX:
            self._allowances.popitem(last=False)
        if not passes:
            wait_s = (min(messages, burst) - left) / self._rate
            raise RateLimitedError("too many messages a second", retry_after_s=max(1, math.ceil(wait_s)))

    def has_room(self, address: str) -> bool:
        """Whether the client may open one more stream."""
        return not self._streams_max or self._streams[address] < self._streams_max

    def opened(self, address: str) -> None:
        """A stream of the client began."""
        self._streams[address] += 1

    def closed(self, address: str) -> None:
        """A stream of the client ended."""
        self._streams[address] -= 1
        if self._streams[address] <= 0:
            del self._streams[address]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _group(address: str) -> str:
    if ":" not in address or not _is_address(address):
        return address
    parsed = ip_address(address)
    assert isinstance(parsed, IPv6Address)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((int(parsed) >> 64 << 64, 64)))

"""Who a request comes from, and how much one client may do.

Behind a proxy every connection comes from the proxy. `X-Forwarded-For` is read from the right, and believed only as far as
each hop is a trusted proxy: what a client wrote into it itself stands left of the first hop that is not trusted
(CWE-348). `addresses.py` reads the addresses.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable

from fast_sse.http.addresses import UNIX, Address, Proxy, Trusted, Unix, group, parse_address, parse_hop
from fast_sse.http.message import Request
from fast_sse.model.errors import RateLimitedError

#: Clients whose publish rate is remembered. Over it, the client that published longest ago is forgotten.
CLIENTS_MAX = 65_536


class Clients:
    """Addresses, publish rates and open streams of clients.

    Args:
        trusted: the proxies whose X-Forwarded-For is believed; `unix` for those that come through a Unix socket.
        publish_rate: messages a second and client, bursts of one second; 0 for no limit.
        streams_max: open streams of one client; 0 for no limit.

    Attributes:
        counts_messages: whether there is a publish rate.
        counts_streams: whether open streams are limited by client.
    """

    def __init__(self, trusted: Iterable[Proxy] = (), publish_rate: float = 0, streams_max: int = 0) -> None:
        self.counts_messages, self.counts_streams = publish_rate > 0, streams_max > 0
        self._trusted = Trusted(trusted)
        self._rate = publish_rate
        self._streams_max = streams_max
        self._streams: Counter[str] = Counter()
        #: Client -> (messages it may still publish, as of when).
        self._allowances: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def address(self, request: Request) -> str:
        """The client that a request is counted for. Empty for every peer of a Unix socket that no proxy speaks for."""
        peer = request.peer
        if not self._trusted and ":" not in peer:  # as the kernel writes it
            return peer
        at: Address | Unix | None = parse_address(peer) if peer else UNIX
        client, hops = at, request.headers.get("x-forwarded-for", "").split(",")
        while at in self._trusted and hops and (hop := parse_hop(hops.pop())) is not None:
            at = hop
            if not isinstance(hop, str):
                client = hop
        return peer if client is None or isinstance(client, str) else group(client)

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
            raise RateLimitedError(
                "over the limit of messages a second; wait for Retry-After",
                retry_after_s=max(1, math.ceil(wait_s)),
            )

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

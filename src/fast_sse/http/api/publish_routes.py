"""What the publish routes share: the hub, the limits, the clients, the clock, and the words of a 2xx.

A 2xx names the durability that the store has at that moment (guarantee G1). A store in a server of its own has another
one after a failover, so the store is asked for every answer; the text that follows from its word is made once a word.
"""

from __future__ import annotations

from collections.abc import Callable

from fast_sse.http.api.clients import Clients
from fast_sse.http.api.drafting import Drafting
from fast_sse.http.api.later import Later
from fast_sse.hub.hub import Hub
from fast_sse.model.limits import Limits

#: How an answer about a stored message ends, behind its id: by whether it was a duplicate.
Tails = dict[bool, bytes]


class PublishRoutes:
    """A set of publish routes."""

    def __init__(
        self,
        hub: Hub,
        limits: Limits,
        clients: Clients,
        now: Callable[[], float],
        drafting: Drafting,
        later: Later,
    ) -> None:
        self._hub = hub
        self._store = hub.store
        self._limits = limits
        self._clients = clients
        self._now = now
        self._drafting = drafting
        self._later = later
        self._durability = ""
        self._tails: Tails = {}

    def _renewed(self, durability: str) -> Tails:
        """The endings for another word of the store.

        An answer takes `_tails` without a call while the store's word is the same object, which it is until it changes.
        """
        self._durability = durability
        self._tails = {
            duplicate: b'","durability":"%b","duplicate":%b}'
            % (durability.encode(), b"true" if duplicate else b"false")
            for duplicate in (False, True)
        }
        return self._tails

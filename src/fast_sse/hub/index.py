"""Which live sets a record belongs to: matching by dictionary, so that its cost does not grow with the number of filters.

An exact record looks up its four patterns `(id,type) (id,*) (*,type) (*,*)`, with the lists registered under them; a
wildcard record goes to the live sets by id, by type, or to all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fast_sse.hub.form import Form
from fast_sse.hub.frames import PAYLOAD
from fast_sse.hub.live_set import LiveSet
from fast_sse.model.channel import WILDCARD, Channel, Filter


class Index:
    """The live sets of a node.

    Attributes:
        sets: all of them by filter and form; only `add` and `remove` change it.
        packed: how many of them are written packed envelopes.
    """

    __slots__ = ("_by_id", "_by_pattern", "_by_type", "packed", "sets")

    def __init__(self) -> None:
        self.sets: dict[tuple[Filter, Form], LiveSet] = {}
        self.packed = 0
        self._by_pattern: dict[Channel, list[LiveSet]] = {}
        self._by_id: dict[str, dict[Channel, None]] = {}
        self._by_type: dict[str, dict[Channel, None]] = {}

    def add(self, live_set: LiveSet) -> None:
        """Register a live set, the first of its filter and form."""
        self.sets[live_set.filter, live_set.form] = live_set
        self.packed += live_set.shape >= PAYLOAD
        for pattern in live_set.filter.patterns:
            self._by_pattern.setdefault(pattern, []).append(live_set)
            self._by_id.setdefault(pattern.event_id, {})[pattern] = None
            self._by_type.setdefault(pattern.event_type, {})[pattern] = None

    def remove(self, live_set: LiveSet) -> None:
        """Forget a live set that is registered."""
        del self.sets[live_set.filter, live_set.form]
        self.packed -= live_set.shape >= PAYLOAD
        for pattern in live_set.filter.patterns:
            registered = self._by_pattern[pattern]
            registered.remove(live_set)
            if not registered:
                del self._by_pattern[pattern]
                _forget(self._by_id, pattern.event_id, pattern)
                _forget(self._by_type, pattern.event_type, pattern)

    def matching(self, record: Channel) -> Iterable[LiveSet]:
        """The live sets whose filter matches the channel of a record; one with a list of channels perhaps repeatedly."""
        event_id, event_type = record
        if event_id == WILDCARD:
            if event_type == WILDCARD:
                return list(self.sets.values())
            return self._registered(self._by_type, event_type)
        if event_type == WILDCARD:
            return self._registered(self._by_id, event_id)
        get = self._by_pattern.get
        found = get(record)
        for pattern in ((event_id, WILDCARD), (WILDCARD, event_type), (WILDCARD, WILDCARD)):
            more = get(pattern)  # type: ignore[call-overload]  # a plain tuple hashes and compares as a Channel
            if more:
                found = found + more if found else more
        return found or ()

    def _registered(self, index: dict[str, dict[Channel, None]], segment: str) -> Iterator[LiveSet]:
        for name in (segment, WILDCARD):
            for pattern in index.get(name, ()):
                yield from self._by_pattern[pattern]


def _forget(index: dict[str, dict[Channel, None]], segment: str, pattern: Channel) -> None:
    del index[segment][pattern]
    if not index[segment]:
        del index[segment]

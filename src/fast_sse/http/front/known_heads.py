"""Heads that came before: a client on a kept connection, and a fleet of the same client, send the same bytes again.

What llhttp and our checks made of a head is found by its bytes, all of them up to the blank line, and nothing that
was not accepted in this way is ever found: no second reading of HTTP exists that could differ from the first. Only a
head whose body has a plain length is kept, so chunks, upgrades and `100-continue` always take the long way.

A head is kept when it comes the second time; one that never comes again (a v2 signature in it) costs a look and no
memory. Two generations bound the rest: a full one becomes the old one, and what is asked for from there moves back.
Heads hold signatures, which are looked up by their keyed hash (PEP 456) before any byte is compared, so the time that
takes tells nothing of how much of a guess was right (CWE-208).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fast_sse.http.message import Head

#: What a kept head weighs beside its bytes, twice: its key, its strings, their dictionary.
_OVERHEAD_BYTES = 600


class KnownHeads:
    """The kept heads of one listener, at most `bytes_max` of them and at most `count_max`; 0 keeps none."""

    __slots__ = ("_bytes", "_bytes_max", "_count_max", "_old", "_seen", "_young", "find")

    def __init__(self, count_max: int = 0, bytes_max: int = 0) -> None:
        self._count_max = count_max // 2
        self._bytes_max = bytes_max // 2
        self._bytes = 0
        self._young: dict[bytes, Head] = {}
        self._old: dict[bytes, Head] = {}
        self._seen: set[int] = set()
        #: The quick look: a head of the young generation, or None. `look` is the thorough one.
        self.find: Callable[[bytes], Head | None] = self._young.get

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def look(self, key: bytes) -> Head | None:
        """The head with these bytes, also of the old generation."""
        head = self._young.get(key)
        if head is None and (head := self._old.pop(key, None)) is not None:
            self.keep(key, head)
        return head

    def is_due(self, key: bytes) -> bool:
        """Whether these bytes, which `look` does not know, came before: then they are worth keeping."""
        if not self._count_max:
            return False
        mark = hash(key)
        if mark in self._seen:
            return True
        if len(self._seen) >= self._count_max:
            self._seen.clear()
        self._seen.add(mark)
        return False

    def keep(self, key: bytes, head: Head) -> None:
        """Take a head in. One that would fill a generation alone is not kept."""
        size = 2 * len(key) + _OVERHEAD_BYTES
        if size > self._bytes_max:
            return
        if len(self._young) >= self._count_max or self._bytes + size > self._bytes_max:
            self._old, self._young, self._bytes = self._young, {}, 0
            self.find = self._young.get
        self._young[key] = head
        self._bytes += size


def plain_length(headers: dict[str, Any]) -> int:
    """Bytes of the body that an accepted head announces, -1 when more than a length says how it goes on."""
    if "transfer-encoding" in headers or "upgrade" in headers or "expect" in headers:
        return -1
    return int(headers.get("content-length", "0"))

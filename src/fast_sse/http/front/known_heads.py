"""Heads that came before, found by their bytes (docs/adr/014): clients send the same head again with each publish.

A head is kept as llhttp and our checks have read it, and found again by all of its bytes up to the blank line. So there is
no second way to read HTTP, which could differ from the first. Only a head whose body has a plain length is kept: chunks,
upgrades and `100-continue` are parsed every time.

A head is kept when it comes the second time. A head that never comes again, such as one with a v2 signature, costs one
look and eight bytes. Two generations bound the memory: when the young one is full it becomes the old one, and a head
that is found in the old one moves to the young one. Heads hold signatures. A look-up compares keyed hashes (PEP 456)
before any byte, so its time says nothing about how much of a guessed signature is right (CWE-208).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fast_sse.http.message import Head

#: What a kept head weighs beside its bytes, twice: its key, its strings, their dictionary.
_OVERHEAD_BYTES = 600


class KnownHeads:
    """The known heads of one listener: at most `count_max`, and at most `bytes_max` bytes. 0 keeps none."""

    __slots__ = ("_bytes", "_bytes_max", "_count_max", "_old", "_seen", "_young", "find")

    def __init__(self, count_max: int = 0, bytes_max: int = 0) -> None:
        self._count_max = count_max // 2
        self._bytes_max = bytes_max // 2
        self._bytes = 0
        self._young: dict[bytes, Head] = {}
        self._old: dict[bytes, Head] = {}
        self._seen: set[int] = set()
        #: A head of the young generation, or None: a call of a function in C. `look` also searches the old one.
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
        """Whether these bytes, which `look` did not find, came before, so that they are worth keeping."""
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
        """Keep a head, unless it would fill a generation alone."""
        size = 2 * len(key) + _OVERHEAD_BYTES
        if size > self._bytes_max:
            return
        if len(self._young) >= self._count_max or self._bytes + size > self._bytes_max:
            self._old, self._young, self._bytes = self._young, {}, 0
            self.find = self._young.get
        self._young[key] = head
        self._bytes += size


def plain_length(headers: dict[str, Any]) -> int:
    """Bytes of the body that an accepted head announces; -1 when something else than a length says how it goes on."""
    if "transfer-encoding" in headers or "upgrade" in headers or "expect" in headers:
        return -1
    return int(headers.get("content-length", "0"))

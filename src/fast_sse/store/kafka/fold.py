"""From entries of the topic to rows of the view: which is new, which is an earlier message again, which is poison.

The first occurrence of a key in the topic wins, within the window that begins at its LogAppendTime. Later ones are
duplicates or conflicts; neither is a record. Nor is a control entry of dead letters (`letter_fold`), or one of a later version. That follows from the topic alone, so every node says the same (`bound`: also
where there are more keys than a node may keep).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fast_sse.model.cursor import NO_FINGERPRINT, Cursor, Position
from fast_sse.model.errors import KeyConflictError
from fast_sse.model.message import Draft, Record, is_record
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.dedup import Known, resolve, to_remember
from fast_sse.store.kafka.bound import Bound, Rank
from fast_sse.store.kafka.entry import TopicEntry, fingerprint_of
from fast_sse.store.record import record_of
from fast_sse.store.rows.body import body_of
from fast_sse.store.rows.entries import ENTRY_VALUES, KEY_VALUES, add_entry, add_keys
from fast_sse.store.rows.log import SqliteLog

#: What follows a key's sha: the fingerprint of what it stands for, and the place of the entry that set it.
PLACE_BYTES = 8
_TAIL_BYTES = len(NO_FINGERPRINT) + PLACE_BYTES
#: The channel of poison: every one, since the message's own cannot be read.
_POISON = "*/*"
POISON_BODY = b""


class Raw(NamedTuple):
    """One entry as the consumer gave it."""

    offset: int
    time_ms: int
    value: bytes | None


class Answered(NamedTuple):
    """What became of a readable entry: a place and its fingerprint, the conflict of its key, or what a control entry came to."""

    token: int
    position: Position
    fingerprint: str
    duplicate: bool = False
    conflict: KeyConflictError | None = None
    told: Outcome | None = None


class FoldedGroup(NamedTuple):
    """What a batch of entries did to the view.

    `erased`: by position of a control record, how many records went. `fresh`: they were written just now. `time_ms`:
    when the broker took the last of them, by its clock.
    """

    records: list[Record]
    answers: list[Answered]
    poisoned: list[Position]
    erased: dict[Position, int]
    fresh: bool = False
    time_ms: int = 0


class Folding:
    """A batch of entries on its way into the view.

    A record's time is its LogAppendTime, but never below that of the record before: the clock of a broker that begins to
    lead may be behind. Keys and lives go by the LogAppendTime itself, which is the same on every node. The time of a
    record need not be: it follows from where a view begins, since a node that reads the topic for the first time never
    sees what retention took, and what that would have lifted. Nodes then differ by no more than that clock was
    behind, and on nothing but where a time begins; each answers for its own view. A view that is made again from the
    same beginning is the same.
    """

    def __init__(self, window_ms: int, last_ms: int = 0) -> None:
        """`last_ms`: the time of the record before."""
        self._window_ms = window_ms
        self._last_ms = last_ms
        self._stored: dict[bytes, Known] = {}
        self._fresh: dict[bytes, Known] = {}
        self._bound: Bound | None = None
        #: Where in `values` the key of a digest stands.
        self._slots: dict[bytes, int] = {}
        self._prints: dict[Position, str] = {}
        self.values: list[Any] = []
        #: Places and fingerprints of entries that are no records.
        self.others: list[tuple[Position, str]] = []
        #: Of them what the dead letters are to take, poison included, in order.
        self.asides: list[tuple[Raw, TopicEntry | None]] = []
        self.group = FoldedGroup([], [], [], {})

    @property
    def ended(self) -> list[bytes]:
        """Stored keys past their window that are given anew."""
        return list(self._fresh.keys() & self._stored.keys())

    @property
    def floor(self) -> Rank | None:
        """Where keys are cut now; None when none need be."""
        return self._bound.floor if self._bound else None

    @property
    def more_keys(self) -> int:
        """How many keys the view has more than before."""
        return len(self._fresh) - len(self.ended)

    def know(self, stored: dict[bytes, Known], prints: dict[Position, str], bound: Bound | None) -> None:
        """Begin with the stored keys that the entries carry, the fingerprints of their places, and where keys are cut."""
        self._stored, self._prints, self._bound = stored, prints, bound

    def take(self, raw: Raw, entry: TopicEntry | None) -> None:
        """Judge the next entry."""
        position = raw.offset + 1
        if entry is None:
            self._last_ms = max(self._last_ms, raw.time_ms)
            self.values += (position, _POISON, self._last_ms, POISON_BODY, None, None, None, None, None)
            self.group.poisoned.append(position)
            self.asides.append((raw, None))
            return
        token, draft = entry
        if draft.event and not is_record(draft.event):
            self.others.append((position, fingerprint_of(token)))
            self.asides.append((raw, entry))
            return
        earlier = resolve(draft, self._lookup, raw.time_ms) if draft.keys else None
        if isinstance(earlier, KeyConflictError):
            self.others.append((position, fingerprint_of(token)))
            self.group.answers.append(Answered(token, position, "", conflict=earlier))
            return
        place = earlier.position if earlier else position
        self._prints.setdefault(place, fingerprint_of(token))
        keys = dict(to_remember(draft, place, self._lookup, raw.time_ms, self._window_ms))
        start = len(self.values)
        packed = [(digest, _packed(known, self._prints[place], position)) for digest, known in keys.items()]
        if earlier:
            self.others.append((position, fingerprint_of(token)))
            add_keys(self.values, packed)
        else:
            record = record_of(draft, position, raw.time_ms, fingerprint_of(token), last_ms=self._last_ms)
            self._last_ms = record.time_ms
            add_entry(self.values, record, body_of(record), packed)
            self.group.records.append(record)
        for row, (digest, known) in enumerate(keys.items()):
            self._remember(digest, known, start + (row + 1) * ENTRY_VALUES - KEY_VALUES)
        self.group.answers.append(Answered(token, place, self._prints[place], duplicate=earlier is not None))

    def _remember(self, digest: bytes, known: Known, slot: int) -> None:
        """Record that this entry sets the key, in the values at `slot`; blank those of an earlier entry of this batch that set it."""
        if self._bound is not None:
            last = self._fresh.get(digest) or self._stored.get(digest)
            self._bound.add((known.expires_ms, digest), (last.expires_ms, digest) if last else None)
        if digest in self._slots:
            before = self._slots[digest]
            self.values[before : before + KEY_VALUES] = [None] * KEY_VALUES
        self._fresh[digest], self._slots[digest] = known, slot

    def _lookup(self, digest: bytes) -> Known | None:
        known = self._fresh.get(digest) or self._stored.get(digest)
        if known and self._bound and self._bound.cuts((known.expires_ms, digest)):
            return None
        return known


def _packed(known: Known, fingerprint: str, set_at: Position) -> Known:
    """A key as it is stored: its sha followed by what only a view needs."""
    tail = fingerprint.encode() + set_at.to_bytes(PLACE_BYTES, "big")
    return known._replace(body_sha256=known.body_sha256 + tail)


def _unpacked(known: Known) -> tuple[Known, str]:
    """A stored key as what it stands for, and the fingerprint of that place."""
    sha, tail = known.body_sha256[:-_TAIL_BYTES], known.body_sha256[-_TAIL_BYTES:]
    return known._replace(body_sha256=sha), tail[:-PLACE_BYTES].decode()


def known_keys(log: SqliteLog, digests: Sequence[bytes]) -> tuple[dict[bytes, Known], dict[Position, str]]:
    """Which of these keys are stored, those past their window included, and the fingerprints of their places."""
    known: dict[bytes, Known] = {}
    prints: dict[Position, str] = {}
    for digest, stored in log.known(digests).items():
        known[digest], fingerprint = _unpacked(stored)
        prints[known[digest].position] = fingerprint
    return known, prints


def known_outcomes(
    log: SqliteLog, drafts: Sequence[Draft], now_ms: int, origin: Cursor, floor: Rank | None
) -> list[Outcome | None]:
    """What the view can answer of drafts with keys, in their order; None for those that the log must judge."""
    known, prints = known_keys(log, [key.digest for draft in drafts for key in draft.keys])
    # A key that does not count any more is new when it is given again.
    known = {
        digest: one
        for digest, one in known.items()
        if one.expires_ms > now_ms and (floor is None or (one.expires_ms, digest) > floor)
    }
    found: list[Outcome | None] = []
    for draft in drafts:
        earlier = resolve(draft, known.get, now_ms)
        # Keys that are not known yet must be remembered for the earlier message, on every node.
        if earlier is None or not all(key.digest in known for key in draft.keys):
            found.append(None)
        elif isinstance(earlier, KeyConflictError):
            found.append(earlier)
        else:
            found.append(Appended(origin.at(earlier.position, prints[earlier.position]), duplicate=True))
    return found

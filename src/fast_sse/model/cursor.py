"""Positions, cursors and the text of Last-Event-ID.

A position is a record's place in the log: an int that only grows. A cursor is exclusive: it says "I have
everything up to and including this". Its text is opaque to clients, ASCII `[A-Za-z0-9._~-]`, at most 128
bytes, so it never needs escaping and never triggers a CORS preflight (whatwg/fetch#1788):

    <store letter><version>.<epoch>.<position>[-<fingerprint>]
    m1.<epoch>.4711                   memory
    s1.<epoch>.4711                   SQLite
    r1.<epoch>.<ms>-<n>-<fp>          Redis; the position is ms * 2**64 + n
    k1.<epoch>.<offset>-<fp>          Kafka; the position is offset + 1, and before the first entry offset is -1

KINDS has one row for each of them: what else depends on the store's letter is read from that row.

The epoch is 64 random bits in base32 (13 characters), made with the store: a new or restored log is a new
epoch. A fingerprint is 32 random bits in base32 (7 characters), made at publish and kept in the entry. A place
without an entry, such as the origin of a log, carries NO_FINGERPRINT, so that its text is a cursor, too.
Numbers are bounded at 20 digits before parsing (int() of 5,000 digits is an error in Python 3.11, CWE-1284)
and, parsed, at what the backends count with: 63 bits for a counter, 64 for each half of a Redis id. No id
of ours was ever above that, and a store can bind whatever `parse_cursor` returns.
"""

from __future__ import annotations

import re

import msgspec

Position = int

#: Characters of a cursor's text.
CURSOR_BYTES_MAX = 128
#: Of a place of r1 or k1 that no entry was ever at.
NO_FINGERPRINT = "0000000"
_N_BITS = 64
_N_MASK = (1 << _N_BITS) - 1
_COUNTER_MAX = (1 << 63) - 1
_BASE32 = "0123456789abcdefghijklmnopqrstuv"
_HEAD = re.compile(r"([a-z][0-9])\.([0-9a-z]{13})\.", re.ASCII)


class Kind(msgspec.Struct, frozen=True):
    """How the cursors of one store are written.

    Attributes:
        store: the store's name in the settings.
        form: what follows the epoch; the groups are the number and the fingerprint.
        plain: the text is the head and the position, and nothing else.
        halved: a position is two halves of 64 bits, written `<high>-<low>`. Any other position is a counter.
        first: the position of the number 0.
    """

    store: str
    form: re.Pattern[str]
    plain: bool = False
    halved: bool = False
    first: int = 0

    @property
    def counts(self) -> bool:
        """Whether the difference of two positions bounds the number of records between them."""
        return not self.halved


_COUNTER = re.compile(r"(\d{1,20})()\Z", re.ASCII)

#: The first two characters of a cursor, and what they stand for.
KINDS = {
    "m1": Kind("memory", _COUNTER, plain=True),
    "s1": Kind("sqlite", _COUNTER, plain=True),
    "r1": Kind("redis", re.compile(r"(\d{1,20}-\d{1,20})-([0-9a-v]{7})\Z", re.ASCII), halved=True),
    "k1": Kind("kafka", re.compile(r"(-1|\d{1,20})-([0-9a-v]{7})\Z", re.ASCII), first=1),
}


class Cursor(msgspec.Struct, frozen=True, gc=False):
    """An exclusive place in one log. `kind` is one of KINDS: the store letter and version, e.g. ``s1``."""

    kind: str
    epoch: str
    position: Position
    fingerprint: str = ""

    def at(self, position: Position, fingerprint: str = "") -> Cursor:
        """The same log, another place."""
        return Cursor(self.kind, self.epoch, position, fingerprint)

    @property
    def text(self) -> str:
        """The text that clients see in `id:` and send in Last-Event-ID."""
        kind = KINDS[self.kind]
        if kind.halved:
            place = f"{self.position >> _N_BITS}-{self.position & _N_MASK}"
        else:
            place = str(self.position - kind.first)
        tail = f"-{self.fingerprint}" if self.fingerprint else ""
        return f"{self.kind}.{self.epoch}.{place}{tail}"


def parse_cursor(text: str) -> Cursor | None:
    """Read a client's Last-Event-ID. None when it is not the text of any cursor of ours (an `unreadable` gap)."""
    if len(text) > CURSOR_BYTES_MAX or (head := _HEAD.match(text)) is None:
        return None
    letters, epoch = head.groups()
    kind = KINDS.get(letters)
    if kind is None or (place := kind.form.match(text, head.end())) is None:
        return None
    number, fingerprint = place.groups()
    if kind.halved:
        high, low = map(int, number.split("-"))
        if high > _N_MASK or low > _N_MASK:
            return None
        return Cursor(letters, epoch, (high << _N_BITS) | low, fingerprint)
    position = int(number) + kind.first
    return None if position > _COUNTER_MAX else Cursor(letters, epoch, position, fingerprint)


def choose_cursor(text: str, log: Cursor) -> Cursor | None:
    """Of the cursors that a client shows, separated by commas, the one to go on from in `log` (any cursor of it).

    Some clients send their first cursor beside their newest one. That is the last of this log, or else the last that
    can be read; None when there is none.
    """
    found = [cursor for part in text.split(",") if (cursor := parse_cursor(part.strip())) is not None]
    here = [cursor for cursor in found if (cursor.kind, cursor.epoch) == (log.kind, log.epoch)]
    best = here or found
    return best[-1] if best else None


def base32(bits: int, characters: int) -> str:
    """`bits` as lowercase base32hex digits, most significant first, exactly `characters` long."""
    return "".join(_BASE32[(bits >> 5 * place) & 31] for place in reversed(range(characters)))


def epoch_text(random_64_bits: int) -> str:
    """The 13 characters of an epoch."""
    return base32(random_64_bits & ((1 << 64) - 1), 13)


def fingerprint_text(random_32_bits: int) -> str:
    """The 7 characters of a fingerprint."""
    return base32(random_32_bits & ((1 << 32) - 1), 7)

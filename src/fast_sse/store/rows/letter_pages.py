"""The rows of dead letters, read: pages of heads in the order of (position, id), and one letter whole.

A page is one SELECT of one row, as a page of the log is (`log`), and reads no bodies. What an index finds in order is found
by it; for every other filter a bounded number of letters is looked at, so that nobody waits for a long walk: the page may
then be short, and its cursor goes on.
"""

from __future__ import annotations

import re
import sqlite3
from operator import attrgetter
from typing import Any

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.errors import BadRequestError
from fast_sse.model.letter import Letter, Reason, Source, is_poison_id
from fast_sse.store.letters import LetterPage, Wanted
from fast_sse.store.rows.body import records_of
from fast_sse.store.rows.letters import unpacked

#: Letters that one page looks at, at most.
LOOKED_AT_MAX = 10_000
_POSITION_MAX = (1 << 63) - 1
_CURSOR = re.compile(r"([no])\.(\d{1,19})\.([!-~]{1,160})\Z", re.ASCII)

_HEAD = (
    "json_array(letter.seq, letter.id, event_id, event_type, reason, description, published_ms, dead_ms, first_ms, attempts, original, "
    "json(iif(maybe, 'true', 'false')), node, size, json(source), sha)"
)
# By the primary key, which has the row itself: a plus keeps SQLite from another index.
_LETTER_OF = "CROSS JOIN letter ON letter.seq = {0}.seq AND +letter.id = {0}.id"
_TOTAL = "(SELECT sum(letters) FROM letter_count)"


class _Head(msgspec.Struct, array_like=True, gc=False):
    seq: Position
    id: str
    event_id: str | None
    event_type: str | None
    reason: Reason
    description: str
    published_ms: int
    dead_ms: int
    first_ms: int
    attempts: int
    original: str
    maybe: bool
    node: str
    size: int
    source: Source | None
    sha: str

    def letter(self, **whole: Any) -> Letter:
        named = self.event_id is not None and self.event_type is not None
        return Letter(
            id=self.id,
            position=self.seq,
            channel=Channel(self.event_id, self.event_type) if named else None,  # type: ignore[arg-type]
            reason=self.reason,
            description=self.description,
            published_ms=self.published_ms,
            dead_ms=self.dead_ms,
            first_ms=self.first_ms,
            attempts=self.attempts,
            original=self.original,
            maybe_delivered=self.maybe,
            node=self.node,
            size_bytes=self.size,
            source=self.source,
            sha256=self.sha,
            **whole,
        )


_decode_heads = msgspec.json.Decoder(list[_Head]).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_place = msgspec.json.Decoder(tuple[int, str]).decode


def letter_page(connection: sqlite3.Connection, wanted: Wanted, after: str, count: int) -> LetterPage:
    """See `Letters.list`."""
    place = _parsed(after, wanted)
    sql, values, looked_at_max = _asked(wanted, place, count)
    total, looked, last, text = connection.execute(sql, values).fetchone()
    # An aggregate over rows in order promises no order.
    heads = sorted(_decode_heads(text), key=attrgetter("seq", "id"), reverse=wanted.newest_first)
    following = None
    if len(heads) > count:
        heads = heads[:count]
        following = _cursor(wanted, heads[-1].seq, heads[-1].id)
    elif looked == looked_at_max:
        following = _cursor(wanted, *_decode_place(last))
    return LetterPage(items=[head.letter() for head in heads], next=following, total=total)


def letter_of(connection: sqlite3.Connection, letter_id: str) -> tuple[Letter | None, bool]:
    """One letter, whole, None when there is none or it is damaged; and whether it is damaged."""
    if not letter_id.isascii():
        return None, False
    sql = f"SELECT {_HEAD}, body FROM letter WHERE id = ?"  # noqa: S608
    found = connection.execute(sql, (letter_id,)).fetchone()
    if found is None:
        return None, False
    try:
        head = _decode_head(found[0])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None, True
    if is_poison_id(head.id):
        raw = unpacked(found[1])
        return (None, True) if raw is None else (head.letter(raw=raw), False)
    records, damaged = records_of([(head.seq, len(found[1]))], found[1])
    return (None, True) if damaged is not None else (head.letter(record=records[0]), False)


def _cursor(wanted: Wanted, position: Position, letter_id: str) -> str:
    return f"{'n' if wanted.newest_first else 'o'}.{position}.{letter_id}"


def _parsed(after: str, wanted: Wanted) -> tuple[Position, str]:
    """The place after which a page begins."""
    if not after:
        return (_POSITION_MAX, "") if wanted.newest_first else (-1, "")
    found = _CURSOR.match(after)
    if found is None or (found[1] == "n") is not wanted.newest_first or int(found[2]) > _POSITION_MAX:
        raise BadRequestError("the cursor is not one of a list of dead letters in this order")
    return int(found[2]), found[3]


def _asked(wanted: Wanted, place: tuple[Position, str], count: int) -> tuple[str, list[Any], int]:
    """The statement of a page, its values, and how many letters it looks at: in order by one index, then the filters."""
    led, chosen = _led_by(wanted)
    index, clause, values = led
    beyond, order, against = ("<", "DESC", "ASC") if wanted.newest_first else (">", "ASC", "DESC")
    ordered = f"ORDER BY seq {order}, id {order}"
    filtered = f"{_LETTER_OF.format('looked')} WHERE +{' AND +'.join(chosen)}" if chosen else ""
    sql = f"""
        WITH looked AS MATERIALIZED (
            SELECT seq, id FROM letter {index} WHERE {clause} AND (seq, id) {beyond} (?, ?) {ordered} LIMIT ?),
        found AS MATERIALIZED (
            SELECT looked.seq AS seq, looked.id AS id FROM looked {filtered} ORDER BY 1 {order}, 2 {order} LIMIT ?)
        SELECT {_TOTAL}, (SELECT count(*) FROM looked),
            (SELECT json_array(seq, id) FROM looked ORDER BY seq {against}, id {against} LIMIT 1),
            (SELECT json_group_array({_HEAD}) FROM found {_LETTER_OF.format("found")})
    """  # noqa: S608
    limit = LOOKED_AT_MAX if chosen else count + 1
    return sql, [*values, *place, limit, *chosen.values(), count + 1], limit


def _led_by(wanted: Wanted) -> tuple[tuple[str, str, tuple[str, ...]], dict[str, Any]]:
    """The index that has the letters in order, with its clause and values, and the filters that are left."""
    filters: dict[str, Any] = {
        "reason = ?": wanted.reason,
        "event_id = ?": wanted.event_id,
        "event_type = ?": wanted.event_type,
        "dead_ms >= ?": _bounded(wanted.after_ms),
        "dead_ms < ?": _bounded(wanted.before_ms),
    }
    given = {clause: value for clause, value in filters.items() if value is not None}
    for index, clauses in (
        ("letter_channel", ("event_id = ?", "event_type = ?")),
        ("letter_reason", ("reason = ?",)),
    ):
        if all(clause in given for clause in clauses):
            values = tuple(given.pop(clause) for clause in clauses)
            return (f"INDEXED BY {index}", " AND ".join(clauses), values), given
    return ("", "1", ()), given


def _bounded(time_ms: int | None) -> int | None:
    """What SQLite can hold of it."""
    return None if time_ms is None else max(-_POSITION_MAX, min(time_ms, _POSITION_MAX))

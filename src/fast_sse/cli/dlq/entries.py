"""Entries of a dead-letter stream of Redis, as the hub takes them: where each stood, and the bytes that were no message.

    carid000001 {"event_type": …}                    the original: the field is the event_id, the value the package
    reason poison  field carid000001  raw BASE64 …   an earlier version of this hub: one field and its value
    reason poison  fields [BASE64, …] …              the same, an entry that had not one field
    anything else                                    names and values in turn, as a JSON array of base64

The name of the field is a part of the message that is not in the package. It is put before the package's other fields, so that
a replay knows the channel; of two fields of one name the last counts, so it changes nothing where the package names its own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

#: Letters, and bytes of them, that one request holds at most.
ITEMS_MAX = 500
BYTES_MAX = 1 << 20


class StreamEntry(msgspec.Struct, frozen=True):
    """One entry: its id, and its fields as names and values in turn."""

    place: str
    fields: tuple[bytes, ...]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as the hub takes it; `raw` is base64 in JSON."""

    kind: str = "redis_stream"
    queue: str
    place: str
    raw: bytes


def item(queue: str, entry: StreamEntry) -> Item:
    """What the hub is given of an entry."""
    return Item(queue=queue, place=entry.place, raw=_raw(entry.fields))


def _raw(fields: Sequence[bytes]) -> bytes:
    if len(fields) == 2:
        return _named(*fields)
    found = dict(zip(fields[::2], fields[1::2], strict=False))
    try:
        if found.get(b"reason") == b"poison" and b"raw" in found:
            return _named(found.get(b"field", b""), base64.b64decode(found[b"raw"], validate=True))
    except binascii.Error:
        pass
    if found.get(b"reason") == b"poison" and b"fields" in found:
        return found[b"fields"]
    return msgspec.json.encode([base64.b64encode(text).decode() for text in fields])


def _named(name: bytes, package: bytes) -> bytes:
    """A package with its event_id in it. What is no JSON object stays as it is: it will not become a message."""
    try:
        said: dict[str, Any] = msgspec.json.decode(package, type=dict[str, msgspec.Raw])
        text = name.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return package
    rest = package[package.index(b"{") + 1 :]
    return b'{"event_id":%b%b%b' % (msgspec.json.encode(text), b"," if said else b"", rest)


def chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items in requests of a bounded size, or one larger item."""
    chunk: list[Item] = []
    size = 0
    for one in items:
        if chunk and (len(chunk) == ITEMS_MAX or size + len(one.raw) > BYTES_MAX):
            yield chunk
            chunk, size = [], 0
        chunk.append(one)
        size += len(one.raw)
    if chunk:
        yield chunk

"""Fields of a publish that are not known: they are ignored, as the original does, and the answer says so.

A field that is misspelt would otherwise have no effect and nobody would know: `ttl` is no `ttl_s`. Only a body with such
fields is looked at again.
"""

from __future__ import annotations

import difflib

import msgspec

from fast_sse.model.message import BOM, PublishBody

#: Of one message.
NAMES_MAX = 10
NAME_CHARACTERS_MAX = 64

_KNOWN = PublishBody.__struct_fields__
#: Of the original, where it means how a message is sent. Its clients need not be told.
_ACCEPTED = frozenset({*_KNOWN, "send_direct"})
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def ignored_tail(raw: bytes) -> bytes:
    """What an answer adds about a body that was taken: the names, and what may have been meant. Empty for none."""
    names = [name for name in _fields(raw.removeprefix(BOM)) if name not in _ACCEPTED]
    if not names:
        return b""
    shown = [name[:NAME_CHARACTERS_MAX] for name in names[:NAMES_MAX]]
    said: dict[str, object] = {"ignored": shown}
    meant = [(name, *difflib.get_close_matches(name, _KNOWN, n=1)) for name in shown]
    if hints := [f"did you mean {pair[1]} in place of {pair[0]}?" for pair in meant if len(pair) > 1]:
        said["hint"] = " ".join(hints)
    return b"," + msgspec.json.encode(said)[1:-1]

"""The Lua files as they are sent. Each script is one atomic step on the server.

A script is called by its digest. A server that does not know the digest, after a restart or a SCRIPT FLUSH, answers so
without having run anything, and is then sent the text.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

import msgspec

#: What each script consists of, in order.
_PARTS = {
    "append": ("prelude", "append"),
    "read": ("prelude", "page", "read"),
    "last": ("prelude", "page", "last"),
    "since": ("prelude", "since"),
    "trim": ("prelude", "trim"),
    "erase": ("prelude", "erase"),
    "lost": ("prelude", "lost"),
    "begin": ("prelude", "turners", "letter", "begin"),
    "settle": ("prelude", "turners", "letter", "settle"),
    "letters": ("prelude", "letter", "letters"),
}


class Script(msgspec.Struct, frozen=True):
    """The text of one script and its SHA-1, by which Redis knows it."""

    text: str
    digest: str


@cache
def scripts() -> dict[str, Script]:
    """Every script by name."""
    folder = resources.files("fast_sse.store.redis") / "lua"
    made = {}
    for name, parts in _PARTS.items():
        text = "\n".join((folder / f"{part}.lua").read_text("utf-8") for part in parts)
        made[name] = Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
    return made

"""Broken on purpose: the id stands first in its block, so a client that keeps the id of half a block skips the rest."""

from __future__ import annotations

from fast_sse.cli.main import app_main
from fast_sse.hub import frames
from fast_sse.model import frame

id_last = frame.frame


def id_first(id_text: str, event: str, data: bytes) -> bytes:
    """`frame` with its last line before all others."""
    *lines, last, _, _ = id_last(id_text, event, data).split(b"\n")
    return b"\n".join([last, *lines, b"", b""])


if __name__ == "__main__":
    vars(frame)["frame"] = id_first
    vars(frames)["frame"] = id_first
    vars(frames)["_joined"] = lambda *_, **__: b""  # a page is encoded record by record, by the one above
    app_main()

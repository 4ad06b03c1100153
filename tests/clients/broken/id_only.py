"""Broken on purpose: an id without a message is a block without data, as it was: most clients drop it, and its id."""

from __future__ import annotations

from fast_sse.cli.main import app_main
from fast_sse.hub import form
from fast_sse.model.cursor import Cursor
from fast_sse.model.frame import id_only


def started_by_id(cursor: Cursor, *, resumed: bool) -> bytes:
    """`started` without what the client would be told."""
    return id_only(cursor)


if __name__ == "__main__":
    vars(form)["started"] = started_by_id
    vars(form)["moved"] = id_only
    app_main()

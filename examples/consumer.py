"""Consume a stream of a Fast SSE hub and lose nothing, however often this is killed. The standard library is enough.

    export SIGNATURE=$(fast-sse sign carid000001 cart_changed --quiet)
    url=http://127.0.0.1:30000/v1/subscribe/events/carid000001/types/cart_changed
    python examples/consumer.py $url file cart.cursor
    python examples/consumer.py $url database cart.db

The cursor is kept after the work, never before. In a file: when this is killed between the two, that message comes again,
so doing it twice must be as good as once. In the transaction of the work: each message has its effect exactly once.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit


class InFile:
    """The cursor in a file of its own: at least once."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.new = Path(path + ".new")  # beside it: a rename does not leave its file system

    def cursor(self) -> str:
        """Where to go on. With nothing kept, the earliest: what was published before the first start counts, too."""
        kept = self.path.read_text(errors="replace") if self.path.exists() else ""
        if re.fullmatch(r"[A-Za-z0-9._~-]{1,128}", kept):
            return kept
        print(f"no cursor in {self.path}: from the earliest", file=sys.stderr, flush=True)
        return "earliest"

    def take(self, cursor: str, message: str) -> None:
        """Do the work, if there is any, then replace the file in one step: it holds the old cursor or the new one."""
        if message:
            print(cursor, message, flush=True)  # the work, which is done before the next line
        with self.new.open("w") as file:
            file.write(cursor)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may keep the name and lose what is in it
        self.new.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(directory)  # the name
        os.close(directory)


class InDatabase:
    """The cursor beside the results, in one transaction: exactly once."""

    def __init__(self, path: str, stream: str) -> None:
        self.db, self.stream = sqlite3.connect(path), stream
        self.db.execute("CREATE TABLE IF NOT EXISTS results (n INTEGER PRIMARY KEY, result TEXT NOT NULL)")
        self.db.execute("CREATE TABLE IF NOT EXISTS cursors (stream TEXT PRIMARY KEY, cursor TEXT NOT NULL)")

    def cursor(self) -> str:
        """Where to go on, as above."""
        kept = self.db.execute("SELECT cursor FROM cursors WHERE stream = ?", (self.stream,)).fetchone()
        return str(kept[0]) if kept else "earliest"

    def take(self, cursor: str, message: str) -> None:
        """Do the work, if there is any, and keep the cursor: both or neither."""
        with self.db:
            if message:
                self.db.execute("INSERT INTO results (result) VALUES (?)", (message,))  # the work
            self.db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (self.stream, cursor))
        print(cursor, message, flush=True)


def blocks(url: str, cursor: str) -> Iterator[tuple[str, str, str]]:
    """All that moves the cursor, as (cursor, name, data), over reconnects. HTTPError: there is no coming back."""
    wait_s = 2.0
    headers = {"Accept": "text/event-stream", "x-signature": os.environ["SIGNATURE"]}
    while True:
        request = urllib.request.Request(url, headers=headers | {"Last-Event-ID": cursor})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=60) as stream:  # noqa: S310  four heartbeats
                block: dict[str, str] = {}
                for line in stream:
                    field, _, value = line.decode(errors="replace").rstrip("\n").partition(":")
                    value = value.removeprefix(" ")
                    if field == "retry" and value.isdecimal():
                        wait_s = int(value) / 1000
                    elif field == "data" and "data" in block:
                        block["data"] += "\n" + value
                    elif field in ("id", "event", "data"):
                        block[field] = value
                    elif line == b"\n":  # only now: a block that was cut off is asked for again
                        if block.get("id"):
                            cursor = block["id"]
                            yield cursor, block.get("event", ""), block.get("data", "")
                        block = {}
        except urllib.error.HTTPError as answer:
            if answer.code < 500 and answer.code != 429:
                raise
            answer.close()
        except (OSError, http.client.HTTPException) as problem:
            print("coming back after", repr(problem), file=sys.stderr, flush=True)
        time.sleep(wait_s)


def main(url: str, way: str, path: str) -> None:
    """Consume for ever."""
    keeper = InFile(path) if way == "file" else InDatabase(path, urlsplit(url).path)
    for cursor, name, data in blocks(url, keeper.cursor()):
        if name == "fast-sse.gap":
            print("gap", data, file=sys.stderr, flush=True)  # messages are missing: fetch the state anew here
        # What the hub says itself, or a block without data, is no work; but its cursor counts.
        ours = not data or name.startswith("fast-sse.")
        keeper.take(cursor, "" if ours else json.dumps(json.loads(data)["data"]))
        if name == "fast-sse.expired":  # coming back with the same signature would be told the same, for ever
            sys.exit("the signature has run out")


if __name__ == "__main__":
    main(*sys.argv[1:])

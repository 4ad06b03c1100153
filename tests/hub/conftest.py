"""Every test of the hub runs on a manual clock, and a blocking call on its loop fails it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from tests.hub.loops import ManualLoop

from fast_sse.store.memory.letters import MemoryLetters


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], ManualLoop]]:
    """Loops whose time the test moves."""
    return {"manual": ManualLoop}


@pytest.fixture(autouse=True)
def letters_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of a store that a test leaves open end with the test: Python 3.13 warns of a database that nobody closed."""
    opened: list[MemoryLetters] = []
    open_them = MemoryLetters.open

    def open_and_note(letters: MemoryLetters) -> None:
        opened.append(letters)
        open_them(letters)

    monkeypatch.setattr(MemoryLetters, "open", open_and_note)
    yield
    for letters in opened:
        letters.close()


@pytest.fixture(autouse=True)
def no_blocking_calls() -> Iterator[BlockBuster]:
    """`time.sleep`, file and socket I/O, locks and SQLite raise BlockingError when called on the loop."""
    with blockbuster_ctx() as guard:
        # A store that closes joins its writer, whose thread has just said that it ends: microseconds, once in a life.
        guard.functions["threading.Lock.acquire"].can_block_in("fast_sse/store/sqlite/writer.py", "close")
        # A database without a file: each call is a bounded step and waits for nothing.
        for name, function in guard.functions.items():
            if name.startswith("sqlite3."):
                function.can_block_in(
                    "fast_sse/store/memory/letters.py", ("open", "close", "_write", "list", "get")
                )
        yield guard

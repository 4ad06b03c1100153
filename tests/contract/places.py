"""Where a log lives, and what the world may do to it there.

The suite and the state machine ask a place for its misfortunes and never touch files, keys or topics. Each
misfortune takes the open store, does what would have happened to a process that died there, and leaves the store
closed; the next one that `make` gives opens on what is left.

How a store tells what was lost differs, that it tells does not:

    "intervals"   it reserves positions ahead, so it knows from where to where something may be missing: a cursor
                  inside goes on at the end of the loss, and no number is given again (SQLite)
    "anchors"     entries carry fingerprints: a cursor whose entry is not there goes on after the last entry before
                  it (Redis, Kafka)
"""

from __future__ import annotations

import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Literal

from fast_sse.model.cursor import Position
from fast_sse.store.base import Retention, Store, Windows
from fast_sse.store.letters import LetterBounds
from fast_sse.store.memory.store import MemoryStore
from fast_sse.store.sqlite.store import SqliteStore

NowMs = Callable[[], int]
#: Of dead letters, where a test does not say.
BOUNDS = LetterBounds()


class Place(ABC):
    """One log. `make` may be asked many times, for one store after another."""

    #: Whether trimming keeps what waits; not where the backend trims alone.
    keeps_what_waits: ClassVar[bool] = True
    #: Whether poison that is kept has a place of its own behind the newest record.
    poison_has_a_place: ClassVar[bool] = False

    @abstractmethod
    def make(
        self, retention: Retention, windows: Windows, clock: NowMs, letters: LetterBounds = BOUNDS
    ) -> Store:
        """A new store on this place, not yet open."""

    async def clear(self) -> None:  # noqa: B027  most places need none
        """Remove what the place holds outside the test's directory."""


class DurablePlace(Place):
    """A place whose log outlives the store, and can be hurt."""

    #: See the head of this file.
    losses: ClassVar[Literal["intervals", "anchors"]]
    #: Whether the numbers of a lost tail are given again, told apart by fingerprints alone.
    reuses_numbers: ClassVar[bool] = False
    #: Whether a key is known by the entry that told it, duplicates included, and goes with that entry.
    keys_by_entries: ClassVar[bool] = False
    #: Whether an old copy can take the log's place under the same identity.
    restorable: ClassVar[bool] = True
    #: The ways in which a log can lose what says which log it is.
    identity_damages: ClassVar[tuple[str, ...]]
    #: Whether what was stored is still read after that, under a new epoch.
    keeps_records_without_identity: ClassVar[bool]

    @abstractmethod
    async def kill(self, store: Store) -> None:
        """The store's process dies: nothing is finished, nothing is put in order."""

    @abstractmethod
    async def lose_tail(self, store: Store, last: Position) -> None:
        """Everything stored after `last`, keys included, vanishes behind the store's back."""

    async def back_up(self, store: Store) -> None:
        """Keep a copy of the log as it is now, as an operator would; the store stays open. Replaces an earlier one."""
        raise AssertionError("this log cannot be put back")

    async def restore(self, store: Store) -> None:
        """The log is the copy again; what the store's node knew beside it (SQLite's sidecar) is as new as it was."""
        raise AssertionError("this log cannot be put back")

    @abstractmethod
    async def lose_identity(self, store: Store, damage: str) -> None:
        """What says which log this is goes, in one of `identity_damages`."""


class MemoryPlace(Place):
    """Nowhere."""

    def make(
        self, retention: Retention, windows: Windows, clock: NowMs, letters: LetterBounds = BOUNDS
    ) -> Store:
        return MemoryStore(retention, windows, now_ms=clock, letters=letters)


class SqlitePlace(DurablePlace):
    """A directory. What it holds while the store is open is what a killed process leaves on the disk."""

    losses = "intervals"
    identity_damages = ("missing", "torn", "foreign")
    keeps_records_without_identity = True

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._backup = directory.with_suffix(".backup")

    def make(
        self, retention: Retention, windows: Windows, clock: NowMs, letters: LetterBounds = BOUNDS
    ) -> Store:
        return SqliteStore(
            self.directory, retention, windows, now_ms=clock, ballast_bytes=4096, letters=letters
        )

    async def kill(self, store: Store) -> None:
        await self._replace_by(self._snapshot(), store)

    async def lose_tail(self, store: Store, last: Position) -> None:
        place = self._snapshot()
        with sqlite3.connect(place / "log.db") as connection:
            connection.execute("DELETE FROM log WHERE seq > ?", (last,))
            connection.execute("DELETE FROM key WHERE seq > ?", (last,))
        connection.close()
        await self._replace_by(place, store)

    async def back_up(self, store: Store) -> None:
        shutil.rmtree(self._backup, ignore_errors=True)
        self._snapshot().rename(self._backup)

    async def restore(self, store: Store) -> None:
        place = self.directory.with_suffix(".restored")
        shutil.copytree(self._backup, place)
        shutil.copy(self.directory / "log.reserve", place / "log.reserve")
        await self._replace_by(place, store)

    async def lose_identity(self, store: Store, damage: str) -> None:
        place = self._snapshot()
        sidecar = place / "log.reserve"
        if damage == "missing":
            sidecar.unlink()
        elif damage == "torn":
            sidecar.write_bytes(sidecar.read_bytes()[:-3])
        else:
            epoch = (await store.bounds()).newest.epoch
            sidecar.write_bytes(sidecar.read_bytes().replace(epoch.encode(), b"0" * 13))
        await self._replace_by(place, store)

    def _snapshot(self) -> Path:
        place = self.directory.with_suffix(".snapshot")
        shutil.copytree(self.directory, place, ignore=shutil.ignore_patterns("log.lock"))
        return place

    async def _replace_by(self, place: Path, store: Store) -> None:
        await store.close()
        shutil.rmtree(self.directory)
        shutil.move(place, self.directory)

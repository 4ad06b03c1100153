"""A node that tells what a test says: turns with the numbers, the last receipt and the defaults that a real one would give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.letter import Letter, Poison, Source
from fast_sse.store.base import Store
from fast_sse.store.letters import (
    Ack,
    Begun,
    Due,
    Handed,
    LetterPage,
    Letters,
    Receipt,
    Settled,
    Tally,
    Turn,
    Wanted,
)

GRACE_S = 30.0
EVERY_MS = 1000
#: A turner that is as long silent leaves the list.
SILENT_S = 2 * GRACE_S + 60

OLDEST_FIRST = Wanted(newest_first=False)


def letters_of(store: Store) -> Letters:
    return store.letters


class Node:
    """One process of a node."""

    def __init__(self, store: Store, name: str = "a", start: str = "1") -> None:
        self.letters = letters_of(store)
        self.name, self.start = name, start
        self.number, self.seen = 0, ""
        self.through: Position = 0

    async def begin(self) -> Begun:
        begun = await self.letters.begin(self.name, self.start)
        self.seen = begun.seen
        self.through = begun.newest
        return begun

    def turn(self, through: Cursor | None = None, **said: Any) -> Turn:
        """The next turn: `handed` and `acks` by cursor, `due` as cursors, `decided` as a cursor."""
        if through is not None:
            self.through = through.position
        self.number += 1
        decided: Cursor | None = said.pop("decided", None)
        handed: Sequence[Cursor] | dict[Cursor, int] = said.pop("handed", ())
        counts = handed if isinstance(handed, dict) else dict.fromkeys(handed, 1)
        turn = Turn(
            node=self.name,
            start=self.start,
            number=self.number,
            every_ms=EVERY_MS,
            grace_s=GRACE_S,
            through=self.through,
            decided=decided.position if decided else None,
            seen=self.seen,
            handed=[Handed(at.position, count) for at, count in counts.items()],
            due=[Due(at.position, at.fingerprint) for at in said.pop("due", ())],
            acks=[Ack(at.position, client) for at, client in said.pop("acks", ())],
        )
        return replace(turn, **said)

    async def tell(self, through: Cursor | None = None, **said: Any) -> Settled:
        """Tell the next turn, and note what was seen."""
        settled = await self.letters.settle(self.turn(through, **said))
        self.seen = settled.seen
        return settled


async def begun(store: Store, *names: str) -> list[Node]:
    """Nodes that have begun, in this order."""
    nodes = [Node(store, name) for name in names]
    for node in nodes:
        await node.begin()
    return nodes


async def every_letter(store: Store, wanted: Wanted = OLDEST_FIRST, count: int = 1000) -> list[Letter]:
    """All heads, page by page."""
    found: list[Letter] = []
    after = ""
    while True:
        page: LetterPage = await letters_of(store).list(wanted, after, count)
        assert len(page.items) <= count
        found += page.items
        if page.next is None:
            return found
        assert page.next != after
        after = page.next


async def ids(store: Store, wanted: Wanted = OLDEST_FIRST) -> list[str]:
    return [letter.id for letter in await every_letter(store, wanted)]


async def tally(node: Node) -> Tally:
    """The letters in numbers, asked for by a turn that says nothing."""
    return (await node.tell()).tally


def texts(cursors: Sequence[Cursor]) -> list[str]:
    return [cursor.text for cursor in cursors]


def heard(receipts: Sequence[Receipt]) -> dict[str, list[tuple[Position, int]]]:
    """What each node told as handed over."""
    found: dict[str, list[tuple[Position, int]]] = {}
    for receipt in receipts:
        found.setdefault(receipt.node, []).extend((one.position, one.count) for one in receipt.handed)
    return found


def poison(place: str = "1-0", raw: bytes = b"\x00{", **more: Any) -> Poison:
    source = Source(kind="redis_stream", queue="q", place=place)
    return Poison(source=source, raw=raw, description="data is missing", node="a", **more)

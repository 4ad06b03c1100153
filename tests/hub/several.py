"""Several nodes in one process: hubs over one store, of which each believes that it is shared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.hub.loops import manual
from tests.hub.support import RULES, Bench, bench, now_ms

from fast_sse.hub.telling import LetterRules
from fast_sse.model.letter import Letter
from fast_sse.store.letters import Settled, Turn, Wanted
from fast_sse.store.memory.letters import MemoryLetters
from fast_sse.store.memory.store import MemoryStore


class Shared(MemoryStore):
    """A memory store for several hubs, which counts their turns; `before_turn` may raise, or look."""

    def __init__(self, **options: Any) -> None:
        super().__init__(now_ms=now_ms, **options)
        self.turns: list[Turn] = []
        self.before_turn: Callable[[Turn], object] = lambda _turn: None
        self.after_turn: Callable[[Turn], object] = lambda _turn: None
        letters: Any = self._letters
        letters.shared = True
        settle = letters.settle

        async def counted(turn: Turn) -> Settled:
            self.turns.append(turn)
            self.before_turn(turn)
            settled: Settled = await settle(turn)
            self.after_turn(turn)
            return settled

        letters.settle = counted

    async def dead(self) -> list[int]:
        """The positions of all letters."""
        return [letter.position for letter in await self.all_letters()]

    async def all_letters(self) -> list[Letter]:
        """All of them, the oldest first."""
        letters: MemoryLetters = self.letters
        return list((await letters.list(Wanted(newest_first=False), "", 1000)).items)


@asynccontextmanager
async def cluster(
    *names: str, rules: dict[str, LetterRules] | None = None, store: Shared | None = None, **limits: Any
) -> AsyncIterator[tuple[Shared, dict[str, Bench]]]:
    """A store and a started hub for each name."""
    from contextlib import AsyncExitStack

    shared = store or Shared()
    await shared.open()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(shared.close)
        nodes = {}
        for name in names:
            of = (rules or {}).get(name, RULES)
            nodes[name] = await stack.enter_async_context(bench(shared, rules=of, node=name, **limits))
        yield shared, nodes


async def vanish(hub: Bench) -> None:
    """As if the process was killed: it says nothing more, not even goodbye. Its streams are cut."""
    dead_letters = hub.hub.dead_letters
    for task in dead_letters._tasks:
        task.cancel()
    dead_letters._tasks.clear()
    await manual().idle()


async def stand_still(hub: Bench, seconds: float) -> None:
    """As if the process was stopped for that long: its turns are not taken, and then they are again."""
    dead_letters = hub.hub.dead_letters
    (task,) = dead_letters._tasks
    task.cancel()
    await manual().elapse(seconds)
    dead_letters._tasks[0] = manual().create_task(dead_letters._run())
    await manual().idle()

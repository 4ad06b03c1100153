"""The hub whose turns a test holds back, lets pass or cuts off: faults at the very place, and not at a time that may be right.

Run as a module it is the product; only between a node and the dead letters of its store stands what a file orders. Broken
builds run themselves by `serve`, so that they stand in the same fires. Its wall clock is that of `tests.faults.stepped`.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import struct
import time
from enum import IntEnum
from pathlib import Path
from typing import Any

from tests.faults import stepped

from fast_sse.cli.main import app_main
from fast_sse.hub.dead_letter import DeadLetters
from fast_sse.model.cursor import Cursor, Position
from fast_sse.model.errors import UnknownOutcomeError
from fast_sse.store.letters import Begun, Letters, Settled, Turn
from fast_sse.store.redis.store import RedisStore

#: Names the file with the orders: three numbers.
ORDERS_FILE = "CONDUCTED_ORDERS_FILE"
#: Where it is set, the time of the store is that of the nodes.
STORE_CLOCK = "CONDUCTED_STORE_CLOCK"
_NUMBERS = struct.Struct("<III")
_NUMBER = struct.Struct("<I")
_LOOK_S = 0.003


class Order(IntEnum):
    """What becomes of a node's turns."""

    PASS = 0
    #: Turns wait, but for `left` of them.
    HOLD = 1
    #: The process is killed as soon as its turns have told of `left` messages, each answered by the store.
    KILL_WHEN_TOLD = 2
    #: The store applies a turn that tells of hand-overs, or asks to let something die, and its answer is lost.
    LOSE_TOLD = 3
    LOSE_DUE = 4
    #: The log before the process began is not loaded yet; and no turn is taken either.
    HOLD_LOAD = 5
    HOLD_ALL = 6


class Orders:
    """The file, on either side. `struck`: how often the order that was given last took effect."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_bytes(_NUMBERS.pack(0, 0, 0))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _NUMBERS.size)

    def give(self, order: Order, left: int = 0) -> None:
        """From now on."""
        self._map[:] = _NUMBERS.pack(order, left, 0)

    @property
    def order(self) -> Order:
        """The order of the moment."""
        return Order(_NUMBERS.unpack(self._map)[0])

    @property
    def left(self) -> int:
        """Its number."""
        return int(_NUMBERS.unpack(self._map)[1])

    @left.setter
    def left(self, left: int) -> None:
        self._map[4:8] = _NUMBER.pack(left)

    @property
    def holds(self) -> bool:
        """Whether a turn waits now."""
        return self.order is Order.HOLD_ALL or (self.order is Order.HOLD and not self.left)

    @property
    def struck(self) -> int:
        """How often it took effect."""
        return int(_NUMBERS.unpack(self._map)[2])

    def strike(self) -> None:
        """It took effect."""
        self._map[8:12] = _NUMBER.pack(self.struck + 1)


class Between:
    """The dead letters of a store, as far as a node's turns go."""

    def __init__(self, letters: Letters, orders: Orders) -> None:
        self.shared = letters.shared
        self._letters = letters
        self._orders = orders
        self._told: set[Position] = set()

    async def begin(self, node: str, start: str) -> Begun:
        """As it is."""
        return await self._letters.begin(node, start)

    async def settle(self, turn: Turn) -> Settled:
        """As ordered."""
        orders = self._orders
        while orders.holds:  # noqa: ASYNC110  another process gives the orders
            await asyncio.sleep(_LOOK_S)
        answer = await self._letters.settle(turn)
        self._told.update(one.position for one in turn.handed)
        match orders.order:
            case Order.HOLD if orders.left:
                orders.left -= 1
                orders.strike()
            case Order.KILL_WHEN_TOLD if len(self._told) >= orders.left:
                os.kill(os.getpid(), signal.SIGKILL)
            case Order.LOSE_TOLD if turn.handed:
                self._lose()
            case Order.LOSE_DUE if turn.due:
                self._lose()
        return answer

    def _lose(self) -> None:
        self._orders.strike()
        raise UnknownOutcomeError("the answer was lost")


def conduct(orders: Orders) -> None:
    """From now on nodes of this process are under orders."""
    begin, load = DeadLetters.__init__, DeadLetters._load_page

    def under_orders(self: DeadLetters, *given: Any) -> None:
        begin(self, *given)
        if self._letters is not None:
            vars(self)["_letters"] = Between(self._letters, orders)

    async def load_page(self: DeadLetters, at: Cursor, decided: Position, through: Position) -> Cursor:
        while orders.order in (Order.HOLD_LOAD, Order.HOLD_ALL):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        return await load(self, at, decided, through)

    DeadLetters.__init__ = under_orders  # type: ignore[method-assign,assignment]
    DeadLetters._load_page = load_page  # type: ignore[method-assign]


def give_the_time() -> None:
    """From now on the time of a Redis is what the wall clocks of its nodes say, which a test sets all at once.

    No other way leads to it: libfaketime does not stand beside the allocator of Redis.
    """
    opened = RedisStore.__init__

    def timed(self: RedisStore, *given: Any, **named: Any) -> None:
        opened(self, *given, **{**named, "now_ms": lambda: int(time.time() * 1000)})

    RedisStore.__init__ = timed  # type: ignore[method-assign]


def serve() -> None:
    """Be the hub."""
    if STORE_CLOCK in os.environ:
        give_the_time()
    if ORDERS_FILE in os.environ:
        conduct(Orders(Path(os.environ[ORDERS_FILE])))
    if stepped.OFFSET_FILE in os.environ:
        stepped.install()
    app_main()


if __name__ == "__main__":
    serve()

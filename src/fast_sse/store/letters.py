"""The contract of dead letters: the second thing that a store keeps, and the only one that decides over nodes.

The log says what there is to deliver; each node says once a turn how far it has delivered it; a dead letter is what is
left. A node tells the store in one call: I have looked through the log up to here (`through`); of that, these I handed over
(`handed`); these are due, and I know of no node that handed them over (`due`). The store, in one atomic step, makes letters
of what is due and nowhere told as handed over, and answers with what other nodes told since.

A *receipt* is what is kept of a turn: positions that were handed over (or decided), for as long as one of them is above
`decided`, the place below which nothing waits, and for as long as the other nodes need to hear of it. A *turner* is one
process of a node: (node, start).

One turn is applied in this order:

1. A turn of the same (node, start) with a number that is known changes nothing, and is answered like the first time as far
   as that is still known. Else the turner's `through`, `every_ms`, `decides` and the time are noted.
2. `handed` and `acks` become a receipt when any of their positions is above `decided`, or when another turner is on the
   list, which is to hear of them. Letters among the handed ones are removed and counted as late.
3. Each `due` is void when it is at or below `decided`, in a receipt after `seen`, a letter already, gone from the log, or
   there with another fingerprint. Else the log's record becomes a letter, and its position goes into this turn's receipt:
   so a letter that is purged never comes back.
4. `late`: letters that are removed, counted as late.
5. `decided` moves up, never back, and only by a turn that decides, unless no turner that is on the list decides. Receipts
   wholly at or below it go: once they are older than three `every_ms` of their turner, or, when no other turner is on the
   list, those that this one told or has heard (`seen`). (Where all that a node took is handed over, its turn moves `decided`
   over its own receipt: what goes at once nobody else would hear of, neither counts nor acks.)
6. Bounds: the oldest letters go, counted by why. Messages and poison are bounded apart.

`maybe_delivered` of a letter is true when a turner on the list is not *current* (its last turn is older than three of its
`every_ms` by store time, or its `through` is below the position) and the position is not above its `upto`. `upto` is open
while the process may live; `begin` of the next process of that node name sets it to the newest place.

A turner is on the list from `begin` on: until its first turn its `through` is 0, and it counts as one that decides. It leaves
the list with its goodbye, when `decided` is at or above its `upto`, or when it was silent for 2 grace + 60 s (grace of the
turn that is applied). Its silence begins with the first turn of another one, or the first `begin`, that is further than its
`through`, and ends with its next turn: who is idle with all the others has nothing to tell, and stays. Times that lie
ahead of the store's clock, because it was set back, become its now with the next turn of anybody.

All methods are called on the event loop's thread and never block it. Errors are the store's own: UnavailableError;
NotStoredError and DiskFullError (nothing of it happened); UnknownOutcomeError (do it again: each call is idempotent);
StoreClosedError after `close` of the store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position
from fast_sse.model.letter import Letter, Poison, Reason

#: Bounds of what one turn says; what is more waits for the next one, at once.
HANDED_MAX = 20_000
DUE_MAX = 500
#: KiB of data of what one turn calls due, about (or one larger record): a store makes its letters in one step, and publishes wait.
DUE_KIB_MAX = 8_192
LATE_MAX = 2_000
#: Bytes of receipts that one answer holds, about.
RECEIPT_BYTES_MAX = 1 << 20
#: A turner is current for so many of its own turns.
CURRENT_TURNS = 3
#: Seconds, beside twice the grace, after which a silent turner leaves the list.
SILENCE_S = 60.0
#: Letters that a page holds, and one call drops, at most.
PAGE_MAX = 1000

Drop = Literal["count", "bytes", "age"]


class LetterBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept: messages by count, bytes and age; poison by its own count, a quarter of the bytes, and age.

    A message weighs what it weighs in the log (`store.record.weight`), poison the bytes of it that are kept and OVERHEAD_BYTES.
    What is exactly at a bound stays. One call removes at most 1,000 letters more than it brought in.
    """

    max_count: int = 100_000
    max_bytes: int = 64 << 20
    max_age_s: float = 604_800.0
    poison_max: int = 10_000

    @property
    def poison_bytes_max(self) -> int:
        """Bytes of poison: a flood of it pushes no message out."""
        return self.max_bytes // 4


class Handed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record that a node wrote to `count` sockets since it told last."""

    position: Position
    count: int


class Ack(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A client's word that it has a message. The name is the client's own."""

    position: Position
    client: str


class Due(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record that waited for its grace. The fingerprint says that it is still the same one."""

    position: Position
    fingerprint: str = ""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What one node says in one step.

    Attributes:
        node, start: the process; `start` is random for each.
        number: counts up by one with each turn of this process; one that is sent again has the same number and content.
        every_ms: milliseconds between its turns.
        grace_s: of this node.
        decides: whether it makes letters (`dead_letters.enabled`).
        through: the last message that it looked at.
        decided: the place before the oldest one that waits on this node after this turn; its `through` when none does;
            None while it has not loaded what waits yet.
        seen: `Settled.seen` of its last turn, or that of `begin`.
        late: ids of letters whose message was handed over after all.
        goodbye: the process tells no more.
    """

    node: str
    start: str
    number: int
    every_ms: int
    grace_s: float
    through: Position
    decided: Position | None
    seen: str
    decides: bool = True
    handed: Sequence[Handed] = ()
    due: Sequence[Due] = ()
    late: Sequence[str] = ()
    acks: Sequence[Ack] = ()
    goodbye: bool = False


class Receipt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What another process told: what it handed over, what was decided by its turn, and acks."""

    node: str
    handed: Sequence[Handed] = ()
    decided: Sequence[Position] = ()
    acks: Sequence[Ack] = ()


class Turner(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A process on the list. `current`: its last turn is no older than three of its own."""

    node: str
    start: str
    through: Position
    current: bool


class Tally(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The letters in numbers: how many by reason, what they weigh, the oldest `dead_ms` (0: none), and what this store object
    dropped since it was opened, by why.
    """

    by_reason: Mapping[Reason, int]
    size_bytes: int
    oldest_ms: int
    dropped: Mapping[Drop, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_reason.values())


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """Where a process begins.

    Attributes:
        decided: nothing at or below it waits. On a new or upgraded log, and after a change of epoch, the newest place.
        newest: the newest place.
        receipts: those with a position above `decided`.
        seen: to be shown in the first turn.
        letters: positions of the letters of messages of this epoch.
        tally: the letters in numbers.
    """

    decided: Position
    newest: Position
    receipts: Sequence[Receipt]
    seen: str
    letters: Sequence[Position]
    tally: Tally


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a turn.

    Attributes:
        dead: positions that this turn made letters of, with the reason and whether it may have been delivered.
        late: letters that this turn removed because their message was handed over.
        receipts: what other processes told since `Turn.seen`, and what their turns decided.
        seen: to be shown in the next turn.
        more: receipts were left out for their size: tell again at once.
        turners: the list, this process included.
        tally: the letters in numbers, after this turn.
    """

    dead: Sequence[tuple[Position, Reason, bool]]
    late: int
    receipts: Sequence[Receipt]
    seen: str
    more: bool
    turners: Sequence[Turner]
    tally: Tally


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters are asked for; None asks for all. Milliseconds are those of `dead_ms`: after <= dead_ms < before."""

    reason: Reason | None = None
    event_id: str | None = None
    event_type: str | None = None
    after_ms: int | None = None
    before_ms: int | None = None
    newest_first: bool = True


class LetterPage(msgspec.Struct, frozen=True, kw_only=True):
    """Heads in order. May be short while `next` is set; `next` is the cursor of the following page, None at the end."""

    items: Sequence[Letter]
    next: str | None
    #: Of all letters, whatever was asked for.
    total: int


class Letters(ABC):
    """The dead letters of a store, opened and closed with it."""

    #: Whether other processes may hand over what this log holds: then a node tells every turn while anything waits.
    shared: bool

    @abstractmethod
    async def begin(self, node: str, start: str) -> Begun:
        """A process of this node begins, and is on the list; earlier ones of its name are closed at the newest place.

        The same process again: no effect.
        """

    @abstractmethod
    async def settle(self, turn: Turn) -> Settled:
        """Apply one turn, atomically; again with the same number: no effect."""

    @abstractmethod
    async def keep(self, poison: Poison) -> bool:
        """Keep bytes that cannot become a message, within the bounds of their reason. False: there already (same id)."""

    @abstractmethod
    async def list(self, wanted: Wanted, after: str, count: int) -> LetterPage:
        """Heads after a cursor of a page (empty: from the beginning), at most `count` of them.

        A list is no snapshot: what dies meanwhile may be missed, nothing comes twice.

        Raises:
            BadRequestError: the cursor is not one of a page of the same order.
        """

    @abstractmethod
    async def get(self, letter_id: str) -> Letter | None:
        """One letter, whole. None when there is none, or what was kept of it is damaged."""

    @abstractmethod
    async def drop(self, ids: Sequence[str]) -> int:
        """Remove letters, at most PAGE_MAX; how many were there."""

    @abstractmethod
    async def erase(self, target: Channel) -> int:
        """Remove the letters of exactly this channel; how many. Asked again after an error, it goes on."""

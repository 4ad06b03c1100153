"""The dead letters in Redis: each call is one script, so all nodes see the same letters, and each turn is one atomic step.

The scripts do what `store/letters.py` says, in its order. A full memory refuses a turn as a whole, and a turn whose answer was
lost is sent again under its number. Time is the server's. `lua/prelude.lua` documents the keys.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import AsyncIterator, Callable, Sequence

from fast_sse.model.channel import Channel
from fast_sse.model.cursor import Position, epoch_text
from fast_sse.model.errors import BadRequestError, UnavailableError, UnknownOutcomeError
from fast_sse.model.letter import RAW_BYTES_MAX, Letter, Poison
from fast_sse.store import letters as contract
from fast_sse.store.letters import (
    PAGE_MAX,
    Begun,
    Drop,
    LetterBounds,
    LetterPage,
    Letters,
    Receipt,
    Settled,
    Turn,
    Wanted,
)
from fast_sse.store.redis.codec import position_of
from fast_sse.store.redis.errors import LostError
from fast_sse.store.redis.letter_codec import (
    REASONS,
    bound_words,
    id_of,
    letter_of,
    position_in,
    receipt_of,
    tally_of,
    turn_words,
    turners_of,
    whole,
)
from fast_sse.store.redis.link import Link
from fast_sse.store.redis.wire import Reply, Word

_log = logging.getLogger(__name__)

#: Receipts that are kept for each process on the list, at most: more than one makes within the longest grace.
RECEIPTS_MAX = 10_000
#: Heads that one call of a list or an erasure looks at, at most: Redis does nothing else meanwhile.
LOOKED_AT_MAX = 1_000
#: Receipts and members that one command of `begin` reads.
_RECEIPTS_READ = 16
_MEMBERS_READ = 2_000
#: A cursor of a page: the order, and the member of the last letter.
_CURSOR = re.compile(r"([no])\.(\d{20}-\d{20}/[!-~]{1,160})\Z", re.ASCII)


class RedisLetters(Letters):
    """The letters below one prefix.

    Attributes:
        node: the name of the node that began last; it is the one that keeps what this store cannot read.
        receipts_forgotten: receipts that were forgotten before everything up to them was decided, for there were too many.
    """

    shared = True

    def __init__(
        self,
        link: Link,
        prefix: str,
        bounds: LetterBounds,
        now_text: Callable[[], str],
        check_open: Callable[[], None],
    ) -> None:
        """`now_text`: the store's time, empty for the server's own. `check_open` raises StoreClosedError."""
        self._link = link
        self._prefix = f"{{{prefix}}}:"
        self._bounds = bounds
        self._now_text = now_text
        self._check_open = check_open
        self._dropped: dict[Drop, int] = {}
        self._epoch = ""
        self.node = ""
        self.receipts_forgotten = 0

    # -- turns --------------------------------------------------------------------------------------

    async def begin(self, node: str, start: str) -> Begun:
        """One script, then pages of what it found: receipts that come meanwhile are those of the first turn."""
        reply = await self._call("begin", self._now_text(), node, start, self._epoch)
        epoch, decided, newest, last, tally = (*map(bytes.decode, reply[:4]), reply[4])
        self.node, self._epoch = node, epoch
        base = f"{self._prefix}{epoch}:"
        return Begun(
            decided=position_of(decided),
            newest=position_of(newest),
            receipts=[one async for one in self._receipts(f"{base}turns", last, position_of(decided))],
            seen=f"{epoch}.{last}",
            letters=[one async for one in self._positions(f"r1.{epoch}.")],
            tally=tally_of(tally, self._dropped),
        )

    async def _receipts(self, key: str, last: str, decided: Position) -> AsyncIterator[Receipt]:
        first = "-"
        while found := await self._link.command("XRANGE", key, first, last, "COUNT", _RECEIPTS_READ):
            for _, fields in found:
                by, _, top, _, handed, told, acks = fields[1::2]
                if position_of(top) > decided:
                    yield receipt_of(by, handed, told, acks)
            first = f"({found[-1][0].decode()}"

    async def _positions(self, of_epoch: str) -> AsyncIterator[Position]:
        key, first = f"{self._prefix}letter_order", "-"
        while found := await self._link.command("ZRANGEBYLEX", key, first, "+", "LIMIT", 0, _MEMBERS_READ):
            for member in found:
                if id_of(member).startswith(of_epoch):
                    yield position_in(member)
            first = f"({found[-1].decode()}"

    async def settle(self, turn: Turn) -> Settled:
        """One script."""
        words = turn_words(turn, self._bounds, RECEIPTS_MAX, contract.RECEIPT_BYTES_MAX)
        epoch, dead, late, told, seen, more, turners, tally, forgotten = await self._call(
            "settle", self._now_text(), *words
        )
        if forgotten:
            self.receipts_forgotten += forgotten
            _log.error(
                "%d receipts of other nodes were forgotten: look for a node that stood still; some messages become no dead letters",
                forgotten,
            )
        settled = Settled(
            dead=[(position_of(place), REASONS[reason], bool(maybe)) for place, reason, maybe in dead],
            late=late,
            receipts=[receipt_of(*one) for one in told],
            seen=f"{epoch.decode()}.{seen.decode()}",
            more=bool(more),
            turners=turners_of(turners),
            tally=tally_of(tally, self._dropped),
        )
        self._dropped = dict(settled.tally.dropped)
        return settled

    # -- letters ------------------------------------------------------------------------------------

    async def keep(self, poison: Poison) -> bool:
        """One script."""
        source = poison.source
        kept, tally = await self._call(
            "letters",
            *("keep", self._now_text(), *bound_words(self._bounds)),
            *(
                poison.id,
                *(poison.channel or ("", "")),
                poison.description.encode("utf-8", "replace"),
                poison.node or self.node,
                len(poison.raw),
            ),
            *(source.kind, source.queue, source.place, poison.sha256),
            *(poison.raw[:RAW_BYTES_MAX], poison.reason),
        )
        self._dropped = dict(tally_of(tally, self._dropped).dropped)
        return bool(kept)

    async def list(self, wanted: Wanted, after: str, count: int) -> LetterPage:
        """One script, which reads heads and no bodies."""
        order, member = _parsed(after, wanted)
        filters = (wanted.reason, wanted.event_id, wanted.event_type, wanted.after_ms, wanted.before_ms)
        total, following, found = await self._call(
            "letters",
            *("list", "newest" if wanted.newest_first else "oldest", member, min(count, PAGE_MAX)),
            *(LOOKED_AT_MAX, *("" if one is None else one for one in filters)),
        )
        heads = zip(found[::2], found[1::2], strict=True)
        items = [letter_of(id_of(one), head) for one, head in heads]
        return LetterPage(
            items=[one for one in items if one is not None],
            next=f"{order}.{following.decode()}" if following else None,
            total=total,
        )

    async def get(self, letter_id: str) -> Letter | None:
        """One script."""
        found = await self._call("letters", "get", letter_id)
        if not found:
            return None
        head, body = found
        letter = letter_of(letter_id, head)
        return None if letter is None else whole(letter, body)

    async def drop(self, ids: Sequence[str]) -> int:
        """One script."""
        return int(await self._call("letters", "drop", *ids[:PAGE_MAX]))

    async def erase(self, target: Channel) -> int:
        """Scripts that look at so many letters each, through all of them: there is no index of letters by channel."""
        erased, member = 0, b""
        while True:
            gone, member = await self._call("letters", "erase", *target, member, LOOKED_AT_MAX)
            erased += int(gone)
            if not member:
                return erased

    # -- scripts ------------------------------------------------------------------------------------

    async def _call(self, name: str, *arguments: Word) -> Reply:
        self._check_open()
        words: list[Word] = [f"{self._prefix}meta", self._prefix, epoch_text(secrets.randbits(64))]
        words += [one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one for one in arguments]
        try:
            return await self._link.call(name, words)
        except UnavailableError as error:
            if isinstance(error.__cause__, LostError):
                raise UnknownOutcomeError("the connection to Redis was lost before the answer") from error
            raise


def _parsed(after: str, wanted: Wanted) -> tuple[str, str]:
    """The order of a page, and the member after which it begins."""
    order = "n" if wanted.newest_first else "o"
    if not after:
        return order, ""
    found = _CURSOR.match(after)
    if found is None or found[1] != order:
        raise BadRequestError("the cursor is not one of a list of dead letters in this order")
    return order, found[2]

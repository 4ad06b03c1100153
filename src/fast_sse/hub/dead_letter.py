"""Dead letters: once a turn this node tells its store how far it handed over the log, and what is left becomes letters.

The grace of a message begins when this node took it from the log, and runs only while this node takes turns that its store
answers: so neither an outage, nor a process that stood still, nor any clock that is set makes a message overdue at once.
What was undecided when the process began gets a new grace.

    begin -> the log after `decided` is loaded in the background -> turn after turn -> goodbye
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from fast_sse.hub.acks import Acks
from fast_sse.hub.fanout import Fanout
from fast_sse.hub.report import LetterReport
from fast_sse.hub.supervised import supervised
from fast_sse.hub.telling import LetterRules, Telling
from fast_sse.model.backoff import Backoff
from fast_sse.model.channel import Channel, Filter
from fast_sse.model.cursor import KINDS, NO_FINGERPRINT, Cursor, Position
from fast_sse.model.errors import FastSseError, HeldError, StoreClosedError, UnavailableError
from fast_sse.model.limits import Limits
from fast_sse.observe.metrics import Sample
from fast_sse.observe.observer import NodeNameAwaited, NodeNameShared, Observer
from fast_sse.store.base import Store
from fast_sse.store.letters import CURRENT_TURNS, Begun, Turn

#: How long the end of a process waits for its last turn to be taken.
GOODBYE_S = 2.0
#: A letter that is past its age and stays (another node keeps letters for longer) is worth a turn this often.
_AGED_S = 60.0
_EVERYTHING = Filter.of(Channel("*", "*"))


class DeadLetters:
    """The turns of one process. `begin` before the hub follows its log, `start` then, `close` after its last hand-over.

    Args:
        who: the node's name, and a text that is another one for each process.
        now_ms: the store's time.
    """

    def __init__(
        self,
        store: Store,
        fanout: Fanout,
        acks: Acks,
        rules: LetterRules,
        limits: Limits,
        observer: Observer,
        who: tuple[str, str],
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._letters = store.letters
        self._fanout = fanout
        self._handover = fanout.handover
        self._acks = acks
        self._rules = rules
        self._limits = limits
        self._observer = observer
        self._node, self._start = who
        self._loop = asyncio.get_running_loop()
        self.shared = self._letters.shared
        self.telling = Telling(self._handover, fanout.tail, acks, rules, who, shared=self.shared)
        self.report = LetterReport(observer, self._loop.time, self._handover.waiting.dropped)
        self._begun: Begun | None = None
        self._leaps = 0
        #: When a pass last began, whether it went well, and when one last did.
        self._last_s = self._answered_s = self._loop.time()
        self._answered = False
        self._warned = False
        #: The number of letters and the oldest of them when a turn was taken for their age, and when that was.
        self._aged = (0, 0)
        self._aged_s = 0.0
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._loading: asyncio.Task[None] | None = None
        self._handover.heard = set()
        self._handover.keep(rules.ignored, rules.waiting_max)

    @property
    def waiting(self) -> int:
        """Messages that wait on this node for a hand-over or a decision."""
        return len(self._handover.waiting)

    @property
    def keep_after(self) -> Position | None:
        """Trimming takes nothing after this place; None where nothing must be kept any more."""
        if self._begun is None or not (self._rules.enabled or self.shared):
            return None
        if self._loop.time() - self._answered_s > self._rules.patience_s:
            return None
        waiting = self._handover.waiting
        since_s = waiting.since_s
        if since_s is not None and self._handover.lived_s - since_s > self._rules.patience_s:
            return None
        if self._handover.heard is not None:
            return self._begun.decided
        firsts = [*self._handover.asked, *(() if waiting.first is None else (waiting.first,))]
        return min(firsts) - 1 if firsts else self._handover.swept

    def samples(self) -> Iterator[Sample]:
        """The dead letters in numbers."""
        text = "Messages that wait on this node for a hand-over or a decision."
        yield Sample("dead_letters_waiting", "gauge", text, self.waiting)
        yield Sample("acks_total", "counter", "Acks that this node took.", self._acks.total)
        yield from self.report.samples()

    def notify(self, _fact: object) -> None:
        """An operator changed the letters: their numbers are asked for anew, with the next turn."""
        self.telling.changed = True

    # -- life ---------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Say to the store that this process begins. A store that is away is asked again later.

        Raises:
            HeldError: another process of this name lives.
        """
        try:
            await self._begin()
            if self.shared:
                await self._be_the_only_one()
        except StoreClosedError:
            raise
        except UnavailableError as error:
            self.report.failed(error.message)

    def start(self) -> None:
        """Take turns from now on. The hub has begun to follow the log."""
        self._load_in_background()
        self._tasks.append(self._loop.create_task(self._run(), name="dead letters"))

    async def close(self) -> None:
        """Tell what is left, and that it is all; a store that is away hears nothing of it."""
        self._ending.set()
        if self._loading is not None:
            self._loading.cancel()
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        _, slow = await asyncio.wait(tasks, timeout=GOODBYE_S)
        for task in slow:
            task.cancel()
            await asyncio.wait([task])
        if self._begun is not None:
            with contextlib.suppress(FastSseError, TimeoutError):
                async with asyncio.timeout(GOODBYE_S):
                    self._handover.sweep_all()
                    while await self._turn():
                        pass
                    await self._turn(goodbye=True)
        self.report.tell()

    async def _begin(self) -> None:
        leaps = self._handover.leaps
        self._begun = begun = await self._letters.begin(self._node, self._start)
        if leaps != self._leaps:
            self._leaps = leaps
            self._acks.clear()
        self.report.tally = begun.tally
        self.telling.begin(begun)

    async def _be_the_only_one(self) -> None:
        """Wait until a process of this name that was killed just now counts as gone; one that goes on is alive."""
        assert self._begun is not None
        self._handover.swept = self._handover.swept or self._begun.newest
        for waited in range(CURRENT_TURNS + 2):
            await self._turn(even_if_nothing=True)
            if not self.telling.twins():
                return
            if not waited:
                self._observer.notify(NodeNameAwaited(self._node))
            await asyncio.sleep(self._rules.turn_s)
        raise HeldError("node", "is the name of another process that shares this store; give each its own")

    # -- what was there before ----------------------------------------------------------------------

    def _load_in_background(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
        if self._begun is None:
            return
        assert self._handover.origin is not None
        work = self._load(self._begun.decided, self._handover.origin)
        self._loading = self._loop.create_task(work, name="waiting messages are loaded")

    async def _load(self, decided: Position, through: Cursor) -> None:
        """Read the log after `decided` up to where this node began; what no receipt settled waits."""
        at: Cursor | None = None
        done, leaps = False, self._handover.leaps

        async def attempt() -> None:
            nonlocal at, done
            try:
                if at is None:
                    at = await self._place(decided, through)
                while at.position < through.position and leaps == self._handover.leaps:
                    at, before = await self._load_page(at, decided, through.position), at
                    if at.position <= before.position:
                        break
                    await asyncio.sleep(0)
                done = True
                if leaps == self._handover.leaps:
                    self._handover.loaded()
            except StoreClosedError:
                raise
            except UnavailableError as error:
                self.report.failed(error.message)

        waits = Backoff(self._limits.retry_store_s, self._limits.retry_store_s_max)
        await supervised(
            "waiting messages", attempt, self._observer, waits, progress=lambda: at, ended=lambda: done
        )

    async def _load_page(self, at: Cursor, decided: Position, through: Position) -> Cursor:
        limits, handover = self._limits, self._handover
        page = await self._store.read(_EVERYTHING, at, limits.page_records_max, limits.page_bytes_max)
        for record in page.records:
            if decided < record.position <= through:
                handover.load(record)
        handover.waiting.let_go()
        return page.through

    async def _place(self, position: Position, log: Cursor) -> Cursor:
        """The cursor of a place of the log, whether a record stands there or not."""
        if KINDS[log.kind].plain:
            return log.at(position)
        record = await self._store.get(position)
        return log.at(position, NO_FINGERPRINT if record is None else record.fingerprint)

    # -- turns --------------------------------------------------------------------------------------

    async def _run(self) -> None:
        every_s = self._rules.turn_s
        await supervised(
            "dead letters",
            self._pass,
            self._observer,
            Backoff(every_s, every_s),
            wait=self._wait,
            ended=self._ending.is_set,
        )

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    async def _pass(self) -> None:
        """Sweep, and take as many turns as there is something to say."""
        now_s = self._loop.time()
        if self._answered:
            self._handover.lived_s += min(now_s - self._last_s, 2 * self._rules.turn_s)
        self._last_s, self._answered = now_s, False
        try:
            if self._begun is None or self._leaps != self._handover.leaps:
                await self._begin()
                self._load_in_background()
            self.telling.changed |= self._has_aged(now_s)
            while self._handover.sweep():  # noqa: ASYNC110  between slices the others have their turn
                await asyncio.sleep(0)
            while await self._turn():  # noqa: ASYNC110
                await asyncio.sleep(0)
            self._answered, self._answered_s = True, now_s
        except StoreClosedError:
            raise
        except UnavailableError as error:
            self.telling.failed(error)
            self.report.failed(error.message)
        finally:
            self.report.tell()

    def _has_aged(self, now_s: float) -> bool:
        """Whether the oldest letter is past its age: a store removes them at turns, so an idle node takes one for that."""
        tally = self.report.tally
        if tally is None or not tally.oldest_ms:
            return False
        if self._now_ms() - tally.oldest_ms <= self._rules.max_age_s * 1000:
            return False
        aged = (tally.total, tally.oldest_ms)
        if aged == self._aged and now_s - self._aged_s < _AGED_S:
            return False
        self._aged, self._aged_s = aged, now_s
        return True

    async def _turn(self, *, goodbye: bool = False, even_if_nothing: bool = False) -> bool:
        """Take one turn, unless there is nothing to say; whether the next one should follow at once."""
        self.telling.changed |= even_if_nothing
        again = self.telling.under_way is not None
        turn = self.telling.next_turn(goodbye=goodbye)
        if turn is None:
            return False
        began_s = self._loop.time()
        answer = await self._letters.settle(turn)
        self.report.took(self._loop.time() - began_s, answer)
        return self._heard(turn, self.telling.settled(turn, answer)) or again

    def _heard(self, turn: Turn, more: bool) -> bool:
        """After an answer: two processes of one name spoil what `maybe_delivered` says, so that is loud."""
        old = (
            turn.number > CURRENT_TURNS + 2
            and self._handover.lived_s > (CURRENT_TURNS + 2) * self._rules.turn_s
        )
        if old and not self._warned and self.telling.twins():
            self._warned = True
            self._observer.notify(NodeNameShared(self._node))
        return more

"""What the dead letters of a node let operators see: lines of the log and numbers, and never the content of a message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from fast_sse.observe.metrics import Sample, counted
from fast_sse.observe.observer import (
    LettersDropped,
    LettersMade,
    Observer,
    TurnsFailed,
    TurnsRecovered,
)
from fast_sse.store.letters import Drop, Settled, Tally

#: Between two lines of one kind, at least.
QUIET_S = 10.0


class LetterReport:
    """Counts since the start, and facts: of letters at most one each QUIET_S, the first drop of each kind at once."""

    def __init__(self, observer: Observer, clock: Callable[[], float], dropped: Mapping[str, int]) -> None:
        """`dropped`: what this node let go while it waited, by why."""
        self._observer = observer
        self._clock = clock
        self._let_go = dropped
        self.tally: Tally | None = None
        self.made: Counter[str] = Counter()
        self.maybe = self.late = 0
        self._turns: Counter[str] = Counter(ok=0, failed=0)
        self._turn_s = 0.0
        self._failing = False
        self._new: Counter[str] = Counter()
        self._last_s = -QUIET_S
        self._named: Counter[str] = Counter()
        self._dropped_s: dict[str, float] = {}

    def failed(self, error: str) -> None:
        """A turn was not taken. One fact for each trouble."""
        self._turns["failed"] += 1
        if not self._failing:
            self._failing = True
            self._observer.notify(TurnsFailed(error))

    def took(self, seconds: float, answer: Settled) -> None:
        """A turn was taken."""
        self._turns["ok"] += 1
        self._turn_s = seconds
        if self._failing:
            self._failing = False
            self._observer.notify(TurnsRecovered())
        self.tally = answer.tally
        self.late += answer.late
        for _, reason, maybe in answer.dead:
            self.made[reason] += 1
            self.maybe += maybe
            self._new[reason] += 1
            self._new["maybe"] += maybe

    def tell(self) -> None:
        """Say what there is to say, unless the last word was just now."""
        now_s = self._clock()
        if self._new and now_s - self._last_s >= QUIET_S:
            new, self._new, self._last_s = self._new, Counter(), now_s
            self._observer.notify(LettersMade(new["no_subscriber"], new["expired"], new["maybe"]))
        for why, count in self.dropped.items():
            fresh = count - self._named[why]
            if fresh > 0 and now_s - self._dropped_s.get(why, -QUIET_S) >= QUIET_S:
                self._named[why], self._dropped_s[why] = count, now_s
                self._observer.notify(LettersDropped(why, fresh))

    @property
    def dropped(self) -> dict[str, int]:
        """Letters that nobody will see, by why."""
        kept: Mapping[Drop, int] = {} if self.tally is None else self.tally.dropped
        return {"count": 0, "bytes": 0, "age": 0, **{why: kept[why] for why in kept}, **self._let_go}

    def samples(self) -> Iterator[Sample]:
        """What died, what was dropped, and how the turns go."""
        if self.tally is not None:
            text = "Dead letters that the store keeps."
            for reason in ("no_subscriber", "expired", "poison"):
                count = self.tally.by_reason.get(reason, 0)
                yield Sample("dead_letters", "gauge", text, count, (("reason", reason),))
            yield Sample(
                "dead_letters_bytes",
                "gauge",
                "Bytes of the dead letters that the store keeps.",
                self.tally.size_bytes,
            )
            text = "When the oldest of them died, in milliseconds since 1970; 0 without letters."
            yield Sample("dead_letters_oldest_ms", "gauge", text, self.tally.oldest_ms)
        made = {"no_subscriber": 0, "expired": 0, **self.made}
        yield from counted(
            "dead_letters_made_total", "Messages that this node's turns let die.", "reason", made
        )
        text = "Of them, messages that a node may have handed over without telling."
        yield Sample("dead_letters_maybe_total", "counter", text, self.maybe)
        text = "Dead letters removed because their message was handed over after all."
        yield Sample("dead_letters_late_total", "counter", text, self.late)
        text = "Dead letters that nobody will see."
        yield from counted("dead_letters_dropped_total", text, "why", self.dropped)
        yield from counted("turns_total", "Turns that the store was told.", "outcome", self._turns)
        yield Sample("turn_seconds", "gauge", "How long the last turn took.", self._turn_s)

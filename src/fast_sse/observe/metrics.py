"""What a part of the hub lets operators count: numbers that it keeps anyway, read when an operator asks.

A part has a method that yields samples, and the node takes that method as a sampler. Nothing is pushed, and
nothing is done per message for a number's sake: the work is done by the reader, a few times a minute.

Labels are words of ours from a short list (a reason, a code, an outcome). Text that a client chose, such as a channel,
is never one: each new value would be a new series that stays for the life of the monitoring (CWE-770).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge"]


class Sample(NamedTuple):
    """One number of this moment.

    Attributes:
        name: without prefix, units last: `follower_lag_positions`. A counter's ends in `_total`.
        kind: `counter` only grows while the process lives; `gauge` goes up and down.
        help: one sentence for a reader of the exposition.
        labels: pairs of a name and one of a few words of ours.
    """

    name: str
    kind: Kind
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


#: Yields its samples when it is asked, on the event loop's thread; never blocks.
Sampler = Callable[[], Iterable[Sample]]


def counted(name: str, text: str, label: str, counts: Mapping[str, int]) -> Iterable[Sample]:
    """One counter for each word of a table."""
    return [Sample(name, "counter", text, count, ((label, word),)) for word, count in sorted(counts.items())]

"""One judge over the dead letters of a run: what was handed to nobody against what every node says has died.

It knows nothing of the hub but what an operator sees. A run says which messages no subscriber was ever handed, and which
subscribers saw; each node says which letters there are, and how many it let die. Then five defects have names:

    missing   handed to nobody, and not among the letters
    doubled   listed twice by a node, not the same on all nodes, decided more often than once, or back after a purge
    false     a subscriber saw it, and a letter says without doubt that nobody did; or said so until it was removed
    stray     a letter of no message of this run
    empty     no letter was due and none is there: nothing was checked

A letter that says `maybe_delivered` of a message that was seen is no defect; it is counted as `marked`.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

KINDS = ("missing", "doubled", "false", "stray", "empty")


class Letter(NamedTuple):
    """A dead letter as a node lists it."""

    id: str
    maybe: bool
    dead_ms: int
    published_ms: int
    node: str

    @classmethod
    def of(cls, head: dict[str, Any]) -> Letter:
        """From the JSON of the admin listener."""
        return cls(
            *(head["id"], head["maybe_delivered"], head["dead_ms"], head["published_ms"], head["node"])
        )


class Told(NamedTuple):
    """What one node says: the letters it lists, and what it counted since its process began."""

    letters: Sequence[Letter]
    made: int = 0
    made_in_doubt: int = 0
    late: int = 0


@dataclass
class Verdict:
    """What was found, and of how many."""

    due: int
    letters: dict[str, Letter]
    defects: dict[str, list[str]]
    marked: set[str] = field(default_factory=set)

    @property
    def found(self) -> set[str]:
        """Kinds of defects that were found."""
        return {kind for kind in KINDS if self.defects[kind]}

    @property
    def latency_ms(self) -> list[int]:
        """From the publish to the decision, by store time, in order."""
        return sorted(letter.dead_ms - letter.published_ms for letter in self.letters.values())

    @property
    def figure(self) -> str:
        """In words, for the book."""
        counts = ", ".join(f"{kind} {len(self.defects[kind]):,}" for kind in KINDS if self.defects[kind])
        waits = self.latency_ms
        latency = ""
        if waits:
            latency = f"; decided after {waits[0]} to {waits[-1]} ms, median {statistics.median(waits):.0f}"
        return (
            f"{counts or 'no defect'} in {self.due:,} messages due, {len(self.letters):,} letters, {len(self.marked):,} of them "
            f"marked{latency}"
        )

    def assert_clean(self) -> Verdict:
        """Fail, naming the first few of each kind."""
        few = {kind: self.defects[kind][:3] for kind in sorted(self.found)}
        assert not few, f"{self.figure}: {few}"
        return self

    def assert_sure(self) -> Verdict:
        """Clean, and nothing that was seen is a letter, not even in doubt."""
        assert not self.marked, f"{self.figure}: {sorted(self.marked)[:3]}"
        return self.assert_clean()


def judge(
    dies: Iterable[str], seen: Iterable[str], told: Sequence[Told], *, purged: Iterable[str] = ()
) -> Verdict:
    """Compare.

    Args:
        dies: ids of messages that no subscriber was handed.
        seen: ids of messages that a subscriber was handed.
        told: what each node says, once nothing waits on any.
        purged: ids of letters that were purged, and must not be back.
    """
    due, lives, purged_ids = set(dies), set(seen), set(purged)
    assert not due & lives, "a run cannot want both"
    first = {letter.id: letter for letter in told[0].letters}
    defects: dict[str, list[str]] = {kind: [] for kind in KINDS}
    defects["missing"] = sorted(due - purged_ids - first.keys())
    doubled = {
        one for node in told for one, times in Counter(x.id for x in node.letters).items() if times > 1
    }
    doubled |= first.keys() & purged_ids
    for node in told[1:]:
        doubled |= {letter.id for letter in set(node.letters) ^ set(told[0].letters)}
    defects["doubled"] = sorted(doubled)
    there = len(first) + len(purged_ids) + sum(node.late for node in told)
    made = sum(node.made for node in told)
    if made > there:
        defects["doubled"].append(f"{made} were made, {there} are there or are known to be gone")
    wrong = {letter.id for letter in first.values() if letter.id in lives and not letter.maybe}
    defects["false"] = sorted(wrong)
    sure = sum(node.made - node.made_in_doubt for node in told)
    right = sum(not letter.maybe for letter in first.values()) + len(purged_ids)
    if right < sure <= there:
        defects["false"].append(f"{sure} were made without a doubt, {right} are there")
    defects["stray"] = sorted(first.keys() - due - lives)
    defects["empty"] = [] if due or first else ["no letter was due, and none is there"]
    return Verdict(len(due), first, defects, {one for one in first.keys() & lives if first[one].maybe})

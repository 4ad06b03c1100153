"""What a committed group is told: every call of `append` its outcomes, and the followers the records that are new."""

from __future__ import annotations

from fast_sse.model.cursor import Cursor
from fast_sse.model.errors import FastSseError
from fast_sse.model.message import Record
from fast_sse.store.base import Appended, Outcome
from fast_sse.store.sqlite.group import Job, Special
from fast_sse.store.sqlite.writer import Group


def answer(group: Group, log: Cursor) -> list[Record]:
    """Answer everybody in a group; its records, ascending. `log`: any cursor of the log."""
    if group.error is not None:
        answer_all(group, group.error)
        return []
    fresh: list[Record] = []
    at = log.at
    for one in group.jobs:
        if group.special and one.digests:
            _answer(one, _special_outcomes(one, group.special, log, fresh))
        else:
            fresh += one.records
            _answer(one, [Appended(at(record.position)) for record in one.records])
    return fresh


def answer_all(group: Group, error: FastSseError) -> None:
    """The same error for every entry of those who were not answered yet."""
    for one in group.jobs:
        _answer(one, [error] * len(one.records))


def _special_outcomes(one: Job, special: Special, log: Cursor, fresh: list[Record]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for record in one.records:
        found = special.get(record.position)
        if found is None:
            fresh.append(record)
            outcomes.append(Appended(log.at(record.position)))
        elif isinstance(found, FastSseError):
            outcomes.append(found)
        else:
            outcomes.append(Appended(log.at(found.position), duplicate=True))
    return outcomes


def _answer(one: Job, outcomes: list[Outcome]) -> None:
    if not one.future.done():
        one.future.set_result(outcomes)

"""`fast-sse dlq replay`: publish dead letters again, one by one or many at a pace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import msgspec
from typer import Exit, Option, echo

from fast_sse.cli.admin import DEFAULT_ADMIN, AdminKeyOption, AdminLink, AdminOption, decoded, letter_path
from fast_sse.cli.dlq.options import (
    AfterOption,
    AllOption,
    BeforeOption,
    DryRunOption,
    EventIdOption,
    EventTypeOption,
    IdsArgument,
    JsonOption,
    ReasonOption,
    YesOption,
    check_chosen,
    letter_query,
    target_of,
)
from fast_sse.cli.dlq.runs import Counted, Work, confirm, count
from fast_sse.cli.dlq.texts import letters
from fast_sse.cli.exact import one_line
from fast_sse.model.channel import Channel
from fast_sse.observe.logging import visible


class _Failure(msgspec.Struct):
    id: str
    code: str
    message: str


class _Replayed(msgspec.Struct):
    id: str
    message_id: str
    duplicate: bool = False


class _ReplayedMany(msgspec.Struct):
    replayed: int
    gone: int
    failed: list[_Failure]


def replay(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    ids: IdsArgument = None,
    reason: ReasonOption = None,
    event_id: EventIdOption = None,
    event_type: EventTypeOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    everything: AllOption = False,
    to: Annotated[
        str | None, Option(metavar="ID/TYPE", help="Publish to this channel instead of the letter's own.")
    ] = None,
    rate: Annotated[
        float, Option(min=0, metavar="N", help="Letters a second, at most; 0: as fast as the hub takes them.")
    ] = 100,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    admin: AdminOption = DEFAULT_ADMIN,
    admin_key_env: AdminKeyOption = None,
) -> None:
    """Publish dead letters again: as new messages, to the channel where they were, the oldest first.

    It asks first, with the number. A letter that was published is gone from the list; one that cannot be published as it is
    stays, and is named. Ctrl-C stops between two calls, and the same command goes on with what is left: a letter is never
    published twice. When nobody listens again, it dies again, with one try more.

    \b
    Examples:
      fast-sse dlq replay s1.k3v9x2qah5m2c.42
      fast-sse dlq replay --event-id carid000001 --after 2h --dry-run
      fast-sse dlq replay --reason no_subscriber --rate 50
      fast-sse dlq replay --reason poison --to quarantine/unread --yes
      fast-sse dlq replay --all --yes --json
    """
    query = letter_query(reason, event_id, event_type, after, before)
    check_chosen(ids, query, everything)
    target = target_of(to)
    link = AdminLink(admin, admin_key_env)
    each = (lambda head: echo(one_line(head))) if dry_run and as_json else None
    counted = Counted(len(ids), {}) if ids else count(link, query, each)
    if dry_run:
        if each is None:
            echo(f"would replay {letters(counted.number)}")
        return
    if not yes and counted.number:
        confirm("replay", counted.number)
    tally = Counter(replayed=0, failed=0, gone=0)
    work, body = Work(link, tally, counted.number, rate=rate, as_json=as_json), _body(target)
    if not ids:
        work.drive(lambda: _many(work, counted, body))
        work.summarize()
        raise Exit(int(tally["failed"] > 0))
    made: list[str] = []
    work.drive(lambda: _each(work, ids, body, made))
    if as_json or len(ids) > 1 or not made:
        work.summarize()
    else:
        echo(f"replayed 1: {made[0]}")
    raise Exit(int(tally["failed"] + tally["gone"] > 0))


def _body(to: Channel | None) -> bytes | None:
    return None if to is None else msgspec.json.encode({"to": {"event_id": to[0], "event_type": to[1]}})


def _many(work: Work, counted: Counted, body: bytes | None) -> None:
    if not counted.number:
        return
    for data in work.pages("POST", "/v1/dead-letters/replay", counted.query, body):
        done = decoded(data, _ReplayedMany)
        work.tally["replayed"] += done.replayed
        work.tally["gone"] += done.gone
        for failure in done.failed:
            _fail(work, failure)
        work.pause()


def _each(work: Work, ids: Sequence[str], body: bytes | None, made: list[str]) -> None:
    """Replay letters by their ids; the ids of the messages go to `made`."""
    for letter_id in ids:
        said = work.settle("POST", letter_path(letter_id, "/replay"), None, body)
        if said.status == 200:
            done = decoded(said.data, _Replayed)
            work.tally["replayed"] += 1
            made.append(done.message_id)
            if work.as_json:
                echo(one_line(said.data))
            elif len(ids) > 1:
                echo(f"{visible(letter_id)} -> {visible(done.message_id)}")
        elif said.status == 404:
            work.tally["gone"] += 1
            work.show(f"{letter_id}: {said.message}")
        else:
            _fail(work, _Failure(letter_id, said.code, said.message))
        work.pause()


def _fail(work: Work, failure: _Failure) -> None:
    """A letter that cannot be published as it is; it stays."""
    work.tally["failed"] += 1
    if work.as_json:
        echo(msgspec.json.encode(failure))
    else:
        work.show(f"{failure.id}: {failure.code}: {failure.message}")

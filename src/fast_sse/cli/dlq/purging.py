"""`fast-sse dlq purge`: remove dead letters for good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec
from typer import Exit, echo

from fast_sse.cli.admin import (
    DEFAULT_ADMIN,
    AdminKeyOption,
    AdminLink,
    AdminOption,
    checked,
    decoded,
    letter_path,
)
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
)
from fast_sse.cli.dlq.runs import Counted, Work, confirm, count
from fast_sse.cli.dlq.texts import letters
from fast_sse.cli.exact import one_line


class _Purged(msgspec.Struct):
    purged: int


def purge(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    ids: IdsArgument = None,
    reason: ReasonOption = None,
    event_id: EventIdOption = None,
    event_type: EventTypeOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    everything: AllOption = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    admin: AdminOption = DEFAULT_ADMIN,
    admin_key_env: AdminKeyOption = None,
) -> None:
    """Remove dead letters for good.

    It asks first, with the number, and takes what was counted: what dies meanwhile stays. A letter that is purged does not
    come back, also when its message is still in the log.

    \b
    Examples:
      fast-sse dlq purge s1.k3v9x2qah5m2c.42
      fast-sse dlq purge --reason expired --before 1d
      fast-sse dlq purge --event-type typing --dry-run
      fast-sse dlq purge --all --yes
    """
    query = letter_query(reason, event_id, event_type, after, before)
    check_chosen(ids, query, everything)
    link = AdminLink(admin, admin_key_env)
    each = (lambda head: echo(one_line(head))) if dry_run and as_json else None
    counted = Counted(len(ids), {}) if ids else count(link, query, each)
    if dry_run:
        if each is None:
            echo(f"would purge {letters(counted.number)}")
        return
    if not yes and counted.number:
        confirm("purge", counted.number)
    tally = Counter(purged=0, gone=0)
    work = Work(link, tally, counted.number, as_json=as_json)
    work.drive(lambda: _each(work, ids) if ids else _many(work, counted))
    work.summarize()
    raise Exit(int(bool(ids and tally["gone"])))


def _many(work: Work, counted: Counted) -> None:
    if not counted.number:
        return
    for data in work.pages("DELETE", "/v1/dead-letters", counted.query):
        work.tally["purged"] += decoded(data, _Purged).purged
        work.pause()
    work.tally["gone"] = max(0, counted.number - work.tally["purged"])


def _each(work: Work, ids: Sequence[str]) -> None:
    for letter_id in ids:
        said = work.settle("DELETE", letter_path(letter_id))
        if said.status == 404:
            work.tally["gone"] += 1
            work.show(f"{letter_id}: {said.message}")
        else:
            checked(said)
            work.tally["purged"] += 1
        work.pause()

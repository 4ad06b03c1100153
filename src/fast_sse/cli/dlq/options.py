"""What the commands about dead letters share: which letters are meant."""

from __future__ import annotations

import time
from typing import Annotated

from typer import Argument, Option

from fast_sse.model.channel import Channel, channel, check_segment
from fast_sse.model.errors import BadChannelError, BadRequestError, ConfigError
from fast_sse.model.letter import Reason
from fast_sse.model.moment import parse_moment

ReasonOption = Annotated[Reason | None, Option("--reason", help="Only letters of this reason.")]
EventIdOption = Annotated[
    str | None, Option("--event-id", metavar="ID", help="Only of channels with this first half.")
]
EventTypeOption = Annotated[
    str | None, Option("--event-type", metavar="TYPE", help="Only of channels with this second half.")
]
AfterOption = Annotated[
    str | None,
    Option(
        "--after",
        metavar="TIME",
        help="Only what died from then on: 2h, 2026-11-29T12:00:00Z, or milliseconds.",
    ),
]
BeforeOption = Annotated[
    str | None, Option("--before", metavar="TIME", help="Only what died before, as --after.")
]
JsonOption = Annotated[bool, Option("--json", help="One JSON object a line, as the hub gives it.")]
IdsArgument = Annotated[
    list[str] | None, Argument(metavar="ID…", help="Letters by their ids.", show_default=False)
]
AllOption = Annotated[bool, Option("--all", help="Every letter that there is.")]
DryRunOption = Annotated[bool, Option("--dry-run", help="Say how many, and do nothing.")]
YesOption = Annotated[bool, Option("--yes", "-y", help="Do not ask first.")]


def letter_query(
    reason: str | None, event_id: str | None, event_type: str | None, after: str | None, before: str | None
) -> dict[str, str]:
    """The filters as parameters of a route; empty for none. Raises ConfigError."""
    query = {} if reason is None else {"reason": reason}
    for option, name, segment in (
        ("--event-id", "event_id", event_id),
        ("--event-type", "event_type", event_type),
    ):
        if segment is not None:
            try:
                query[name] = check_segment(segment)
            except BadChannelError as error:
                raise ConfigError(option, error.message) from error
    now_ms = int(time.time() * 1000)
    for option, name, text in (("--after", "after", after), ("--before", "before", before)):
        if text is not None:
            query[name] = str(_moment_ms(option, text, now_ms))
    return query


def _moment_ms(option: str, text: str, now_ms: int) -> int:
    try:
        return parse_moment(text).at(now_ms)
    except BadRequestError as error:
        raise ConfigError(option, error.message.removeprefix("since ")) from error


def check_chosen(ids: list[str] | None, query: dict[str, str], everything: bool) -> None:
    """Raise ConfigError unless exactly one thing says which letters are meant: ids, a filter, or --all."""
    if sum((bool(ids), bool(query), everything)) != 1:
        raise ConfigError(
            "--all",
            "say which letters: their ids, a filter (--reason, --event-id …), or --all; one of the three",
        )


def target_of(to: str | None) -> Channel | None:
    """The channel of --to. Raises ConfigError."""
    if to is None:
        return None
    event_id, slash, event_type = to.partition("/")
    try:
        if slash:
            return channel(event_id, event_type)
    except BadChannelError as error:
        raise ConfigError("--to", error.message) from error
    raise ConfigError("--to", "must be ID/TYPE")

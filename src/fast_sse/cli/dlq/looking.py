"""`fast-sse dlq list` and `fast-sse dlq show`: what did not arrive, and why."""

from __future__ import annotations

import base64
import sys
from typing import Annotated

import msgspec
from typer import Argument, Option, echo

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
    BeforeOption,
    EventIdOption,
    EventTypeOption,
    JsonOption,
    ReasonOption,
    letter_query,
)
from fast_sse.cli.dlq.texts import Head, channel_text, moment, table
from fast_sse.cli.exact import one_line
from fast_sse.cli.sizes import size
from fast_sse.model.errors import ConfigError
from fast_sse.observe.logging import visible

#: Letters that one call gives at most.
PAGE_MAX = 1000


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    total: int
    waiting: int
    next: str | None = None


def list_letters(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    reason: ReasonOption = None,
    event_id: EventIdOption = None,
    event_type: EventTypeOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    limit: Annotated[int, Option(min=1, metavar="N", help="At most so many.")] = 20,
    oldest: Annotated[bool, Option("--oldest", help="The oldest first, not the newest.")] = False,
    as_json: JsonOption = False,
    admin: AdminOption = DEFAULT_ADMIN,
    admin_key_env: AdminKeyOption = None,
) -> None:
    """List dead letters: messages that were handed to nobody, and entries of queues that are not messages.

    The newest come first. tries counts publishes: a letter of a replay has one more than the letter that was replayed.
    A ? at the end of a row: a node that vanished may have delivered it. Times are UTC.

    \b
    Examples:
      fast-sse dlq list
      fast-sse dlq list --event-id carid000001 --after 2h
      fast-sse dlq list --reason poison --oldest --limit 100
      fast-sse dlq list --limit 1000000 --json | jq -r .id
    """
    query = letter_query(reason, event_id, event_type, after, before)
    query["order"] = "oldest" if oldest else "newest"
    link, left, cursor, heads = AdminLink(admin, admin_key_env), limit, "", []
    while True:
        asked = {**query, "limit": str(min(left, PAGE_MAX)), **({"cursor": cursor} if cursor else {})}
        page = decoded(link.data("GET", "/v1/dead-letters", asked), _Page)
        if as_json:
            for item in page.items:
                echo(one_line(bytes(item)))
        else:
            heads += [decoded(bytes(item), Head) for item in page.items]
        left -= len(page.items)
        if page.next is None or left <= 0:
            break
        cursor = page.next
    if as_json:
        return
    for line in table(heads) if heads else ():
        echo(line)
    echo(f"{len(heads):,} of {page.total:,} dead letters, {page.waiting:,} waiting")


class _Whole(Head, frozen=True, kw_only=True):
    """A dead letter, whole."""

    description: str
    first_seen_ms: int
    original_id: str
    node: str
    event: str | None = None
    event_name: str | None = None
    user: msgspec.Raw = msgspec.Raw(b"null")
    headers: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()
    source: dict[str, str] | None = None
    raw: str | None = None
    sha256: str = ""


def show(
    letter_id: Annotated[str, Argument(metavar="ID", help="Of a dead letter.")],
    raw: Annotated[bool, Option("--raw", help="The data, or the bytes of poison, and nothing else.")] = False,
    as_json: JsonOption = False,
    admin: AdminOption = DEFAULT_ADMIN,
    admin_key_env: AdminKeyOption = None,
) -> None:
    """Show one dead letter: what it is, why it died, and what was published.

    \b
    Examples:
      fast-sse dlq show s1.k3v9x2qah5m2c.42
      fast-sse dlq show s1.k3v9x2qah5m2c.42 --json | jq .data
      fast-sse dlq show p-4t6zq2h3vj5w7k2m4n6p2r4s6u --raw > package.json
    """
    if raw and as_json:
        raise ConfigError("--raw", "is bytes, and --json is JSON; choose one of them")
    if raw and sys.stdout.isatty():
        raise ConfigError(
            "--raw", "writes bytes as they came, which a terminal may obey: send them to a file or a pipe"
        )
    link = AdminLink(admin, admin_key_env)
    if raw:
        said = checked_raw(link, letter_id)
        sys.stdout.buffer.write(said)
        sys.stdout.buffer.flush()
        return
    data = link.data("GET", letter_path(letter_id))
    if as_json:
        echo(one_line(data))
        return
    for name, text in _described(decoded(data, _Whole)):
        echo(f"{name:<11} {visible(text)}")


def checked_raw(link: AdminLink, letter_id: str) -> bytes:
    """The bytes of a letter. They may look like an answer of the hub's, so the status alone is believed."""
    said = link.ask("GET", letter_path(letter_id), {"form": "raw"})
    return said.raw if said.status == 200 else checked(said).raw


def _described(letter: _Whole) -> list[tuple[str, str]]:
    """Names and values for people, what is empty left out."""
    origin = (
        ""
        if letter.original_id == letter.id
        else f", first {moment(letter.first_seen_ms)} as {letter.original_id}"
    )
    source = letter.source or {}
    rows = [
        ("id", letter.id),
        ("channel", channel_text(letter.event_id, letter.event_type)),
        ("reason", f"{letter.reason}: {letter.description}"),
        ("published", moment(letter.published_ms)),
        ("dead", f"{moment(letter.dead_ms)}, by {letter.node}"),
        ("attempts", f"{letter.attempts}{origin}"),
        (
            "delivered",
            "perhaps: a node that may have handed it over had not told" if letter.maybe_delivered else "",
        ),
        ("source", " ".join(source.get(name, "") for name in ("kind", "queue", "place")) if source else ""),
        ("sha256", letter.sha256),
        ("size", size(letter.size_bytes)),
        ("event", letter.event or ""),
        ("event_name", letter.event_name or ""),
        ("user", "" if bytes(letter.user) == b"null" else _text(letter.user)),
        ("headers", _text(letter.headers)),
        ("data", _text(letter.data)),
        ("raw", _decoded(letter.raw)),
    ]
    return [(name, text) for name, text in rows if text]


def _text(raw: msgspec.Raw) -> str:
    return one_line(bytes(raw)).decode(errors="replace")


def _decoded(raw: str | None) -> str:
    if raw is None:
        return ""
    return base64.b64decode(raw).decode(errors="backslashreplace")

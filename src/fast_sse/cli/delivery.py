"""`fast-sse delivery`: how far one message has come."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import msgspec
from typer import Argument, echo

from fast_sse.cli.admin import DEFAULT_ADMIN, AdminKeyOption, AdminLink, AdminOption, decoded
from fast_sse.cli.dlq.options import JsonOption
from fast_sse.cli.dlq.texts import channel_text
from fast_sse.cli.exact import one_line
from fast_sse.http.api.paths import DELIVERY
from fast_sse.observe.logging import visible

#: Names that are shown of clients and of nodes.
NAMES_MAX = 5


class Indicator(msgspec.Struct, frozen=True):
    """How far a message has come, as the hub gives it. Counts are None when they are not held any more."""

    message_id: str
    state: str
    event_id: str | None = None
    event_type: str | None = None
    written: int | None = None
    acked: int | None = None
    clients: list[str] = []
    complete: bool = False
    silent: list[str] = []


def delivery(
    message_id: Annotated[str, Argument(metavar="ID", help="The id that the hub answered to the publish.")],
    as_json: JsonOption = False,
    admin: AdminOption = DEFAULT_ADMIN,
    admin_key_env: AdminKeyOption = None,
) -> None:
    """Say how far a message has come: stored, written to sockets, acked by clients, or dead.

    written counts hand-overs to the operating system, over all nodes; acked counts what clients said themselves.

    \b
    Examples:
      fast-sse delivery s1.k3v9x2qah5m2c.42
      fast-sse delivery s1.k3v9x2qah5m2c.42 --json | jq .written
    """
    path = DELIVERY.format(id=quote(message_id, safe=""))
    data = AdminLink(admin, admin_key_env).data("GET", path)
    if as_json:
        echo(one_line(data))
        return
    found = decoded(data, Indicator)
    channel = channel_text(found.event_id, found.event_type)
    echo(f"{visible(found.message_id)}  {channel}  {progress(found)}")


def progress(found: Indicator) -> str:
    """The state and what it rests on: `written  3 sockets, acked by 2 (a, b)`."""
    if found.state == "dead":
        return "dead  handed to nobody: fast-sse dlq show says why"
    if found.written is None:
        return f"{found.state}  its counts are not held any more"
    if found.state == "stored":
        text = "handed to nobody so far"
    else:
        text = f"{'' if found.complete else 'at least '}{found.written:,} socket{'s' * (found.written != 1)}"
    if found.acked:
        text += f", acked by {found.acked:,} ({_names(found.clients, found.acked)})"
    if found.silent:
        some = len(found.silent) == 1
        text += f" ({_names(found.silent, len(found.silent))} {'has' if some else 'have'} not told yet)"
    return f"{found.state}  {text}"


def _names(names: list[str], of: int) -> str:
    shown = [visible(name) for name in names[:NAMES_MAX]]
    return ", ".join([*shown, "…"] if of > len(shown) else shown)

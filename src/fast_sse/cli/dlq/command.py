"""`fast-sse dlq`: the group of commands."""

from __future__ import annotations

import typer

from fast_sse.cli.commands import markup
from fast_sse.cli.dlq.importing import import_letters
from fast_sse.cli.dlq.looking import list_letters, show
from fast_sse.cli.dlq.purging import purge
from fast_sse.cli.dlq.replaying import replay


def dlq_app() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=markup())
    app.callback()(_root)
    app.command("list")(list_letters)
    for command in (show, replay, purge):
        app.command()(command)
    app.command("import")(import_letters)
    return app


def _root() -> None:
    """List, show, replay and purge dead letters: messages that no subscriber got, and entries of a queue that are not messages."""

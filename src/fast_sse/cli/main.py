"""The command `fast-sse`: which commands there are, and how each of them ends.

Exit status: 0 done, 2 a wrong setting or argument, 1 anything else. A mistake of the user or of the world around
is one line on standard error; a stack trace is a defect of ours and nothing else.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated, Any, NoReturn

import typer

from fast_sse import __version__
from fast_sse.cli.commands import COMMANDS, LazyGroup, line_of, loaded, markup
from fast_sse.model.errors import ConfigError, FastSseError, HeldError


def make_app() -> typer.Typer:
    """The command line, built anew so that nothing happens on import. A command is imported when it is asked for."""
    app = typer.Typer(
        name="fast-sse",
        cls=LazyGroup,
        help="A hub for server-sent events in which nothing acknowledged disappears without being named.",
        epilog="Begin with: fast-sse demo",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=markup(),
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name, entry in COMMANDS.items():
        app.command(name)(line_of(entry))
    return app


def whole_commands() -> dict[str, Any]:
    """Every command as click knows it, imported: for those who read what each of them takes."""
    return {name: loaded(name) for name in COMMANDS}


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


def app_main() -> None:
    """Run the command line and exit."""
    try:
        make_app()(prog_name="fast-sse")
    except ConfigError as error:
        _end(str(error), 1 if isinstance(error, HeldError) else 2)
    except FastSseError as error:
        _end(error.message, 1)


def _end(sentence: str, status: int) -> NoReturn:
    """One line, whatever the sentence holds: part of it may have come from a file or a server."""
    from fast_sse.observe.logging import visible  # noqa: PLC0415  most commands end well, and without a log

    with contextlib.suppress(OSError):  # standard error is closed: the status still says it
        typer.echo(f"fast-sse: {visible(sentence)}", err=True)
    sys.exit(status)

"""The command `fast-sse`: which commands there are, and how each of them ends.

Exit status: 0 done, 2 a wrong setting or argument, 1 anything else. A mistake of the user or of the world around
is one line on standard error; a stack trace is a defect of ours and nothing else.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated, NoReturn

import typer

from fast_sse import __version__
from fast_sse.cli.backup import backup
from fast_sse.cli.bench import bench
from fast_sse.cli.compact import compact
from fast_sse.cli.config import config_app
from fast_sse.cli.delivery import delivery
from fast_sse.cli.demo import demo
from fast_sse.cli.dlq.command import dlq_app
from fast_sse.cli.doctor.command import doctor
from fast_sse.cli.publishing.command import publish
from fast_sse.cli.restore import restore
from fast_sse.cli.serve import serve
from fast_sse.cli.sign import sign
from fast_sse.cli.subscribe import subscribe
from fast_sse.model.errors import ConfigError, FastSseError, HeldError
from fast_sse.observe.logging import visible

COMMANDS = (serve, demo, publish, subscribe, delivery, sign, doctor, bench, backup, restore, compact)


def make_app() -> typer.Typer:
    """The command line, built anew so that nothing happens on import."""
    app = typer.Typer(
        name="fast-sse",
        help="A hub for server-sent events in which nothing acknowledged disappears without being named.",
        epilog="Begin with: fast-sse demo",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for command in COMMANDS:
        app.command()(command)
    app.add_typer(dlq_app(), name="dlq")
    app.add_typer(config_app(), name="config")
    return app


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
    with contextlib.suppress(OSError):  # standard error is closed: the status still says it
        typer.echo(f"fast-sse: {visible(sentence)}", err=True)
    sys.exit(status)

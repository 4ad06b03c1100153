"""`fast-sse config`: make a settings file, show what a hub would run with, and check it without starting one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer
from typer import Option, echo

from fast_sse.cli.commands import markup
from fast_sse.cli.completing import LOG_LEVELS, STORES, words
from fast_sse.model.errors import ConfigError
from fast_sse.observe.logging import visible

ConfigFileOption = Annotated[Path | None, Option("--config", metavar="FILE", help="Settings in TOML.")]

TEMPLATE = """\
# Settings of Fast SSE. Run with: fast-sse serve --config {name}
# What a line with one # before it shows is the default. Everything there is: fast-sse config show --config {name}
# The environment beats this file: auth.secret is FAST_SSE_AUTH__SECRET.

# host = "127.0.0.1"        # clients; "0.0.0.0" for every address of this machine
# port = 30000
# admin_host = "127.0.0.1"  # operators; elsewhere than on loopback it needs admin.key
# admin_port = 30001
# store = "sqlite"          # "memory": gone with the process
# data_dir = "data"         # where SQLite keeps the log
# log_level = "info"
# drain_s = 20.0            # a stop spreads the ends of streams over this long

[auth]
# Signs subscriptions: hex HMAC-SHA256 of event_id:event_type. fast-sse sign makes such signatures.
secret = "{secret}"
# Signs publishes. A secret of its own, so that who may listen cannot publish.
publish_secret = "{publish_secret}"
# v1 = "both"               # "off": only v2 signatures, which expire and cover the body

# Keys of v2 signatures, needed for batches and for several channels on one stream: kid = "at least 32 bytes".
[auth.keys]

[retention]
# max_age_s = 86400.0       # the log keeps a message this long; 0: no such bound
# max_messages = 0

[cors]
# origins = []              # pages that may use the hub: ["https://shop.example"]
"""


def config_app() -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=markup())
    app.callback()(_root)
    for command in (init, show, check):
        app.command()(command)
    return app


def _root() -> None:
    """Make, show and check settings.

    \b
    Examples:
      fast-sse config init
      fast-sse config check --config fast-sse.toml
      fast-sse config show --config fast-sse.toml --port 8080
    """


def init(
    output: Annotated[Path, Option(metavar="FILE", help="The file to write.")] = Path("fast-sse.toml"),
    force: Annotated[bool, Option("--force", help="Replace it, and so its secrets.")] = False,
) -> None:
    """Write a settings file with two random secrets, readable by its owner alone.

    \b
    Examples:
      fast-sse config init
      fast-sse config init --output /etc/fast-sse/hub.toml
    """
    text = TEMPLATE.format(name=output, secret=secrets.token_hex(32), publish_secret=secrets.token_hex(32))
    try:
        _write(output, text, force=force)
    except FileExistsError:
        raise ConfigError(
            "--output", f"{output} exists; choose another name, or --force to replace it and its secrets"
        ) from None
    except OSError as error:
        raise ConfigError("--output", f"cannot write {output}: {error.strerror}") from error
    echo(f"wrote {output} with two secrets; now: fast-sse serve --config {output}")


def _write(file: Path, text: str, *, force: bool) -> None:
    """A file that other users could not read even for a moment (CWE-377); an old one is replaced whole or not at all."""
    target = file.with_name(f".{file.name}.{secrets.token_hex(4)}") if force else file
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w") as opened:
            opened.write(text)
        if force:
            target.rename(file)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def show(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    config: ConfigFileOption = None,
    host: Annotated[str | None, Option(help="As for serve.")] = None,
    port: Annotated[int | None, Option(help="As for serve.")] = None,
    admin_host: Annotated[str | None, Option(help="As for serve.")] = None,
    admin_port: Annotated[int | None, Option(help="As for serve.")] = None,
    store: Annotated[str | None, Option(help="As for serve.", autocompletion=words(*STORES))] = None,
    data_dir: Annotated[Path | None, Option(metavar="DIR", help="As for serve.")] = None,
    node: Annotated[str | None, Option(help="As for serve.")] = None,
    reuse_port: Annotated[bool | None, Option("--reuse-port/--no-reuse-port", help="As for serve.")] = None,
    log_level: Annotated[str | None, Option(help="As for serve.", autocompletion=words(*LOG_LEVELS))] = None,
) -> None:
    """Print every setting as a hub would have it, and where its value is from. No secret is shown.

    \b
    Examples:
      fast-sse config show --config hub.toml
      FAST_SSE_PORT=8080 fast-sse config show | grep port
    """
    from fast_sse.config import load  # noqa: PLC0415  a tenth of a second, which a tab would wait for

    flags = {
        "host": host,
        "port": port,
        "admin_host": admin_host,
        "admin_port": admin_port,
        "store": store,
        "data_dir": data_dir,
        "node": node,
        "reuse_port": reuse_port,
        "log_level": log_level,
    }
    lines = [(f"{name} = {value}", origin) for name, value, origin in load(config, flags).effective()]
    width = min(60, max(len(line) for line, _ in lines))
    for line, origin in lines:
        echo(visible(f"{line:{width}}  # {origin}"))


def check(config: ConfigFileOption = None) -> None:
    """Check the settings without starting a hub: one line a problem and status 2, or status 0.

    \b
    Examples:
      fast-sse config check --config hub.toml
      fast-sse config check && systemctl reload fast-sse
    """
    from fast_sse.config import problems  # noqa: PLC0415  a tenth of a second, which a tab would wait for

    found = problems(config)
    for problem in found:
        echo(visible(problem.message), err=True)
    if found:
        raise typer.Exit(2)
    echo("the settings are right")

"""`fast-sse serve`: settings from a file, the environment and flags, then a hub until a signal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from fast_sse.cli.completing import LOG_FORMATS, LOG_LEVELS, STORES, words


def serve(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    config: Annotated[Path | None, Option(metavar="FILE", help="Settings in TOML.")] = None,
    host: Annotated[str | None, Option(help="Address of the public listener, or unix:/path.")] = None,
    port: Annotated[int | None, Option(help="Its port; 0 takes a free one.")] = None,
    admin_host: Annotated[str | None, Option(help="Address of the operators' listener.")] = None,
    admin_port: Annotated[int | None, Option(help="Its port; 0 takes a free one.")] = None,
    store: Annotated[
        str | None,
        Option(help="Where the log lives: sqlite, memory, redis or kafka.", autocompletion=words(*STORES)),
    ] = None,
    data_dir: Annotated[
        Path | None, Option(metavar="DIR", help="Where sqlite keeps the log, and kafka its view of it.")
    ] = None,
    node: Annotated[str | None, Option(help="Name of this process among all that share a store.")] = None,
    reuse_port: Annotated[
        bool | None,
        Option("--reuse-port/--no-reuse-port", help="Let other nodes listen on the public port, too."),
    ] = None,
    log_level: Annotated[
        str | None, Option(help="debug, info, warning or error.", autocompletion=words(*LOG_LEVELS))
    ] = None,
    log_format: Annotated[
        str | None,
        Option(
            help="json, console, or auto: console at a terminal, else json.",
            autocompletion=words(*LOG_FORMATS),
        ),
    ] = None,
) -> None:
    """Run a hub. Flags beat the environment (FAST_SSE_A__B), the environment beats the file.

    Prints one line on standard output once it accepts connections; logs go to standard error: for people at a
    terminal, else as JSON lines. SIGTERM drains: streams end one by one over drain_s, each told when to come back. A
    second SIGTERM ends at once. SIGHUP reads the settings again and takes over secrets, keys and allow-lists.

    \b
    Examples:
      FAST_SSE_AUTH__SECRET=$(openssl rand -hex 32) fast-sse serve
      fast-sse serve --config hub.toml --host 0.0.0.0
      fast-sse serve --store memory --port 0 --admin-port 0
    """
    from fast_sse.cli.process import run  # noqa: PLC0415  the whole hub, which a tab would wait for
    from fast_sse.config import load  # noqa: PLC0415

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
        "log_format": log_format,
    }
    run(lambda: load(config, flags))

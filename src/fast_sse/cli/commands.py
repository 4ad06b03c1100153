"""Which commands there are, where each of them is, and its line in the list. None is imported before it is asked for.

`fast-sse --help`, `sign` and completion answer at once. The whole program takes half a second to import, which a shell
that completes a word would wait for at every key.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, NamedTuple

import typer
from typer.core import TyperGroup


class Entry(NamedTuple):
    """A command: the module and the name of its function (or, of several commands, what makes them), and its line."""

    module: str
    name: str
    line: str
    is_group: bool = False


#: In the order of the list. A test holds each line to the first sentence of the command's own help.
COMMANDS: dict[str, Entry] = {
    "serve": Entry(
        "serve",
        "serve",
        "Run a hub. Flags beat the environment (FAST_SSE_A__B), the environment beats the file.",
    ),
    "demo": Entry(
        "demo", "demo", "Run a hub with a random secret and print signed curl lines and a page for it."
    ),
    "publish": Entry(
        "publishing.command", "publish", "Publish one message and print its id, or publish a file of them."
    ),
    "subscribe": Entry(
        "subscribe",
        "subscribe",
        "Print what is published to a channel, one message a line, from now on or from where you say.",
    ),
    "delivery": Entry(
        "delivery",
        "delivery",
        "Say how far a message has come: stored, written to sockets, acked by clients, or dead.",
    ),
    "sign": Entry("sign", "sign", "Sign for a channel and print a curl line that uses it."),
    "wait": Entry("wait", "wait", "Wait until a hub is ready, and say so when it is not in time."),
    "doctor": Entry(
        "doctor.command",
        "doctor",
        "Check the machine, the store and the settings that a hub would run with, and say what to do about each thing.",
    ),
    "bench": Entry(
        "bench.command",
        "bench",
        "Measure a hub: latency, throughput, memory, replay, slow clients; and whether anything is lost.",
    ),
    "backup": Entry(
        "backup",
        "backup",
        "Back up the log of store = sqlite: messages, idempotency keys and dead letters, in one file. The hub may run.",
    ),
    "restore": Entry(
        "restore",
        "restore",
        "Make the log of a backup in a data_dir that holds none. The file is checked first, and stays as it is.",
    ),
    "compact": Entry(
        "compact",
        "compact",
        "Give the space of what was deleted back to the disk. The hub must be stopped.",
    ),
    "dlq": Entry(
        "dlq.command",
        "dlq_app",
        "List, show, replay and purge dead letters: messages that no subscriber got, and entries of a queue that are not messages.",
        is_group=True,
    ),
    "config": Entry("config", "config_app", "Make, show and check settings.", is_group=True),
}


def markup() -> Literal["rich"] | None:
    """How help and mistakes are drawn: in boxes for a person at a terminal, else as lines that a log or a pipe can hold."""
    # Standard error may be closed: then Python has none.
    return "rich" if sys.stderr is not None and sys.stderr.isatty() else None


def loaded(name: str) -> Any:
    """The command itself, imported now, as click knows it."""
    entry = COMMANDS[name]
    found = getattr(import_module(f"fast_sse.cli.{entry.module}"), entry.name)
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=markup())
    if entry.is_group:
        alone.add_typer(found(), name=name)
        group: Any = typer.main.get_command(alone)
        return group.commands[name]
    alone.command(name)(found)
    return typer.main.get_command(alone)


class LazyGroup(TyperGroup):
    """A group whose commands are lines of a list until one is asked for."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The name, the command and its arguments. Raises UsageError for a name that is not there."""
        name, _line, rest = super().resolve_command(ctx, args)
        return name, None if name is None else loaded(name), rest


def line_of(entry: Entry) -> Callable[[], None]:
    """What stands in the list for a command."""

    def command() -> None:
        raise AssertionError("the command itself is run, never its line")

    command.__doc__ = entry.line
    return command

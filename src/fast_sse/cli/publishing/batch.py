"""`fast-sse publish --batch`: every line of an input is one message in the end, or is named.

Three things make a run safe to break off: lines are sent in order, in chunks, each settled before the next; a line's
idempotency key is made of the run's id and its number; and whatever ends the run says how to go on. So the whole
input may be sent again under the same run id, and nothing is there twice (guarantee G3).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fast_sse.cli.publishing.link import Tell
from fast_sse.cli.publishing.ndjson import Chunk, chunks
from fast_sse.cli.publishing.senders import LineSender, Result
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.observe.logging import visible

#: Makes the way to the hub, which tells of its retries.
MakeSender = Callable[[Tell], LineSender]


class BatchRun(msgspec.Struct, frozen=True):
    """What to send. `source` is a file's name, or - for standard input."""

    source: str
    run_id: str
    from_line: int = 1
    lines_max: int = 500


class LineTally(msgspec.Struct):
    """How far a run came: lines by what became of them, and the last one before which all are settled."""

    through: int
    stored: int = 0
    duplicates: int = 0
    refused: int = 0

    def count(self, chunk: Chunk, results: Sequence[Result]) -> Iterator[str]:
        """Add a settled chunk; a sentence for each line that was refused, in order."""
        refused = list(chunk.bad)
        for result in results:
            if result.state == "refused":
                refused.append((result.number, result.problem))
            elif result.state == "duplicate":
                self.duplicates += 1
            else:
                self.stored += 1
        self.refused += len(refused)
        self.through = chunk.through
        return (f"line {number}: {problem}" for number, problem in sorted(refused))

    def text(self, seconds: float) -> str:
        """The summary."""
        rate = (self.stored + self.duplicates) / seconds if seconds > 0 else 0.0
        return (
            f"stored {self.stored}, duplicates {self.duplicates}, refused {self.refused} "
            f"in {seconds:.1f} s ({rate:.0f} messages/s)"
        )


class Screen:
    """Standard error: a progress bar where it is a terminal, and sentences above it."""

    def __init__(self, size: int | None) -> None:
        """`size`: bytes of the input, None where that is not known."""
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn(
                "{task.completed:,.0f} of {task.total:,.0f} bytes" if size else "{task.completed:,.0f} bytes"
            ),
            BarColumn(),
            TextColumn("{task.fields[settled]:,} lines, {task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("publish", total=size, settled=0, rate=0.0)
        self._began_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began_s

    def tell(self, sentence: str) -> None:
        """One line. It may hold what a file or a server said, so nothing in it may shape the terminal."""
        if self._bar.disable:
            typer.echo(visible(sentence), err=True)
        else:
            self._console.print(visible(sentence), markup=False)

    def show(self, bytes_read: int, tally: LineTally) -> None:
        """Move the bar."""
        settled = tally.stored + tally.duplicates + tally.refused
        rate = settled / max(self.seconds, 0.001)
        self._bar.update(self._task, completed=bytes_read, settled=settled, rate=rate)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar meanwhile."""
        with self._bar:
            yield


def run_batch(run: BatchRun, make_sender: MakeSender) -> None:
    """Send the input and print the summary.

    Raises:
        ConfigError: the input cannot be opened.
        UnavailableError: the hub is away for longer than the retries, or refuses everything; says how to go on.
        typer.Exit: 1 when lines were refused, 130 when interrupted.
    """
    with opened(run.source) as source:
        screen, tally = Screen(_size(source)), LineTally(through=run.from_line - 1)
        screen.tell(
            f"run id {run.run_id}: to go on after a break, the same command with --run-id {run.run_id}"
        )
        try:
            with screen.shown(), closing(make_sender(screen.tell)) as sender:
                _send_all(run, source, sender, screen, tally)
        except KeyboardInterrupt:
            typer.echo(tally.text(screen.seconds))
            screen.tell(f"interrupted; {_how_to_go_on(run, tally)}")
            raise typer.Exit(130) from None
        except UnavailableError as error:
            typer.echo(tally.text(screen.seconds))
            raise UnavailableError(f"{error.message}; {_how_to_go_on(run, tally)}") from error
    typer.echo(tally.text(screen.seconds))
    if tally.refused:
        raise typer.Exit(1)


def _send_all(run: BatchRun, source: BinaryIO, sender: LineSender, screen: Screen, tally: LineTally) -> None:
    for chunk in chunks(source, run.run_id, run.from_line, run.lines_max):
        results = sender.send(chunk.lines) if chunk.lines else []
        for sentence in tally.count(chunk, results):
            screen.tell(sentence)
        screen.show(chunk.bytes_read, tally)


def _how_to_go_on(run: BatchRun, tally: LineTally) -> str:
    done = f"lines up to {tally.through} are settled" if tally.through else "no line is known to be settled"
    return f"{done}; go on: the same command with --run-id {run.run_id} --from-line {tally.through + 1}"


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """A file or standard input, in bytes. Raises ConfigError."""
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115  closed below; only opening it is a matter of arguments
    except OSError as error:
        raise ConfigError("--batch", f"cannot read {name}: {error.strerror}") from error
    with file:
        yield file


def _size(source: BinaryIO) -> int | None:
    """Bytes of a file; None for a pipe."""
    try:
        return os.fstat(source.fileno()).st_size or None
    except OSError:
        return None

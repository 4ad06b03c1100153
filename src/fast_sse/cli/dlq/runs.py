"""One run over many letters: counted first, then page by page, at a pace, until its end or Ctrl-C.

The hub keeps no task. Its answers say where the next call goes on, so that whoever drives them sets the pace and may stop. A
run takes what was counted and nothing that died since: a person who agreed to 3 letters does not lose 500.

Ctrl-C lets the call under way end, so that what the last line says is what was done; a second one ends at once.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Self

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fast_sse.cli.admin import AdminLink, Said, checked, decoded
from fast_sse.cli.dlq.texts import letters
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.observe.logging import visible

#: Letters that one call takes at most.
PAGE_MAX = 1000
GO_ON = "the same command goes on with the rest"
#: Calls a second, about, where there is a pace.
_CALLS_S = 4


class Counted(msgspec.Struct, frozen=True):
    """How many letters there are, and the filter that means these and none that dies later."""

    number: int
    query: dict[str, str]


class _Stamp(msgspec.Struct):
    dead_ms: int


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next: str | None = None


class _Next(msgspec.Struct):
    next: str | None = None


def count(link: AdminLink, query: Mapping[str, str], each: Callable[[bytes], None] | None = None) -> Counted:
    """Count the letters of a filter; `each` is called with each head. Raises ConfigError, UnavailableError."""
    number, newest_ms, cursor = 0, 0, ""
    while True:
        asked = {**query, "order": "oldest", "limit": str(PAGE_MAX), **({"cursor": cursor} if cursor else {})}
        page = decoded(link.data("GET", "/v1/dead-letters", asked), _Page)
        for item in page.items:
            newest_ms = max(newest_ms, decoded(bytes(item), _Stamp).dead_ms)
            if each is not None:
                each(bytes(item))
        number += len(page.items)
        if page.next is None:
            break
        cursor = page.next
    return Counted(
        number, {**query, "before": str(min(newest_ms + 1, int(query.get("before", newest_ms + 1))))}
    )


def confirm(verb: str, number: int) -> None:
    """Ask whether to go on. Raises ConfigError where there is nobody to ask, typer.Abort for a no."""
    if not sys.stdin.isatty():
        raise ConfigError(
            "--yes", f"is required where no terminal can ask: this would {verb} {letters(number)}"
        )
    typer.confirm(f"{verb} {letters(number)}?".capitalize(), abort=True, err=True)


class Interrupt:
    """Ctrl-C within it: the first is noted, and ends the next wait or the one under way; the second ends everything."""

    def __init__(self) -> None:
        self._asked = self._waits = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *reason: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        if self._asked or self._waits:
            raise KeyboardInterrupt
        self._asked = True

    def sleep(self, seconds: float = 0.0) -> None:
        """Wait. Raises KeyboardInterrupt when there was Ctrl-C before, or is meanwhile."""
        self._waits = True
        try:
            if self._asked:
                raise KeyboardInterrupt
            if seconds > 0:
                time.sleep(seconds)
        finally:
            self._waits = False


class Pace:
    """At most `rate` letters a second since it was made; 0 for no such bound."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._began_s = time.monotonic()

    @property
    def limit(self) -> int:
        """Letters for one call."""
        return min(PAGE_MAX, max(1, round(self._rate / _CALLS_S))) if self._rate else PAGE_MAX

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began_s

    def early_s(self, done: int) -> float:
        """How long to wait after so many letters."""
        return max(0.0, done / self._rate - self.seconds) if self._rate else 0.0


class Screen:
    """Standard error: a progress bar where it is a terminal, and sentences above it."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} letters"),
            BarColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("letters", total=total)

    def show(self, sentence: str) -> None:
        """One line. It may hold what a publisher or a server said, so nothing in it may shape the terminal."""
        if self._bar.disable:
            typer.echo(visible(sentence), err=True)
        else:
            self._console.print(visible(sentence), markup=False)

    def move(self, done: int) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=done)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar meanwhile."""
        with self._bar:
            yield


class Work:
    """One run of a command: how many letters, how fast, and where its lines go.

    Attributes:
        tally: what became of the letters, by the words of the summary; its command counts there.
        interrupt: Ctrl-C.
    """

    def __init__(
        self, link: AdminLink, tally: Counter[str], total: int, *, rate: float = 0, as_json: bool
    ) -> None:
        self.link, self.tally, self.as_json = link, tally, as_json
        self.pace, self.interrupt = Pace(rate), Interrupt()
        self._screen = Screen(total)

    def show(self, sentence: str) -> None:
        """One line on standard error."""
        self._screen.show(sentence)

    def settle(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Said:
        """One request, again while the hub is away. Asking again is safe: what is done is gone."""
        return self.link.settle(method, path, query, body, show=self.show, sleep=self.interrupt.sleep)

    def pages(
        self, method: str, path: str, query: Mapping[str, str], body: bytes | None = None
    ) -> Iterator[bytes]:
        """The `data` of each call of a run, until its end. Raises ConfigError, UnavailableError."""
        cursor = ""
        while True:
            asked = {**query, "limit": str(self.pace.limit), **({"cursor": cursor} if cursor else {})}
            data = checked(self.settle(method, path, asked, body)).data
            yield data
            following = decoded(data, _Next).next
            if following is None:
                return
            cursor = following

    def pause(self) -> None:
        """Keep to the pace. Raises KeyboardInterrupt when Ctrl-C was pressed."""
        done = self.tally.total()
        self._screen.move(done)
        self.interrupt.sleep(self.pace.early_s(done))

    def drive(self, work: Callable[[], None], go_on: Callable[[], str] = lambda: GO_ON) -> None:
        """Do it, and print the summary whatever ends it.

        Raises:
            typer.Exit: 130 when interrupted.
            UnavailableError: the hub stays away, or refuses everything; says how to go on.
        """
        try:
            with self.interrupt, self._screen.shown():
                work()
        except KeyboardInterrupt:
            self.summarize()
            self.show(f"interrupted; {go_on()}")
            raise typer.Exit(130) from None
        except UnavailableError as error:
            self.summarize()
            raise UnavailableError(f"{error.message}; {go_on()}") from error

    def summarize(self) -> None:
        """The last line."""
        if self.as_json:
            typer.echo(msgspec.json.encode({**self.tally, "seconds": round(self.pace.seconds, 3)}))
        else:
            words = ", ".join(f"{word} {number}" for word, number in self.tally.items())
            typer.echo(f"{words} in {self.pace.seconds:.1f} s")

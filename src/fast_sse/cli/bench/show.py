"""What `fast-sse bench` prints: bars while it runs, then a table, then what speaks against the figures and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fast_sse.bench.conductor import OnProgress
from fast_sse.bench.k6 import report
from fast_sse.cli.bench.rows import Figures, options_text, rows_of
from fast_sse.cli.bench.verdict import WAITED_SHARE_MAX, verdict


def doubts(figures: Figures) -> list[str]:
    """What a reader must know before believing a run."""
    found = []
    if not figures.get("expected"):
        found.append("nothing was expected to be delivered: this run proves nothing")
    if figures.get("generator_was_limit"):
        found.append(
            f"the generator was the limit ({figures['generator_share']:.0%} of its core): more --processes, or less load"
        )
    for who in ("server", "generator"):
        share = figures.get(f"{who}_waited_share", 0)
        if share > WAITED_SHARE_MAX:
            found.append(f"other work kept the {who} waiting for its core, {share:.0%} of the time")
    wrong = ("lost", "duplicates", "refused", "closed_by_server")
    found += [f"{key.replace('_', ' ')}: {figures[key]}" for key in wrong if figures.get(key)]
    if figures.get("witness_agrees") is False:
        found.append("the stream that was counted again by the rules disagrees with the count")
    if figures.get("batches") is False:
        found.append("no batches: they need a v2 key (--kid)")
    if "server_rss_bytes" not in figures and "rss_after_bytes" not in figures and "batches" not in figures:
        found.append("no CPU and memory of the server: --pid says which process it is")
    return found


def delivered(figures: Figures) -> str:
    """The sentence with the denominator."""
    n, lost = figures["expected"], figures["lost"]
    bound = f", so fewer than {3 / n:.2g} of all with 95 % confidence" if n and not lost else ""
    return f"lost {lost} of {n} deliveries{bound}; duplicates {figures['duplicates']}"


def show(console: Console, name: str, question: str, options: Figures, figures: Figures) -> None:
    """One scenario: its table, its denominator, its doubts, its verdict."""
    console.print(
        f"\n{name}: {question}\n{options_text(options)}", markup=False, highlight=False, soft_wrap=True
    )
    if "connections_ok" in figures:
        console.print(report(figures), markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(table(options, figures))
    console.print(delivered(figures), markup=False, highlight=False, soft_wrap=True)
    for sentence in doubts(figures):
        console.print(f"! {sentence}", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"Verdict: {verdict(name, options, figures)}", markup=False, highlight=False, soft_wrap=True
    )


def table(options: Figures, figures: Figures) -> Table:
    """What was measured, a row each."""
    shown = Table(show_header=False)
    for row in rows_of(options):
        if (value := figures.get(row.key)) is not None:
            shown.add_row(row.title, row.shown(value))
    return shown


@contextmanager
def bars(console: Console, name: str) -> Iterator[OnProgress]:
    """A bar for each phase, where standard error is a terminal."""
    progress = Progress(
        TextColumn(f"{name}: {{task.description}}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    tasks = {}

    def on_progress(phase: str, done: float, total: float) -> None:
        if phase not in tasks:
            tasks[phase] = progress.add_task(phase, total=total)
        progress.update(tasks[phase], completed=done, total=total)

    with progress:
        yield on_progress

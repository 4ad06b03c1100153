"""What `fast-sse bench` prints: bars while it runs, then a table, then what speaks against the figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fast_sse.bench.conductor import OnProgress
from fast_sse.bench.k6 import report

Figures = dict[str, Any]

#: A core that others use for more than this share of a window is not the server's or the generator's own.
WAITED_SHARE_MAX = 0.05

_PUBLISHES = [
    (f"{kind}_{{many}}_{key}".replace("{many}", many), f"{title}, {said}", form)
    for kind, title in (("single", "one a request"), ("batch", "batches"))
    for many, said in (("1", "1 connection"), ("*", "{publishers} connections"))
    for key, form in (
        ("publishes_per_s", ",.0f publishes/s"),
        ("post_p50_ms", ".2f ms a request (p50)"),
        ("cpu_us_per_publish", ".1f us of server CPU each"),
    )
]

#: Key, title, format and unit; a row whose figure is missing is left out. `*` in a key: the number of publishers.
ROWS = [
    ("cpu_us_per_delivery", "server CPU per delivery", ".2f us"),
    ("deliveries_per_s", "deliveries", ",.0f /s"),
    ("publishes_per_s", "publishes accepted meanwhile", ",.0f /s"),
    ("latency_p50_ms", "latency p50", ".2f ms"),
    ("latency_p99_ms", "latency p99", ".2f ms"),
    ("latency_max_ms", "latency max", ".2f ms"),
    ("alone_latency_p50_ms", "without the stuck ones: p50", ".2f ms"),
    ("alone_latency_p99_ms", "without the stuck ones: p99", ".2f ms"),
    ("post_p50_ms", "POST p50", ".2f ms"),
    ("post_p95_ms", "POST p95", ".2f ms"),
    ("post_p99_ms", "POST p99", ".2f ms"),
    ("bytes_per_delivery", "bytes on the wire per delivery", ",.0f"),
    *_PUBLISHES,
    ("rss_bytes_per_subscriber", "RSS per idle subscriber", ",.0f bytes"),
    ("cpu_us_per_subscribe", "server CPU per subscription set up", ".1f us"),
    ("connects_per_s", "subscriptions set up", ",.0f /s"),
    ("replay_messages_per_s", "replay by one client", ",.0f messages/s"),
    ("storm_level_s", "until all that reconnected are level", ".3f s"),
    ("server_share", "server's share of a core", ".0% "),
    ("server_rss_bytes", "server RSS", ",.0f bytes"),
    ("generator_share", "generator's share of its core (busiest process)", ".0% "),
]


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


def passed(figures: Figures) -> bool:
    """True when there was something to deliver, and each of it came once."""
    wrong = figures["lost"] or figures["duplicates"] or not figures["expected"]
    return not wrong and figures.get("witness_agrees", True)


def delivered(figures: Figures) -> str:
    """The sentence with the denominator."""
    n, lost = figures["expected"], figures["lost"]
    bound = f", so fewer than {3 / n:.2g} of all with 95 % confidence" if n and not lost else ""
    return f"lost {lost} of {n} deliveries{bound}; duplicates {figures['duplicates']}"


def show(console: Console, name: str, question: str, options: Figures, figures: Figures) -> None:
    """One scenario: its table, its denominator, its doubts."""
    numbers = ", ".join(f"{key} {value:g}" for key, value in options.items())
    console.print(f"\n{name}: {question}\n{numbers}", markup=False, highlight=False, soft_wrap=True)
    if "connections_ok" in figures:
        console.print(report(figures), markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(table(options, figures))
    console.print(delivered(figures), markup=False, highlight=False, soft_wrap=True)
    for sentence in doubts(figures):
        console.print(f"! {sentence}", markup=False, highlight=False, soft_wrap=True)


def table(options: Figures, figures: Figures) -> Table:
    """What was measured, a row each."""
    shown = Table(show_header=False)
    many = str(options.get("publishers", ""))
    for key, title, form in ROWS:
        value = figures.get(key.replace("*", many))
        if value is None:
            continue
        number, _, unit = form.partition(" ")
        shown.add_row(title.replace("{publishers}", many), f"{value:{number}} {unit}".rstrip())
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

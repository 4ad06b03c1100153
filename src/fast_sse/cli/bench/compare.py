"""`fast-sse bench --compare FILE`: the figures of this run beside those of an earlier --json, each with a ratio and a word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from fast_sse.cli.bench.rows import Figures, Measure, rows_of
from fast_sse.model.errors import ConfigError

#: What must be the same for figures to be of the same machine, by their names in `facts`.
MACHINE = ("machine", "cpu", "cores", "kernel", "python")


class EarlierRun(msgspec.Struct, frozen=True):
    """One scenario of an earlier file. `figures` is missing where the load could not be made."""

    scenario: str
    options: dict[str, Any]
    figures: dict[str, Any] | None = None
    doubts: list[str] = []


class Earlier(msgspec.Struct, frozen=True):
    """What an earlier `--json` holds."""

    facts: dict[str, Any]
    runs: list[EarlierRun]

    def run(self, scenario: str) -> EarlierRun | None:
        """The run of a scenario, if the file has one."""
        return next((run for run in self.runs if run.scenario == scenario), None)


def read_earlier(file: Path, scenarios: Sequence[str]) -> Earlier:
    """The file, which must hold at least one of the scenarios.

    Raises:
        ConfigError: it cannot be read, it is not what --json writes, or it holds other scenarios only.
    """
    try:
        earlier = msgspec.json.decode(file.read_bytes(), type=Earlier)
    except OSError as error:
        raise ConfigError("--compare", f"cannot read {file}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(
            "--compare", f"{file} is not from --json ({error}); name a file that bench --json wrote"
        ) from error
    if not any(earlier.run(scenario) for scenario in scenarios):
        held = ", ".join(run.scenario for run in earlier.runs) or "no run"
        raise ConfigError(
            "--compare", f"{file} holds {held}, and not {', '.join(scenarios)}; run one that it holds"
        )
    return earlier


def ratio_and_word(measure: Measure, earlier: float, now: float) -> tuple[str, str]:
    """`x1.25` (now by earlier) and what that means; no ratio where one of the two is nothing."""
    if earlier <= 0 or now <= 0:
        return "-", "within noise" if earlier == now else "cannot be compared"
    ratio = now / earlier
    if 1 / (1 + measure.noise) <= ratio <= 1 + measure.noise:
        return f"x{ratio:.2f}", "within noise"
    return f"x{ratio:.2f}", measure.better if (ratio > 1) == measure.more_is_better else measure.worse


def cautions(earlier: Earlier, facts: Figures) -> Iterator[str]:
    """How the earlier file differs from this run in what is not a figure: first of all whether it is another machine."""
    then = earlier.facts
    differ = [name for name in MACHINE if name in then and then[name] != facts[name]]
    if differ:
        words = ", ".join(f"{name} {then[name]}, now {facts[name]}" for name in differ)
        yield f"the machines differ ({words}): the ratios say nothing about the hub"
    if then.get("hub") != facts["hub"]:
        yield f"the hubs differ: {then.get('hub')}, now {facts['hub']}"


def show_comparison(console: Console, earlier: Earlier, facts: Figures, runs: Sequence[Figures]) -> None:
    """A table for each scenario that both have, and what speaks against comparing."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    then = earlier.facts
    say(f"\nCompared with version {then.get('version')} of {then.get('date')}. x1.00 is the same value.")
    for caution in cautions(earlier, facts):
        say(f"! {caution}")
    for run in runs:
        name, before = run["scenario"], earlier.run(run["scenario"])
        if before is None or before.figures is None or "figures" not in run:
            say(
                f"{name}: not compared, for {'this run failed' if before and before.figures else 'it is not in the file'}"
            )
        elif changed := _changed(before.options, run["options"]):
            say(f"{name}: not compared, for the options differ: {changed}")
        else:
            say(f"{name}:")
            console.print(comparison(run["options"], before.figures, run["figures"]))
            for doubt in before.doubts:
                say(f"! the earlier run: {doubt}")


def _changed(before: Figures, now: Figures) -> str:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name} {before.get(name)}, now {now.get(name)}" for name in names)


def comparison(options: Figures, before: Figures, now: Figures) -> Table:
    """Title, earlier value, value now, ratio and word, of each figure that both runs have."""
    shown = Table(show_header=False)
    for row in rows_of(options):
        values = before.get(row.key), now.get(row.key)
        if row.measure is None or None in values:
            continue
        earlier, later = (float(value or 0) for value in values)
        shown.add_row(
            row.title, row.shown(earlier), row.shown(later), *ratio_and_word(row.measure, earlier, later)
        )
    return shown

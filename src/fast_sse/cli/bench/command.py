"""`fast-sse bench`: load on a hub, and figures that say of how many and what speaks against them."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from typer import Exit

from fast_sse import __version__
from fast_sse.bench.conductor import conduct
from fast_sse.bench.crew import CrewJob
from fast_sse.bench.scenarios import SCENARIOS
from fast_sse.bench.target import LoadError, LoadTarget
from fast_sse.cli.bench.compare import read_earlier, show_comparison
from fast_sse.cli.bench.hub import KID, own_hub
from fast_sse.cli.bench.options import (
    ChannelsOption,
    CompareOption,
    CompressionOption,
    JsonFileOption,
    MessagesOption,
    MissedOption,
    PatienceOption,
    PidOption,
    ProcessesOption,
    PublishersOption,
    QuickOption,
    RateOption,
    ScenarioArgument,
    SecondsOption,
    SizeOption,
    StoreOption,
    StuckOption,
    SubscribersOption,
    UrlOption,
    check_files,
    check_hub,
    check_numbers,
    scenario_names,
)
from fast_sse.cli.bench.rows import Figures
from fast_sse.cli.bench.show import bars, doubts, show
from fast_sse.cli.bench.target import make_target
from fast_sse.cli.bench.verdict import passed
from fast_sse.cli.credentials import (
    ConfigOption,
    DemoDirOption,
    KidOption,
    SecretEnvOption,
    Signer,
    find_signer,
)
from fast_sse.cli.remote import Remote
from fast_sse.model.errors import UnavailableError


class Aim(msgspec.Struct, frozen=True):
    """The hub to load: the one at `url`, signed for by `signer`, or without a URL one of our own on `store`."""

    url: str | None
    signer: Signer | None
    pid: int
    store: str
    compression: str | None

    @contextmanager
    def target(self, channels: int) -> Iterator[LoadTarget]:
        """That hub with so many channels. One of our own ends when this is left."""
        query = "" if self.compression is None else f"compression={self.compression}"
        if self.url is not None:
            assert self.signer is not None
            yield make_target(Remote.at(self.url), self.signer, channels, self.pid, query=query)
            return
        with own_hub(self.store) as hub:
            yield make_target(Remote.at(hub.url), hub.signer, channels, hub.pid, KID, query=query)


def bench(  # noqa: PLR0913, PLR0917  the options of a command are its arguments
    scenario: ScenarioArgument,
    url: UrlOption = None,
    store: StoreOption = "memory",
    pid: PidOption = None,
    quick: QuickOption = False,
    subscribers: SubscribersOption = None,
    channels: ChannelsOption = None,
    publishers: PublishersOption = None,
    rate: RateOption = None,
    seconds: SecondsOption = None,
    size: SizeOption = None,
    messages: MessagesOption = None,
    missed: MissedOption = None,
    stuck: StuckOption = None,
    patience: PatienceOption = 5.0,
    processes: ProcessesOption = None,
    compression: CompressionOption = None,
    json_file: JsonFileOption = None,
    compare: CompareOption = None,
    kid: KidOption = None,
    config: ConfigOption = None,
    demo_dir: DemoDirOption = None,
    secret_env: SecretEnvOption = None,
) -> None:
    """Measure a hub: latency, throughput, memory, replay, slow clients; and whether anything is lost.

    Status 1 when a delivery is lost or comes twice. Latency counts from when a message was due, not from when the
    generator came round to sending it. Loads the channels carid000001, carid000002, ... of type cart_changed.

    \b
    Examples:
      fast-sse bench original --quick
      fast-sse bench original --compression payload
      fast-sse bench all --store sqlite --json figures.json
      fast-sse bench all --store sqlite --compare figures.json
      fast-sse bench fanout --url http://127.0.0.1:30000 --demo-dir var/demo --pid 4711 --subscribers 5000
    """
    given = {
        "subscribers": subscribers,
        "channels": channels,
        "publishers": publishers,
        "rate": rate,
        "seconds": seconds,
        "size": size,
        "messages": messages,
        "missed": missed,
        "stuck": stuck,
    }
    names = scenario_names(
        scenario, given := {name: value for name, value in given.items() if value is not None}
    )
    check_hub(scenario, url, pid, compression)
    earlier = None if compare is None else read_earlier(compare, names)
    signer = None if url is None else find_signer(config, demo_dir, secret_env, kid)
    aim, facts, console = Aim(url, signer, pid or 0, store, compression), _facts(url, store), Console()
    runs = [
        _measure(console, aim, name, SCENARIOS[name].options(quick=quick, given=given), processes, patience)
        for name in names
    ]
    if earlier is not None:
        show_comparison(console, earlier, facts, runs)
    failed = not all(run["passed"] for run in runs)
    if json_file is not None:
        _write(json_file, {"facts": facts, "passed": not failed, "runs": runs})
    if failed:
        raise Exit(1)


def _measure(
    console: Console, aim: Aim, name: str, options: Figures, processes: int | None, patience_s: float
) -> Figures:
    """Play one scenario, print what came of it, and return it as --json has it."""
    of = SCENARIOS[name]
    check_numbers(options)
    count = 1 if of.one_process else processes or max(1, len(os.sched_getaffinity(0)) - 1)
    check_files(of.sockets(options), count)
    with aim.target(of.channels(options)) as target:
        run = _run(CrewJob(target, name, options, patience_s=patience_s), count)
    if "error" in run:
        console.print(f"\n{name}: FAILED: {run['error']}", markup=False, highlight=False, soft_wrap=True)
    else:
        show(console, name, of.question, options, run["figures"])
    return run


def _run(job: CrewJob, processes: int) -> Figures:
    run: Figures = {"scenario": job.scenario, "options": job.options, "passed": False}
    try:
        with bars(Console(stderr=True), job.scenario) as on_progress:
            figures = conduct(job, processes, on_progress)
    except LoadError as error:
        return run | {"error": str(error)}
    return run | {"passed": passed(figures), "figures": figures, "doubts": doubts(figures)}


def _facts(url: str | None, store: str) -> Figures:
    return {
        "version": __version__,
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "hub": url or f"started here, {store}",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpu": _cpu(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    """The processor's name as the kernel has it; empty where it has none."""
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else ""


def _write(file: Path, whole: Figures) -> None:
    try:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    except OSError as error:
        raise UnavailableError(f"cannot write {file}: {error.strerror}") from error

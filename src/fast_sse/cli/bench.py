"""`fast-sse bench`: load on a hub, and figures that say of how many and what speaks against them."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from rich.console import Console
from typer import Argument, Exit, Option

from fast_sse import __version__
from fast_sse.bench.conductor import conduct
from fast_sse.bench.crew import CrewJob
from fast_sse.bench.scenarios import SCENARIOS
from fast_sse.bench.target import PAYLOAD_BYTES_MIN, LoadError, LoadTarget
from fast_sse.cli.bench_hub import KID, own_hub
from fast_sse.cli.bench_show import bars, doubts, passed, show
from fast_sse.cli.bench_target import make_target
from fast_sse.cli.credentials import (
    ConfigOption,
    DemoDirOption,
    KidOption,
    SecretEnvOption,
    Signer,
    find_signer,
)
from fast_sse.cli.remote import Remote
from fast_sse.model.errors import ConfigError, UnavailableError

Figures = dict[str, Any]

#: Descriptors of a process besides its connections.
SPARE_FILES = 64

ScenarioArgument = Annotated[str, Argument(help=f"One of {', '.join(SCENARIOS)}, or all.")]
UrlOption = Annotated[str | None, Option(help="The hub to load; without it, one is started and ended here.")]
StoreOption = Annotated[Literal["memory", "sqlite"], Option(help="Store of the hub that is started here.")]
PidOption = Annotated[
    int | None, Option(min=1, help="With --url, on the same machine: the hub's process, for CPU and RSS.")
]
QuickOption = Annotated[bool, Option("--quick", help="Short runs, to see that it works.")]
SubscribersOption = Annotated[int | None, Option(min=1, help="Streams.")]
ChannelsOption = Annotated[int | None, Option(min=1, help="Channels (scenarios channels and publish).")]
PublishersOption = Annotated[int | None, Option(min=1, help="Connections that publish at full speed.")]
RateOption = Annotated[float | None, Option(min=0.1, help="Messages a second, where they are scheduled.")]
SecondsOption = Annotated[float | None, Option(min=0.1, help="How long to publish (idle: to wait).")]
SizeOption = Annotated[
    int | None, Option(min=PAYLOAD_BYTES_MIN, metavar="BYTES", help="Size of a message's data.")
]
MessagesOption = Annotated[int | None, Option(min=1, help="How many at most (burst), or to replay.")]
MissedOption = Annotated[int | None, Option(min=1, help="resume: messages that each client missed.")]
StuckOption = Annotated[int | None, Option(min=1, help="slow: clients that do not read.")]
PatienceOption = Annotated[
    float, Option(min=0.1, metavar="SECONDS", help="Silence after which what is missing counts as lost.")
]
ProcessesOption = Annotated[
    int | None, Option(min=1, help="Processes of the generator; one less than there are cores.")
]
CompressionOption = Annotated[
    Literal["payload"] | None, Option(help="original: messages come packed, and are unpacked.")
]
JsonFileOption = Annotated[Path | None, Option("--json", metavar="FILE", help="Write all figures here.")]


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
    names = _names(scenario, given := {name: value for name, value in given.items() if value is not None})
    _check_hub(scenario, url, pid, compression)
    signer = None if url is None else find_signer(config, demo_dir, secret_env, kid)
    console, runs = Console(), []
    for name in names:
        of = SCENARIOS[name]
        options = of.options(quick=quick, given=given)
        _check(options)
        count = 1 if of.one_process else processes or max(1, len(os.sched_getaffinity(0)) - 1)
        _check_files(of.sockets(options), count)
        with _target(url, pid, signer, store, of.channels(options), compression) as target:
            run = _run(CrewJob(target, name, options, patience_s=patience), count)
        runs.append(run)
        if "error" in run:
            console.print(f"\n{name}: FAILED: {run['error']}", markup=False, highlight=False, soft_wrap=True)
        else:
            show(console, name, of.question, options, run["figures"])
    failed = not all(run["passed"] for run in runs)
    if json_file is not None:
        _write(json_file, {"facts": _facts(url, store), "passed": not failed, "runs": runs})
    if failed:
        raise Exit(1)


def _names(scenario: str, given: Figures) -> list[str]:
    if scenario == "all":
        return list(SCENARIOS)
    if scenario not in SCENARIOS:
        raise ConfigError("SCENARIO", f"is one of {', '.join(SCENARIOS)}, or all")
    unknown = set(given) - set(SCENARIOS[scenario].full)
    if unknown:
        raise ConfigError(f"--{min(unknown)}", f"is not an option of {scenario}")
    return [scenario]


def _check_hub(scenario: str, url: str | None, pid: int | None, compression: str | None) -> None:
    if compression is not None and scenario != "original":
        raise ConfigError(
            "--compression", "is an option of original: the others count bytes that they do not unpack"
        )
    if pid is not None and (url is None or not Path(f"/proc/{pid}").exists()):
        raise ConfigError("--pid", "is the process of the hub at --url, on this machine")


def _check(options: Figures) -> None:
    if options.get("missed", 0) >= options.get("messages", 1 << 62):
        raise ConfigError("--missed", "must be less than --messages")
    if options.get("channels", 1) > options.get("subscribers", 1 << 62):
        raise ConfigError("--channels", "must not be more than --subscribers")


def _check_files(sockets: int, processes: int) -> None:
    """Each connection is an open file of the process that holds it."""
    needed = -(-sockets // processes) + SPARE_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ConfigError(
            "--subscribers",
            f"takes {needed} open files a process, and {hard} are allowed: raise the limit (ulimit -Hn), or --processes",
        )


@contextmanager
def _target(
    url: str | None,
    pid: int | None,
    signer: Signer | None,
    store: str,
    channels: int,
    compression: str | None,
) -> Iterator[LoadTarget]:
    """What to load: the hub at the URL, or one of our own."""
    query = "" if compression is None else f"compression={compression}"
    if url is not None:
        assert signer is not None
        yield make_target(Remote.at(url), signer, channels, pid or 0, query=query)
        return
    with own_hub(store) as hub:
        yield make_target(Remote.at(hub.url), hub.signer, channels, hub.pid, KID, query=query)


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
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _write(file: Path, whole: Figures) -> None:
    try:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    except OSError as error:
        raise UnavailableError(f"cannot write {file}: {error.strerror}") from error

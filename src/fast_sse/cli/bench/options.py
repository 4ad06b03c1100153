"""The options of `fast-sse bench`, and what they cannot be."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Annotated, Any, Literal

from typer import Argument, Option

from fast_sse.bench.scenarios import SCENARIOS
from fast_sse.bench.target import PAYLOAD_BYTES_MIN
from fast_sse.cli.completing import words
from fast_sse.model.errors import ConfigError

#: Numbers of a scenario by the names of its options.
Numbers = dict[str, Any]

#: Descriptors of a process besides its connections.
SPARE_FILES = 64

ScenarioArgument = Annotated[
    str, Argument(help=f"One of {', '.join(SCENARIOS)}, or all.", autocompletion=words(*SCENARIOS, "all"))
]
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
CompareOption = Annotated[
    Path | None, Option(metavar="FILE", help="An earlier --json: print what became faster, and what slower.")
]


def scenario_names(scenario: str, given: Numbers) -> list[str]:
    """The scenarios that were asked for.

    Raises:
        ConfigError: there is none of that name, or it has no use for an option that was given.
    """
    if scenario == "all":
        return list(SCENARIOS)
    if scenario not in SCENARIOS:
        raise ConfigError("SCENARIO", f"must be one of {', '.join(SCENARIOS)}, or all")
    unknown = set(given) - set(SCENARIOS[scenario].full)
    if unknown:
        raise ConfigError(f"--{min(unknown)}", f"is not an option of {scenario}; leave it out")
    return [scenario]


def check_hub(scenario: str, url: str | None, pid: int | None, compression: str | None) -> None:
    """Raises ConfigError for an option that does not fit what is loaded."""
    if compression is not None and scenario != "original":
        raise ConfigError(
            "--compression",
            "is an option of original; leave it out: the others count bytes that they do not unpack",
        )
    if pid is not None and (url is None or not Path(f"/proc/{pid}").exists()):
        raise ConfigError("--pid", "must be the process of the hub at --url, on this machine")


def check_numbers(numbers: Numbers) -> None:
    """Raises ConfigError for numbers that contradict one another."""
    if numbers.get("missed", 0) >= numbers.get("messages", 1 << 62):
        raise ConfigError("--missed", "must be less than --messages")
    if numbers.get("channels", 1) > numbers.get("subscribers", 1 << 62):
        raise ConfigError("--channels", "must not be more than --subscribers")


def check_files(sockets: int, processes: int) -> None:
    """Raises ConfigError for more connections than a process may open. Each is an open file of the process that holds it."""
    needed = -(-sockets // processes) + SPARE_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ConfigError(
            "--subscribers",
            f"takes {needed} open files a process, and {hard} are allowed: raise the limit (ulimit -Hn), or --processes",
        )

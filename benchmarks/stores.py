"""SQLite, Redis and Kafka side by side: what the log costs, in one run, turn by turn.

    .venv/bin/python benchmarks/stores.py [--quick] [--rounds N] [--stores sqlite,redis,…] [--only publish,replay,…]

A node has core 0. The generator has another, and so has the server that holds the log, as far as there are cores: with
two, these two share the second one, and what the log's server does there is paid by the figures. A full run writes
results/stores-*.json and the table in README.md; one that is quick or narrowed prints its table and writes to scratch/.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from benchmarks import results  # noqa: E402
from benchmarks.peers import hub, nodes  # noqa: E402
from benchmarks.peers.process import PeerError, pinned  # noqa: E402
from benchmarks.report import cell, doubts  # noqa: E402
from benchmarks.sidebyside import RUN_S_MAX, TooLongError, at_most  # noqa: E402
from fast_sse.bench.conductor import conduct  # noqa: E402
from fast_sse.bench.crew import CrewJob  # noqa: E402
from fast_sse.bench.scenarios import SCENARIOS  # noqa: E402
from fast_sse.bench.target import LoadError  # noqa: E402

ROUNDS = 3
BEGIN, END = "<!-- stores:begin -->", "<!-- stores:end -->"
PAGE = ROOT / "benchmarks" / "README.md"

Run = dict[str, Any]


class Log(NamedTuple):
    """A store as it is measured; `shared` ones may have several nodes."""

    store: str
    serve: Callable[[int], AbstractContextManager[nodes.FreshLog]]
    shared: bool = True


STORES = {
    "sqlite": Log("sqlite", nodes.sqlite, shared=False),
    "redis everysec": Log("redis", partial(nodes.redis, persistence="everysec")),
    "redis always": Log("redis", partial(nodes.redis, persistence="always")),
    "kafka": Log("kafka", nodes.kafka),
}


class Part(NamedTuple):
    """One measurement: a scenario of the generator, its options, and how many nodes there are and where."""

    scenario: str
    options: dict[str, Any]
    quick: dict[str, Any]
    layout: str = "one"


_PUBLISH = {"channels": 8, "publishers": 32, "seconds": 12.0, "size": 200}
PARTS = {
    "publish": Part("publish", _PUBLISH, {"seconds": 2.0}),
    "fanout": Part(
        "fanout", {"subscribers": 1000, "rate": 30.0, "seconds": 8.0, "size": 200}, {"seconds": 1.0}
    ),
    "replay": Part(
        "resume",
        {"subscribers": 100, "messages": 100_000, "missed": 100, "size": 200},
        {"messages": 5_000},
    ),
    "cross-node": Part(
        "fanout", {"subscribers": 10, "rate": 100.0, "seconds": 8.0, "size": 200}, {"seconds": 1.0}, "pair"
    ),
    "two nodes": Part("publish", _PUBLISH, {"seconds": 2.0}, "share"),
}

#: Part, figure, what it is called, how it is written.
ROWS = [
    ("publish", "single_1_publishes_per_s", "publishes/s, 1 connection", ",.0f"),
    ("publish", "single_32_publishes_per_s", "publishes/s, 32 connections", ",.0f"),
    ("publish", "batch_1_publishes_per_s", "publishes/s in batches of 100, 1 connection", ",.0f"),
    ("publish", "batch_32_publishes_per_s", "publishes/s in batches of 100, 32 connections", ",.0f"),
    ("publish", "single_32_cpu_us_per_publish", "CPU of the node per publish, 32 connections (us)", ".1f"),
    ("publish", "single_1_post_p50_ms", "publish answered, 1 connection, p50 (ms)", ".2f"),
    ("publish", "lost", "accepted and not read back", ",.0f"),
    ("fanout", "cpu_us_per_delivery", "CPU of the node per delivery, 1,000 streams (us)", ".2f"),
    ("fanout", "latency_p50_ms", "latency to 1,000 streams, p50 (ms)", ".2f"),
    ("fanout", "latency_p99_ms", "latency to 1,000 streams, p99 (ms)", ".2f"),
    ("replay", "replay_messages_per_s", "replay to one client, messages/s", ",.0f"),
    ("replay", "storm_level_s", "100 clients that missed 100 each are level after (s)", ".2f"),
    ("cross-node", "latency_p50_ms", "from a publish on one node to a stream on another, p50 (ms)", ".2f"),
    ("cross-node", "latency_p99_ms", "the same, p99 (ms)", ".2f"),
    (
        "two nodes",
        "single_32_publishes_per_s",
        "publishes/s of two nodes on one port, 32 connections",
        ",.0f",
    ),
    ("two nodes", "batch_32_publishes_per_s", "the same in batches of 100", ",.0f"),
]


def measure(log: Log, part: Part, options: dict[str, Any], fresh: nodes.FreshLog, cores: nodes.Cores) -> Run:
    """One measurement on a log of its own: its `figures`, or the `error` it ended with."""
    channels = SCENARIOS[part.scenario].channels(options)
    # The generator spins. Where it shares its core, for every store alike, it must not take what a server needs.
    nice = ["nice", "-n", "19"] if cores.generator in (cores.log, cores.second) else []
    try:
        settings = fresh()
        with (
            nodes.running(log.store, part.layout, cores, settings, channels) as target,
            at_most(RUN_S_MAX),
        ):
            job = CrewJob(target, part.scenario, options)
            return {"figures": conduct(job, prefix=[*pinned(cores.generator, []), *nice])}
    except (PeerError, LoadError, TooLongError, OSError) as error:
        return {"error": " ".join(str(error).split()) or type(error).__name__}


def run_all(asked: argparse.Namespace, cores: nodes.Cores) -> Iterator[Run]:
    """Every store's turn at each part, round by round."""
    with ExitStack() as stack:
        fresh = {name: stack.enter_context(STORES[name].serve(cores.log)) for name in asked.stores}
        for number in range(1, asked.rounds + 1):
            for part_name in asked.only:
                part = PARTS[part_name]
                options = part.options | (part.quick if asked.quick else {})
                for name in asked.stores:
                    if part.layout != "one" and not STORES[name].shared:
                        continue
                    run = {"part": part_name, "store": name, "round": number, "options": options}
                    run |= measure(STORES[name], part, options, fresh[name], cores)
                    print(f"{part_name}, round {number}: {name:15s} {told(run)}", flush=True)
                    yield run


def told(run: Run) -> str:
    """One line of a run."""
    if "error" in run:
        return str(run["error"])
    found = [
        f"{name} {run['figures'][key]:{form}}"
        for part, key, name, form in ROWS
        if part == run["part"] and key in run["figures"]
    ]
    return "; ".join(found)


def table(runs: list[Run]) -> str:
    """Median [lowest, highest] of the rounds."""
    stores = list(dict.fromkeys(run["store"] for run in runs))
    lines = [f"| | {' | '.join(stores)} |", "|---" * (len(stores) + 1) + "|"]
    for part, key, name, form in ROWS:
        of_part = [run for run in runs if run["part"] == part and key in run.get("figures", {})]
        if not of_part:
            continue
        values = {
            store: [run["figures"][key] for run in of_part if run["store"] == store] for store in stores
        }
        cells = [cell(values[store], form) if values[store] else "" for store in stores]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def notes(runs: list[Run]) -> list[str]:
    """What to know before believing: errors, losses, and whoever was the limit."""
    said = []
    for run in runs:
        where = f"- {run['part']}, {run['store']}, round {run['round']}: "
        said += [where + run["error"]] if "error" in run else [where + one for one in doubts(run["figures"])]
    return said


def section(facts: results.Facts, runs: list[Run], cores: nodes.Cores) -> str:
    """The text between the markers of the page."""
    placed = (
        f"A node has core {cores.node}, the generator core {cores.generator}, Redis or Kafka core {cores.log}, and a "
        f"second node on the port core {cores.second}"
        + (
            ": with what this machine has, two nodes are not twice one."
            if cores.second == cores.generator
            else "."
        )
    )
    versions = ", ".join(f"{name} {number}" for name, number in hub.version().items())
    said = notes(runs)
    return "\n".join(
        [
            results.how(facts).removesuffix("The server has one core, the generator another.") + placed,
            "",
            table(runs),
            "",
            f"{versions}; redis-server {facts['redis']}; Kafka {facts['kafka']}.",
            *(["", *said] if said else []),
        ]
    )


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round; not to be quoted")
    parser.add_argument("--rounds", type=int, help=f"({ROUNDS}; quick: 1)")
    parser.add_argument("--stores", default=",".join(STORES), help="comma-separated (%(default)s)")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, comma-separated (%(default)s)")
    asked = parser.parse_args()
    asked.rounds = asked.rounds or (1 if asked.quick else ROUNDS)
    asked.stores, asked.only = asked.stores.split(","), asked.only.split(",")
    for what, names, known in (("store", asked.stores, STORES), ("part", asked.only, PARTS)):
        if unknown := [name for name in names if name not in known]:
            parser.error(f"unknown {what} {', '.join(unknown)}; there are {', '.join(known)}")
    return asked


def write(facts: results.Facts, runs: list[Run], cores: nodes.Cores, *, quotable: bool) -> Path:
    """Keep the raw runs; put the table into the page if the run may be quoted."""
    folder = ROOT / "benchmarks" / ("results" if quotable else "scratch")
    folder.mkdir(exist_ok=True)
    file = folder / f"stores-{time.strftime('%Y-%m-%d')}.json"
    file.write_text(json.dumps({"facts": facts, "runs": runs}, indent=1) + "\n")
    if quotable:
        PAGE.write_text(results.between_markers(PAGE.read_text(), section(facts, runs, cores), BEGIN, END))
    return file


def main() -> int:
    """Run and report; 1 if any measurement failed, 2 if it could not begin."""
    asked = arguments()
    try:
        cores = nodes.Cores.of_this_machine()
        facts = (
            results.machine(ROOT)
            | nodes.versions()
            | {
                "command": " ".join(["benchmarks/stores.py", *sys.argv[1:]]),
                "placed": cores._asdict(),
            }
        )
    except (PeerError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    runs: list[Run] = []
    try:
        runs.extend(run_all(asked, cores))  # what it has yielded stays on Ctrl-C
    except KeyboardInterrupt:
        print("interrupted")
    full = asked.stores == list(STORES) and asked.only == list(PARTS) and asked.rounds >= ROUNDS
    quotable = full and not asked.quick and len({run["round"] for run in runs}) >= ROUNDS
    print("\n" + table(runs) + "\n\n" + "\n".join(notes(runs)))
    print(f"\nwritten: {write(facts, runs, cores, quotable=quotable).relative_to(ROOT)}")
    return 1 if any("error" in run for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())

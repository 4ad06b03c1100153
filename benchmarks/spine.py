"""`make bench`: Fast SSE and nchan under the same load, in the same run, turn by turn.

    .venv/bin/python benchmarks/spine.py [--quick] [--only fanout,burst,idle] [--peer nchan|none] [--rounds N]

The server has core 0, the generator core 1. Each measurement starts a fresh server; the servers take turns
(A B C A B C …), so that a machine that warms up or slows down does so for all; the figure is the median of the
rounds with the lowest and the highest. A full run writes results/spine-<date>.json and the table in README.md;
one that is quick, or narrowed in any way, prints its table and writes to scratch/: it is not to be quoted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # started as a file, found as a package

from benchmarks import report  # noqa: E402
from benchmarks.load.target import Target  # noqa: E402
from benchmarks.peers import hub, nchan  # noqa: E402
from benchmarks.peers.process import PeerError, pinned  # noqa: E402

SERVER_CORE, GENERATOR_CORE = 0, 1
STORES = "memory,sqlite"
RUN_S_MAX = 180
#: More of other people's work than this, before we start, makes figures worth little.
LOAD_AVERAGE_MAX = 0.5

Peer = Callable[[], AbstractContextManager[Target]]
Options = dict[str, Any]

FULL: dict[str, Options] = {
    "fanout": {"subscribers": 1000, "rate": 30, "seconds": 8, "size_bytes": 200},
    "burst": {
        "subscribers": 1000,
        "publishers": 32,
        "messages": 8000,
        "seconds_max": 8,
        "size_bytes": 200,
    },
    "idle": {"subscribers": 5000, "settle_s": 2},
}
QUICK: dict[str, Options] = {
    "fanout": {"seconds": 3},
    "burst": {"messages": 3000, "seconds_max": 4},
    "idle": {"settle_s": 1},
}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round; not to be quoted")
    parser.add_argument("--only", default=",".join(FULL), help="scenarios, comma-separated (%(default)s)")
    parser.add_argument("--peer", choices=("nchan", "none"), default="nchan", help="what to compare with")
    parser.add_argument("--stores", default=STORES, help="of Fast SSE, comma-separated; may be empty")
    parser.add_argument("--rounds", type=int, help="per figure (3; quick: 1)")
    asked = parser.parse_args()
    asked.rounds = asked.rounds or (1 if asked.quick else 3)
    asked.only = [name for name in asked.only.split(",") if name]
    unknown = set(asked.only) - set(FULL)
    if unknown:
        parser.error(f"unknown scenario {', '.join(sorted(unknown))}; there are {', '.join(FULL)}")
    return asked


def quotable(asked: argparse.Namespace) -> bool:
    """True for a run of everything, long enough and often enough."""
    whole = asked.only == list(FULL) and asked.peer == "nchan" and asked.stores == STORES
    return whole and not asked.quick and asked.rounds >= 3


def generate(target: Target, scenario: str, options: Options) -> dict[str, Any]:
    """One run of the generator in its own process on its own core."""
    command = pinned(GENERATOR_CORE, [sys.executable, "-m", "benchmarks.load", scenario, json.dumps(options)])
    done = subprocess.run(
        command,
        input=target.to_json(),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=RUN_S_MAX,
        check=False,
    )
    if done.returncode:
        raise PeerError(
            done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "the generator failed"
        )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(asked: argparse.Namespace, peers: dict[str, Peer]) -> list[dict[str, Any]]:
    """Every scenario, round by round, each round all peers; a run that fails is kept with its error."""
    runs = []
    for scenario in asked.only:
        options = FULL[scenario] | (QUICK[scenario] if asked.quick else {})
        for round_number in range(1, asked.rounds + 1):
            for name, peer in peers.items():
                started_s = time.monotonic()
                run = {"scenario": scenario, "peer": name, "round": round_number, "options": options}
                try:
                    with peer() as target:
                        run["figures"] = generate(target, scenario, options)
                except (PeerError, subprocess.TimeoutExpired) as error:
                    run["error"] = str(error)
                runs.append(run)
                took_s = time.monotonic() - started_s
                print(
                    f"{scenario} {round_number}/{asked.rounds} {name:16s} {report.line(run)}  [{took_s:.1f} s]"
                )
                sys.stdout.flush()
    return runs


def main() -> int:
    """Run and report; 1 if any run failed, 2 if it could not begin."""
    asked = arguments()
    peers: dict[str, Peer] = {}
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if asked.peer == "nchan":
        try:
            nchan.install()
        except (PeerError, subprocess.CalledProcessError) as error:
            print(error, file=sys.stderr)
            return 2
        peers["nchan"] = partial(nchan.running, SERVER_CORE)
    peers |= {
        f"fast-sse {store}": partial(hub.running, store, SERVER_CORE)
        for store in asked.stores.split(",")
        if store
    }
    if len(os.sched_getaffinity(0)) < 2:
        print("needs two cores: one for the server, one for the generator", file=sys.stderr)
        return 2
    facts = report.machine(ROOT) | {"nchan": nchan.version(), "fast-sse": hub.version()}
    if facts["load_average"] > LOAD_AVERAGE_MAX:
        print(f"note: load average is {facts['load_average']}; other work on this machine blurs the figures")
    runs = measure(asked, peers)
    facts["command"] = " ".join(["benchmarks/spine.py", *sys.argv[1:]])
    written = report.write(ROOT / "benchmarks", facts, runs, quotable=quotable(asked))
    print("\n" + report.table(runs))
    print("\nwritten: " + ", ".join(str(path.relative_to(ROOT)) for path in written))
    return 1 if any("error" in run for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())

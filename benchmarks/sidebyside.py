"""`make bench`: Fast SSE and its peers under the same load, in the same run, turn by turn.

    .venv/bin/python benchmarks/sidebyside.py [--quick] [--rounds N] [--seconds-max S] [--no-charts]
                                              [--only fanout,burst,…] [--peers nchan,'fast-sse memory',…]

The server has core 0, the generator core 1. Each measurement starts a fresh server; figures are medians of the rounds
with their range, ratios are those of neighbours in one round. A full run writes results/*.json, the tables in the
README files, and docs/images/*.svg; one that is quick, narrowed or cut short prints its table and writes to scratch/.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from benchmarks import plan, report, results  # noqa: E402
from benchmarks.peers.process import PeerError, pinned  # noqa: E402
from benchmarks.peers.registry import PEERS, Peer  # noqa: E402
from benchmarks.peers.routes import NotMeasuredError  # noqa: E402
from fast_sse.bench.conductor import conduct  # noqa: E402
from fast_sse.bench.crew import CrewJob  # noqa: E402
from fast_sse.bench.scenarios import SCENARIOS  # noqa: E402
from fast_sse.bench.target import LoadError  # noqa: E402

SERVER_CORE, GENERATOR_CORE = 0, 1
RUN_S_MAX = 240.0
#: More of other people's work than this, before we start, makes figures worth little.
LOAD_AVERAGE_MAX = 0.5

#: Of a server that cannot be read back from a message's id, these say nothing.
READ_BACK = ("lost", "expected", "delivered", "duplicates", "closed_by_server", "witness_agrees")


class TooLongError(Exception):
    """A measurement took longer than it may."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round; not to be quoted")
    parser.add_argument("--rounds", type=int, help=f"pairs ({plan.ROUNDS}; quick: {plan.QUICK_ROUNDS})")
    parser.add_argument(
        "--seconds-max", type=float, default=plan.SECONDS_MAX, help="for the whole run (%(default)g)"
    )
    parser.add_argument(
        "--only", default=",".join(plan.FULL), help="scenarios, comma-separated (%(default)s)"
    )
    parser.add_argument(
        "--peers", help=f"servers, comma-separated (all that are to be had of {', '.join(PEERS)})"
    )
    parser.add_argument("--no-charts", action="store_true", help="leave out the points of the charts")
    asked = parser.parse_args()
    asked.rounds = asked.rounds or (plan.QUICK_ROUNDS if asked.quick else plan.ROUNDS)
    asked.only = [name for name in asked.only.split(",") if name]
    asked.peers = [name for name in asked.peers.split(",") if name] if asked.peers else []
    for what, names, known in (("scenario", asked.only, plan.FULL), ("server", asked.peers, PEERS)):
        unknown = [name for name in names if name not in known]
        if unknown:
            parser.error(f"unknown {what} {', '.join(unknown)}; there are {', '.join(known)}")
    return asked


def quotable(asked: argparse.Namespace, runs: list[report.Run]) -> bool:
    """True for a run of everything in which every goal had enough rounds, met or not."""
    if asked.quick or asked.no_charts or asked.peers or asked.only != list(plan.FULL):
        return False
    return all(
        len(goal.measured(runs)) >= plan.FEWER_ROUNDS.get(goal.scenario, plan.ROUNDS) for goal in report.GOALS
    )


def to_be_had(asked: list[str]) -> tuple[dict[str, Peer], list[str]]:
    """The servers that can be run, and a line for each that cannot. Raises PeerError for one that was asked for."""
    found, absent = {}, []
    for name in asked or PEERS:
        try:
            PEERS[name].install()
        except (PeerError, OSError) as error:
            if asked:
                raise PeerError(str(error)) from error
            absent.append(f"{name}: {error}")
        else:
            found[name] = PEERS[name]
    return found, absent


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise TooLongError in the block when it takes longer."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooLongError(f"not over within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, max(0.001, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, before)


def measure(peer: Peer, part: plan.Part, seconds_max: float) -> dict[str, Any]:
    """One measurement: its `figures`, or the `error` it ended with, or why it is `left_out`."""
    try:
        if peer.running is None:
            assert peer.alone is not None
            with at_most(seconds_max):
                return {"figures": peer.alone(SERVER_CORE, part.name, part.options)}
        channels = SCENARIOS[part.scenario].channels(part.options)
        with peer.running(SERVER_CORE, channels) as target, at_most(seconds_max):
            job = CrewJob(target, part.scenario, part.options)
            figures = conduct(job, prefix=pinned(GENERATOR_CORE, []))
    except NotMeasuredError as error:
        return {"left_out": str(error)}
    except (PeerError, LoadError, TooLongError, OSError) as error:
        return {"error": " ".join(str(error).split()) or type(error).__name__}
    if not peer.witnessed:
        figures.pop("witness_agrees", None)
    if part.scenario == "publish" and target.routes[0].channel is None:
        figures = {key: value for key, value in figures.items() if key not in READ_BACK}
    return {"figures": figures}


def unsupported(part: plan.Part) -> str:
    """Why the generator cannot play a part; empty when it can."""
    scenario = SCENARIOS.get(part.scenario)
    if scenario is None:
        return f"the generator has no scenario {part.scenario}"
    unknown = sorted(set(part.options) - {*scenario.full, "channels"})
    return f"the generator's {part.scenario} does not know {', '.join(unknown)}" if unknown else ""


def run_all(asked: argparse.Namespace, peers: dict[str, Peer]) -> tuple[list[report.Run], list[str]]:
    """Everything, round by round, until the time is over or Ctrl-C; and what was left out because of that."""
    planned = plan.parts(asked.only, quick=asked.quick, charts=not asked.no_charts)
    left_out = [f"{part.name}: {why}" for part in planned if (why := unsupported(part))]
    planned = [part for part in planned if not unsupported(part)]
    budget = plan.Budget(asked.seconds_max, len(peers))
    runs: list[report.Run] = []
    try:
        for number, part in plan.in_order(planned, asked.rounds):
            if not budget.fits(part):
                left_out.append(f"round {number} of {part.name}: no time left of {asked.seconds_max:g} s")
                continue
            started_s = time.monotonic()
            runs.extend(block(part, number, peers, budget.left_s))  # what it has yielded stays on Ctrl-C
            budget.spend(part, time.monotonic() - started_s)
    except KeyboardInterrupt:
        left_out.append("the rest: interrupted")
    return runs, list(dict.fromkeys(left_out))


def block(part: plan.Part, number: int, peers: dict[str, Peer], seconds_max: float) -> Iterator[report.Run]:
    """Every server's turn at one part, told as it comes."""
    end_s = time.monotonic() + seconds_max
    for name, peer in peers.items():
        if not peer.plays(part.name, number):
            continue
        started_s = time.monotonic()
        own = part.for_peer(peer.less)
        run = {"scenario": part.name, "peer": name, "round": number, "options": own.options}
        run |= measure(peer, own, min(RUN_S_MAX, end_s - started_s))
        took_s = time.monotonic() - started_s
        print(
            f"{report.label(run)}, round {number}: {name:16s} {report.line(run)}  [{took_s:.1f} s]",
            flush=True,
        )
        yield run


def main() -> int:
    """Run and report; 1 if any measurement failed, 2 if it could not begin."""
    asked = arguments()
    if len(os.sched_getaffinity(0)) < 2:
        print("needs two cores: one for the server, one for the generator", file=sys.stderr)
        return 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        peers, absent = to_be_had(asked.peers)
    except PeerError as error:
        print(error, file=sys.stderr)
        return 2
    facts = results.machine(ROOT) | {
        "command": " ".join(["benchmarks/sidebyside.py", *sys.argv[1:]]),
        "peers": {name: {"note": peer.note, "version": peer.version()} for name, peer in peers.items()},
    }
    for line in absent:
        print(f"left out: {line}")
    if facts["load_average"] > LOAD_AVERAGE_MAX:
        print(f"note: load average is {facts['load_average']}; other work on this machine blurs the figures")
    runs, left_out = run_all(asked, peers)
    facts["absent"] = [*absent, *left_out]
    if not runs:
        print("nothing was measured:\n" + "\n".join(left_out), file=sys.stderr)
        return 2
    written = results.write(ROOT, facts, runs, quotable=quotable(asked, runs))
    print("\n" + "\n\n".join([report.table(runs), report.goals(runs)]))
    print("\n" + "\n".join([*report.notes(runs), *(f"- left out: {line}" for line in left_out)]))
    print("\nwritten: " + ", ".join(str(path.relative_to(ROOT)) for path in written))
    return 1 if any("error" in run for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Two checkouts side by side, ours and another one: has a change made anything dearer?

    .venv/bin/python benchmarks/two_trees.py OTHER_CHECKOUT [--rounds N] [--quick] [--only fanout,publish,idle,latency,replay]

Both are run by this environment and loaded by this checkout's generator, turn by turn: A B, then B A, so that a machine
that slows down does so for both. What is printed are medians, and the ratio this/other of each pair with its range: a range
that includes 1.00 is noise.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from benchmarks import plan  # noqa: E402
from benchmarks.peers import hub  # noqa: E402
from benchmarks.peers.registry import Peer  # noqa: E402
from benchmarks.sidebyside import measure  # noqa: E402

ROUNDS = 3
RUN_S_MAX = 120.0
STORES = ("memory", "sqlite")
#: Of each part, the figures that are a cost: lower is better. `(1)`, `(32)`: connections.
COSTS = {
    "fanout": {"cpu_us_per_delivery": "CPU per delivery (us)"},
    "latency": {"latency_p50_ms": "latency p50 (ms)", "latency_p99_ms": "latency p99 (ms)"},
    "publish": {
        "single_32_cpu_us_per_publish": "CPU per publish (us)",
        "batch_32_cpu_us_per_publish": "CPU per message of a batch (us)",
    },
    "idle": {
        "rss_bytes_per_subscriber": "RSS per idle subscriber (bytes)",
        "cpu_us_per_subscribe": "CPU per subscription (us)",
    },
    "replay": {"replay_s": "replay of the log (s)", "storm_level_s": "1,000 clients level (s)"},
}

Figures = dict[str, float]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("other", type=Path, help="a checkout of another version")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="short measurements; not to be quoted")
    parser.add_argument("--only", default=",".join(COSTS), help="parts, comma-separated (%(default)s)")
    asked = parser.parse_args()
    asked.other = asked.other.resolve()
    if not (asked.other / "src" / "fast_sse").is_dir():
        parser.error(f"{asked.other} is no checkout of Fast SSE")
    return asked


def figures_of(tree: Path, store: str, part: plan.Part) -> Figures:
    """One measurement of one tree. Raises SystemExit with what went wrong."""
    running = partial(hub.running, store=store, tree=tree)
    run = measure(Peer(lambda: None, hub.version, running, ""), part, RUN_S_MAX)
    if "figures" not in run:
        raise SystemExit(f"{part.name}, {store}, {tree}: {run}")
    found: Figures = run["figures"]
    return found


def row(name: str, pairs: list[tuple[float, float]]) -> str:
    """Medians of both, and the ratio of each pair."""
    ratios = sorted(this / other for this, other in pairs if other)
    this, other = (statistics.median(one[side] for one in pairs) for side in (0, 1))
    middle = f"{statistics.median(ratios):.2f} [{ratios[0]:.2f}, {ratios[-1]:.2f}] x" if ratios else "-"
    return f"{name:52s} {this:10,.2f} {other:10,.2f}   {middle}"


def main() -> int:
    """Measure and print."""
    asked = arguments()
    print(f"{'':52s} {'this':>10s} {'other':>10s}   this/other", flush=True)
    for part in plan.parts(asked.only.split(","), quick=asked.quick, charts=False):
        for store in STORES:
            runs: list[tuple[Figures, Figures]] = []
            for number in range(asked.rounds):
                trees = (ROOT, asked.other) if number % 2 == 0 else (asked.other, ROOT)
                found = {tree: figures_of(tree, store, part) for tree in trees}
                runs.append((found[ROOT], found[asked.other]))
            for figure, name in COSTS[part.name].items():
                if all(figure in one for pair in runs for one in pair):
                    pairs = [(this[figure], other[figure]) for this, other in runs]
                    print(row(f"{part.name}, {store}: {name}", pairs), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The generator as a process of its own: `python -m benchmarks.load SCENARIO OPTIONS < target.json`.

A process of its own because it must neither share a core nor an interpreter with anything else. Options are
one JSON object, the scenario's keyword arguments; the last line of its output is one JSON object of figures.
"""

from __future__ import annotations

import gc
import json
import resource
import sys

from benchmarks.load.scenarios import run
from benchmarks.load.target import LoadError, Target


def main() -> int:
    """Run one scenario; 1 if the load could not be made."""
    _, scenario, options = sys.argv
    gc.disable()  # a collection in a window would be taken for the server's latency; the process is short
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    target = Target.from_json(sys.stdin.read())
    try:
        figures = run(scenario, target, json.loads(options))
    except LoadError as error:
        print(f"{target.name}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())

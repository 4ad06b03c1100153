"""The generator as a process of its own: `python -m benchmarks.load SCENARIO OPTIONS < target.json`.

A process of its own because it must neither share a core nor an interpreter with anything else. Options are
one JSON object, the scenario's keyword arguments; the last line of its output is one JSON object of figures.
"""

from __future__ import annotations

import json
import resource
import sys

from benchmarks.load.scenarios import SCENARIOS
from benchmarks.load.target import LoadError, Target


def main() -> int:
    """Run one scenario; 1 if the load could not be made."""
    _, scenario, options = sys.argv
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    target = Target.from_json(sys.stdin.read())
    try:
        figures = SCENARIOS[scenario](target, **json.loads(options))
    except LoadError as error:
        print(f"{target.name}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())

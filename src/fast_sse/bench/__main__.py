"""One process of the generator: `python -m fast_sse.bench`, its standard input a socket to who started it."""

from __future__ import annotations

import gc
import resource
import socket
import sys

import msgspec

from fast_sse.bench.crew import Crew, CrewJob
from fast_sse.bench.loop import Loop
from fast_sse.bench.scenarios import SCENARIOS
from fast_sse.bench.target import LoadError

JOB_BYTES = 1 << 16


def read_job(line: socket.socket) -> CrewJob:
    """The first line."""
    data = b""
    while not data.endswith(b"\n"):
        more = line.recv(JOB_BYTES)
        if not more:
            raise SystemExit(1)
        data += more
    return msgspec.json.decode(data, type=CrewJob)


def main() -> int:
    """Run one scenario; 1 if the load could not be made."""
    gc.disable()  # a collection in a window would be taken for the server's latency; the process is short
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    line = socket.socket(fileno=0)
    job = read_job(line)
    with Loop() as loop:
        crew = Crew(loop, job, line)
        try:
            crew.finish(SCENARIOS[job.scenario].play(crew, **job.options))
        except (LoadError, OSError) as error:
            crew.fail(str(error))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Dead letters replayed through the bulk route, while a subscriber of another channel listens to live messages.

    .venv/bin/python benchmarks/letter_replay.py [--letters 20000] [--live 500] [--store sqlite]

One hub with an empty log, loaded by the command line. What it prints is one run's: nothing is written down.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from benchmarks.peers.hub import SECRET, environment, ready_line  # noqa: E402
from benchmarks.peers.process import await_true, scratch, server  # noqa: E402

GRACE_S = "0.5"
FAST_SSE = [sys.executable, "-m", "fast_sse"]


def asked(admin: str, method: str, target: str) -> Any:
    """The data of an answer of the operators' listener."""
    connection = http.client.HTTPConnection(admin, timeout=60)
    connection.request(method, target)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["data"]


def lines(file: Path, event_id: str, count: int) -> Path:
    """Messages of 200 bytes to so many channels of one event id, or to one."""
    with file.open("w") as out:
        for number in range(count):
            message = {"event_id": event_id, "event_type": f"t{number % 7}", "data": [number, "x" * 184]}
            out.write(json.dumps(message) + "\n")
    return file


def replayed(admin: str) -> tuple[int, float]:
    """All letters, a thousand a call; how many, and seconds."""
    began_s, done, cursor = time.perf_counter(), 0, ""
    while True:
        page = asked(admin, "POST", f"/v1/dead-letters/replay?limit=1000&cursor={cursor}")
        done += page["replayed"]
        if page["next"] is None:
            return done, time.perf_counter() - began_s
        cursor = page["next"]


def run(directory: Path, store: str, letters: int, live: int) -> None:
    """Publish to nobody, wait until all of it died, replay it."""
    (directory / "data").mkdir()
    bounds = {"GRACE_S": GRACE_S, "MAX_COUNT": str(letters), "MAX_BYTES": str(1 << 30)}
    settings = environment(store, directory) | {
        f"FAST_SSE_DEAD_LETTERS__{key}": value for key, value in bounds.items()
    }
    own = os.environ | settings | {"HUB_SECRET": SECRET}
    with server([*FAST_SSE, "serve"], 0, directory, settings) as process:
        where = ready_line(process)
        hub = ["--url", f"http://{where['public']}", "--secret-env", "HUB_SECRET"]
        publish = [*FAST_SSE, "publish", *hub, "--batch"]
        subprocess.run(
            [*publish, str(lines(directory / "dead", "lonely", letters))],
            env=own,
            check=True,
            capture_output=True,
        )
        await_true(
            "every message is a dead letter",
            lambda: asked(where["admin"], "GET", "/v1/dead-letters?limit=1")["total"] == letters,
            120,
        )
        command = [*FAST_SSE, "subscribe", "live", "*", *hub, "--count", str(live), "--json"]
        with (
            (directory / "heard").open("w") as heard,
            subprocess.Popen(command, env=own, stdout=heard, stderr=subprocess.DEVNULL) as listener,
        ):
            await_true(
                "the subscriber listens",
                lambda: b"streams_open{" in metrics(where["admin"]) and streams(where["admin"]) == 1,
            )
            publisher = subprocess.Popen(
                [*publish, str(lines(directory / "live", "live", live))],
                env=own,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            done, took_s = replayed(where["admin"])
            publisher.wait(60)
            listener.wait(60)
        got = [json.loads(line)["data"]["data"][0] for line in (directory / "heard").read_text().splitlines()]
    print(
        f"{store}: {done} letters replayed in {took_s:.2f} s, {done / took_s:,.0f}/s; live meanwhile: {len(got)} of {live} heard, each once: {sorted(got) == list(range(live))}"
    )


def metrics(admin: str) -> bytes:
    """The numbers of the node."""
    connection = http.client.HTTPConnection(admin, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read()
    connection.close()
    return text


def streams(admin: str) -> float:
    """Open streams."""
    (line,) = [one for one in metrics(admin).splitlines() if one.startswith(b"fast_sse_streams_open{")]
    return float(line.rpartition(b" ")[2])


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--letters", type=int, default=20_000, help="dead letters (%(default)s)")
    parser.add_argument("--live", type=int, default=500, help="live messages meanwhile (%(default)s)")
    parser.add_argument("--store", default="sqlite", choices=["memory", "sqlite"])
    given = parser.parse_args()
    with scratch("fast-sse-letters-") as directory:
        run(directory, given.store, given.letters, given.live)
    return 0


if __name__ == "__main__":
    sys.exit(main())

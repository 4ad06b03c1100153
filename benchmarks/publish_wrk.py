"""Publishes a second with a load generator in C: `wrk`, 32 connections, 8 channels, 200 bytes; servers take turns.

    .venv/bin/python benchmarks/publish_wrk.py [--rounds 3] [--seconds 5] [--peers nchan,'fast-sse memory',…] [--new-heads]

In `make bench` every server is driven by the same generator, ours, and on one core that is nchan's limit: its figure
there is a lower bound. This one is not. With `--new-heads` no two requests have the same head, so that the front knows
none of them (`http/front/known_heads.py`). CPU time is that of the server's threads (`/proc/PID/task`), in microseconds a
publish, user + system. Needs wrk (Debian's package of that name); it has no answer to read back, so nothing is counted.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]  # started as a file, found as a package

from benchmarks.peers.process import PeerError, pinned, scratch  # noqa: E402
from benchmarks.peers.registry import PEERS  # noqa: E402
from fast_sse.bench.target import LoadTarget, payload  # noqa: E402

_NUMBER = "NUMBER__________"
CHANNELS, CONNECTIONS, SIZE = 8, 32, 200
#: At the start and at the end of a run that are left out of the CPU time.
EDGE_S = 0.75
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STARTED_BY = ("nchan", "fast-sse memory", "fast-sse sqlite")


def script(target: LoadTarget, *, new_heads: bool) -> str:
    """What wrk sends: the channels in turn."""
    more = [("x-number", _NUMBER)] if new_heads else []
    body = f"{target.body_prefix}{payload(0, SIZE).decode()}{target.body_suffix}"
    requests = [
        f"wrk.format('POST', '{route.publish_path}', {{{_table([*route.publish_headers.items(), *more])}}}, [==[{body}]==])"
        for route in target.routes
    ]
    made = "\n".join(f"  requests[{place}] = {one}" for place, one in enumerate(requests))
    one = f"requests[sent % {len(requests)}]"
    if new_heads:
        one = f"({one}:gsub('{_NUMBER}', string.format('%0{len(_NUMBER)}d', sent), 1))"
    return (
        f"local requests, sent = {{}}, 0\nfunction init()\n{made}\nend\n"
        f"function request()\n  sent = sent + 1\n  return {one}\nend\n"
    )


def _table(headers: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f'["{name}"] = "{value}"' for name, value in headers)


def cpu_s(pid: int) -> tuple[float, float]:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / TICKS_PER_S, int(fields[12]) / TICKS_PER_S


def measure(name: str, seconds: float, *, new_heads: bool) -> tuple[float, float, float]:
    """Publishes a second, and user and system microseconds of each."""
    peer = PEERS[name]
    assert peer.running is not None
    with peer.running(0, CHANNELS) as target, scratch("wrk-") as directory:
        (directory / "publish.lua").write_text(script(target, new_heads=new_heads))
        url = f"http://{target.host}:{target.publish_port or target.port}"
        command = [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds:.0f}s",
            "-s",
            str(directory / "publish.lua"),
            url,
        ]
        with subprocess.Popen(pinned(1, command), stdout=subprocess.PIPE, text=True) as wrk:
            time.sleep(EDGE_S)
            before, begun_s = cpu_s(target.pid), time.monotonic()
            time.sleep(seconds - 2 * EDGE_S)
            after, ended_s = cpu_s(target.pid), time.monotonic()
            said = wrk.communicate()[0]
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    if rate is None or "Non-2xx" in said or "Socket errors" in said:
        raise PeerError(f"{name}: wrk says\n{said}")
    per_s = float(rate[1])
    user, system = (
        (end - begin) * 1e6 / (per_s * (ended_s - begun_s)) for begin, end in zip(before, after, strict=True)
    )
    return per_s, user, system


def main() -> int:
    """Round by round; medians and the ratio to the first server of the list."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--peers", default=",".join(_STARTED_BY))
    parser.add_argument("--new-heads", action="store_true")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        print("needs wrk: apt-get install wrk", file=sys.stderr)
        return 2
    names = asked.peers.split(",")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in names}
    for name in names:
        PEERS[name].install()
    for number in range(1, asked.rounds + 1):
        for name in names:
            found[name].append(measure(name, asked.seconds, new_heads=asked.new_heads))
            print(f"round {number}: {name:16s} {found[name][-1][0]:9,.0f} publishes/s", flush=True)
    print("\n| | publishes/s | to the first | CPU a publish (us), user + system |\n|---|---|---|---|")
    for name in names:
        rates = [one[0] for one in found[name]]
        ratio = median(ours / first[0] for ours, first in zip(rates, found[names[0]], strict=True))
        user, system = (median(one[part] for one in found[name]) for part in (1, 2))
        spread = f"{median(rates):,.0f} [{min(rates):,.0f}, {max(rates):,.0f}]"
        print(f"| {name} | {spread} | {ratio:.2f} x | {user:.1f} + {system:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

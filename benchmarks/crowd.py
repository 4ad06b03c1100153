"""A hub with its compression set and many subscribers that read and forget: what the measurements of compression share."""

from __future__ import annotations

import socket
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.peers.hub import environment, ready_line, route
from benchmarks.peers.process import scratch, server

HUB_CORE, LOAD_CORE = 0, 1
#: The ways of the hub, as settings.
WAYS = {
    "off": {"FAST_SSE_COMPRESSION": "off"},
    "payload": {"FAST_SSE_COMPRESSION": "payload"},
    "independent": {"FAST_SSE_COMPRESSION": "auto", "FAST_SSE_COMPRESSION_EPOCHS": "false"},
    "epoch": {"FAST_SSE_COMPRESSION": "auto"},
}
#: Ways whose subscribers ask for gzip.
GZIP = ("independent", "epoch")


def subscribe(way: str) -> bytes:
    """The request of a subscriber of that way."""
    to = route(0)
    lines = [
        f"GET {to.subscribe_path} HTTP/1.1",
        "Host: a",
        *(f"{k}: {v}" for k, v in to.subscribe_headers.items()),
    ]
    if way in GZIP:
        lines.append("Accept-Encoding: gzip")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Crowd:
    """Subscribers of one channel that read and forget."""

    def __init__(self, port: int, count: int, request: bytes = b"") -> None:
        self._buffer = bytearray(1 << 20)
        self.received = 0
        self.sockets: list[socket.socket] = []
        for _ in range(count):
            one = socket.create_connection(("127.0.0.1", port))
            # Answered before the next one comes, so that the line of those to be accepted stays short.
            if request:
                one.sendall(request)
                self.received += one.recv_into(self._buffer)
            one.setblocking(False)
            self.sockets.append(one)

    def drain(self, quiet_s: float = 0.15) -> float:
        """Read all that comes until nothing has come for so long; the time of the last bytes, by the monotonic clock."""
        last = time.monotonic()
        while True:
            got = 0
            for one in self.sockets:
                try:
                    while count := one.recv_into(self._buffer):
                        got += count
                        if count < len(self._buffer):
                            break
                except BlockingIOError:
                    continue
            self.received += got
            if got:
                last = time.monotonic()
            elif time.monotonic() - last >= quiet_s:
                return last
            else:
                time.sleep(0.001)

    def close(self) -> None:
        """Leave."""
        for one in self.sockets:
            one.close()


@contextmanager
def hub(way: str) -> Iterator[tuple[int, int]]:
    """A hub of that way in memory; its process and its port."""
    with scratch("fast-sse-compression-") as directory:
        env = (
            environment("memory", directory)
            | WAYS[way]
            | {"FAST_SSE_HEARTBEAT_S": "600", "FAST_SSE_LIMITS__STALL_S": "1200"}
        )
        with server([sys.executable, "-m", "fast_sse", "serve"], HUB_CORE, directory, env) as process:
            public = ready_line(process)["public"]
            yield process.pid, int(public.rpartition(":")[2])


def publish(port: int, data: bytes) -> None:
    """One message, answered."""
    to = route(0)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{to.publish_path}", b'{"data":%b}' % data, dict(to.publish_headers)
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def median(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each figure."""
    return {name: round(statistics.median(one[name] for one in runs), 2) for name in runs[0]}

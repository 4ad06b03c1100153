"""What compression gains where events are large: 1,000 subscribers of 50 KB events, plain and gzip in turns.

`keep_up`: each event is read by all before the next is published. `sustained`: the next is published as soon as the last was answered, on a
loopback, whose readers then fall behind. `cable`: each event read before the next, on a loopback with an Ethernet's rate (benchmarks/cable.py).
`bare`: a loop that does nothing but `send` as many bytes to as many sockets, so the least that any server with a write for each stream pays.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.cable import cable
from benchmarks.corpus import messages
from benchmarks.crowd import HUB_CORE, Crowd, hub, median, publish, subscribe
from benchmarks.peers.hub import route
from fast_sse.bench.cpu import cpu_s

SIZE, SUBSCRIBERS = 50_000, 1000
#: After an event all is read when nothing came for so long.
QUIET_S, CABLE_QUIET_S, END_QUIET_S = 0.02, 0.2, 1.0
WARM_UP = 10
CABLE_MBIT = 1000
FORK = multiprocessing.get_context("fork")


def _figures(spent_s: float, took_s: float, events: int, received: int) -> dict[str, float]:
    deliveries = events * SUBSCRIBERS
    return {
        "cpu_us_per_delivery": spent_s / deliveries * 1e6,
        "deliveries_per_cpu_s": deliveries / spent_s,
        "deliveries_per_s": deliveries / took_s,
        "wire_bytes_per_delivery": received / deliveries,
    }


@contextmanager
def _warm(way: str, corpus: list[bytes], quiet_s: float) -> Iterator[tuple[int, int, Crowd]]:
    """A hub that has sent the first events: its process, its port, and its subscribers."""
    with hub(way) as (pid, port):
        crowd = Crowd(port, SUBSCRIBERS, subscribe(way))
        crowd.drain()
        for one in corpus[:WARM_UP]:
            publish(port, one)
            crowd.drain(quiet_s)
        crowd.received = 0
        yield pid, port, crowd
        crowd.close()


def keep_up(way: str, events: int, quiet_s: float = QUIET_S) -> dict[str, float]:
    """One event at a time; `deliveries_per_s` is without the silence after each."""
    corpus = messages(SIZE, events + WARM_UP)
    with _warm(way, corpus, quiet_s) as (pid, port, crowd):
        before_s, took_s = cpu_s(pid), 0.0
        for one in corpus[WARM_UP:]:
            began_s = time.monotonic()
            publish(port, one)
            took_s += crowd.drain(quiet_s) - began_s
        spent_s = cpu_s(pid) - before_s
    return _figures(spent_s, took_s, events, crowd.received)


def _publish_all(port: int, corpus: list[bytes]) -> None:
    """Each as soon as the last was answered, by a process of its own."""
    to = route(0)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for one in corpus:
        connection.request("POST", to.publish_path, b'{"data":%b}' % one, dict(to.publish_headers))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200


def sustained(way: str, events: int) -> dict[str, float]:
    """A publisher that never waits for readers."""
    corpus = messages(SIZE, events + WARM_UP)
    with _warm(way, corpus, QUIET_S) as (pid, port, crowd):
        before_s, began_s = cpu_s(pid), time.monotonic()
        publisher = FORK.Process(target=_publish_all, args=(port, corpus[WARM_UP:]))
        publisher.start()
        took_s = crowd.drain(END_QUIET_S) - began_s
        publisher.join()
        assert publisher.exitcode == 0
        spent_s = cpu_s(pid) - before_s
    return _figures(spent_s, took_s, events, crowd.received)


def on_cable(way: str, events: int) -> dict[str, float]:
    """One event at a time over a cable."""
    with cable(CABLE_MBIT):
        return keep_up(way, events, CABLE_QUIET_S)


def _send_all(listener: socket.socket, size: int, orders: Connection) -> None:
    """Accept, then write so many bytes to each for every order but an empty one."""
    os.sched_setaffinity(0, {HUB_CORE})
    streams = [listener.accept()[0] for _ in range(SUBSCRIBERS)]
    for one in streams:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = os.urandom(size)
    while orders.recv_bytes():
        for one in streams:
            one.sendall(data)
        orders.send_bytes(b"sent")


def bare(size: int, events: int) -> dict[str, float]:
    """The same writes without a hub."""
    orders, taken = FORK.Pipe()
    with socket.create_server(("127.0.0.1", 0), backlog=SUBSCRIBERS) as listener:
        sender = FORK.Process(target=_send_all, args=(listener, size, taken))
        sender.start()
        assert sender.pid
        crowd = Crowd(listener.getsockname()[1], SUBSCRIBERS)
        before_s = took_s = 0.0
        for number in range(WARM_UP + events):
            if number == WARM_UP:
                before_s, took_s, crowd.received = cpu_s(sender.pid), 0.0, 0
            began_s = time.monotonic()
            orders.send_bytes(b"go")
            took_s += crowd.drain(QUIET_S) - began_s
            orders.recv_bytes()
        spent_s = cpu_s(sender.pid) - before_s
        orders.send_bytes(b"")
        sender.join()
        crowd.close()
    assert sender.exitcode == 0
    return _figures(spent_s, took_s, events, crowd.received)


def large(rounds: int, scale: float) -> list[dict[str, Any]]:
    """Each scenario, plain and gzip in turns, and how many times the deliveries gzip makes of the same CPU and time."""
    rows: list[dict[str, Any]] = []
    wire = {"off": SIZE, "epoch": SIZE}

    def bare_as(way: str, events: int) -> dict[str, float]:
        return bare(wire[way], events)

    for scenario, run, events in (
        ("keep_up", keep_up, 60),
        ("sustained", sustained, 100),
        ("cable", on_cable, 20),
        ("bare", bare_as, 60),
    ):
        seen: dict[str, list[dict[str, float]]] = {"off": [], "epoch": []}
        for _ in range(rounds):
            for way, runs in seen.items():
                runs.append(run(way, max(5, int(events * scale))))
        plain, gzip = (median(seen[way]) for way in ("off", "epoch"))
        if scenario == "keep_up":
            wire = {
                way: round(found["wire_bytes_per_delivery"])
                for way, found in (("off", plain), ("epoch", gzip))
            }
        rows.append(
            {
                "scenario": scenario,
                "off": plain,
                "epoch": gzip,
                "per_cpu_s": round(gzip["deliveries_per_cpu_s"] / plain["deliveries_per_cpu_s"], 2),
                "per_s": round(gzip["deliveries_per_s"] / plain["deliveries_per_s"], 2),
            }
        )
        print(rows[-1], flush=True)
    return rows

"""Publishing at a fixed rate: `fanout`, `large` and `channels`, which differ in numbers only, and `slow`."""

from __future__ import annotations

import fcntl
import select
import socket
import struct
import termios
from typing import Any

from fast_sse.bench.connections import Subscribers, open_socket
from fast_sse.bench.crew import Crew
from fast_sse.bench.figures import PublishTally
from fast_sse.bench.steps import Latency, Span, connect, on_schedule, warm_up

#: A stuck client's receive buffer, so that it is full after little.
STUCK_RECEIVE_BYTES = 4096
STUCK_S_MAX = 10.0


def steady(
    crew: Crew, *, subscribers: int, rate: float, seconds: float, size: int, channels: int = 1
) -> dict[str, Any]:
    """What does a delivery cost at a modest, fixed rate, and how late is it?"""
    streams = Subscribers(crew.loop, crew.target)
    connect_s = connect(crew, streams, subscribers, channels)
    warm_up(crew, streams, channels, 30 if channels == 1 else 1)
    return {"connect_s": connect_s} | _phase(crew, streams, rate, seconds, size, channels)


def slow(
    crew: Crew, *, subscribers: int, stuck: int, rate: float, seconds: float, size: int
) -> dict[str, Any]:
    """What do healthy clients notice of those that do not read? First without these, then beside them."""
    streams = Subscribers(crew.loop, crew.target)
    connect(crew, streams, subscribers)
    warm_up(crew, streams)
    alone = _phase(crew, streams, rate, seconds / 2, size, 1)
    theirs = [_stuck(crew, index) for index in crew.share(stuck)]
    before = streams.bytes_received
    figures = _phase(crew, streams, rate, seconds / 2, size, 1)
    healthy_bytes = (streams.bytes_received - before) // max(1, len(streams))
    behind = crew.gather(sum(_unread(sock) < healthy_bytes for sock in theirs))
    for sock in theirs:
        sock.close()
    for name in ("accepted", "expected", "delivered", "lost", "duplicates", "refused"):
        figures[name] += alone[name]
    for name in ("latency_p50_ms", "latency_p99_ms", "latency_max_ms"):
        figures[f"alone_{name}"] = alone.get(name)
    return figures | {"stuck": stuck, "stuck_behind": sum(behind)}


def _phase(
    crew: Crew, streams: Subscribers, rate: float, seconds: float, size: int, channels: int
) -> dict[str, Any]:
    tally, latency = PublishTally(channels), Latency()
    streams.on_data = latency.on_data
    span = Span(crew, streams)
    posts = on_schedule(crew, tally, rate=rate, seconds=seconds, size_bytes=size, channels=channels)
    return posts | span.close(tally, latency)


def _stuck(crew: Crew, index: int) -> socket.socket:
    """A client that subscribes and then never reads: the kernel's buffers fill, then the server's."""
    sock = open_socket(crew.target.host, crew.target.port, index, STUCK_RECEIVE_BYTES)
    with select.epoll() as epoll:
        epoll.register(sock, select.EPOLLOUT)
        epoll.poll(STUCK_S_MAX)
        sock.send(crew.target.subscribe_request())
        epoll.modify(sock, select.EPOLLIN)
        epoll.poll(STUCK_S_MAX)
    return sock


def _unread(sock: socket.socket) -> int:
    """Bytes that arrived and were not read."""
    answer = fcntl.ioctl(sock, termios.FIONREAD, b"\0" * 4)
    return int(struct.unpack("i", answer)[0])

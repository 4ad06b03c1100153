"""Targets of the servers that know a channel by its name in the path and take a body as it is."""

from __future__ import annotations

from fast_sse.bench.target import LoadRoute, LoadTarget

ACCEPT = {"Accept": "text/event-stream"}
JSON = {"Content-Type": "application/json"}


def plain_target(name: str, port: int, pid: int, channels: int) -> LoadTarget:
    """`POST /pub/c0`, `GET /sub/c0`: nchan, and the applications in `apps/`."""
    routes = [LoadRoute(f"/sub/c{n}", f"/pub/c{n}", ACCEPT, JSON) for n in range(channels)]
    return LoadTarget(name=name, host="127.0.0.1", port=port, pid=pid, routes=routes)


def one_channel_only(name: str, channels: int) -> None:
    """Raise for a server whose API names the channel in the body, where the generator has one prefix for all."""
    if channels > 1:
        raise NotMeasuredError(
            f"{name} names the channel in the body of a publish; the generator publishes to one channel of it"
        )


class NotMeasuredError(Exception):
    """A scenario that makes no sense for a server, or that the generator cannot do with it."""

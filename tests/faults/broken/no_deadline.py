"""Broken on purpose: peers that stand still are not cut by the hub, by the kernel, or by either.

`python -m tests.faults.broken.no_deadline` takes both deadlines away; the modules beside it take one.
"""

from __future__ import annotations

import fast_sse.app
from fast_sse.cli.main import app_main
from fast_sse.http.front.listener import Listener, bind
from fast_sse.hub.subscriber import Subscriber


def without_the_hubs() -> None:
    """Nobody is seen to stand still."""
    Subscriber._judge = lambda self, *_: None  # type: ignore[method-assign]


def without_the_kernels() -> None:
    """Sockets have no TCP_USER_TIMEOUT."""

    def bound(host: str, port: int, prefix: str, _stall_ms: int, *, shared: bool = False) -> Listener:
        return bind(host, port, prefix, 0, shared=shared)

    vars(fast_sse.app)["bind"] = bound


if __name__ == "__main__":
    without_the_hubs()
    without_the_kernels()
    app_main()

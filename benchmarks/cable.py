"""A loopback that behaves like a cable: an Ethernet's MTU and rate, in a network namespace of this process and its children.

On the usual loopback a reader has bytes as soon as they are written, in packets of 64 KiB, at any rate. On a cable the bytes of a stream
queue behind the ones of its neighbours and wait for acknowledgements, so a large event is not written in one go.
Needs root and Debian's iproute2. Both directions share the rate, and nothing leaves the machine.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: <linux/sched.h>
CLONE_NEWNET = 0x40000000
MTU = 1500
#: As many packets as streams have under way. A kernel does not lose what it has not sent yet, a short queue would.
PACKETS_MAX = 20_000

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def cable(mbit: int) -> Iterator[None]:
    """127.0.0.1 is a cable of so many megabits a second inside; OSError without root, CalledProcessError without `tc`."""
    with Path("/proc/self/ns/net").open() as before:
        _checked(_libc.unshare(CLONE_NEWNET))
        try:
            for command in (
                f"ip link set lo mtu {MTU} up",
                "tc qdisc add dev lo root handle 1: htb default 1",
                f"tc class add dev lo parent 1: classid 1:1 htb rate {mbit}mbit",
                f"tc qdisc add dev lo parent 1:1 pfifo limit {PACKETS_MAX}",
            ):
                subprocess.run(command.split(), check=True, capture_output=True)
            yield
        finally:
            _checked(_libc.setns(before.fileno(), CLONE_NEWNET))

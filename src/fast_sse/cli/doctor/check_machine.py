"""The doctor's look at the machine: open files, ports, clock, versions. Each check is a function of what it looks at."""

from __future__ import annotations

import contextlib
import platform
import resource
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fast_sse import __version__
from fast_sse.cli.doctor.findings import Finding
from fast_sse.config import Config
from fast_sse.http.front import unix_socket
from fast_sse.http.front.descriptors import for_clients
from fast_sse.http.front.listener import bind
from fast_sse.model.errors import ConfigError, FastSseError, UnavailableError

#: Fewer streams than this are fewer than one expects of a hub.
FEW_STREAMS = 4096
#: Seconds that two clocks may differ over the short time of the checks.
DRIFT_S_MAX = 0.05
#: 2025-01-01: no clock of a machine that runs this version is behind it.
_OLDEST_S = 1_735_689_600.0
_LISTENING = "0A"
PACKAGES = ("uvloop", "httptools", "msgspec")


def open_files(config: Config) -> Finding:
    """Whether the expected streams fit: each one is a descriptor. The hub raises the soft limit to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return Finding("open files", "green", "no limit")
    room, wanted = for_clients(hard), config.bounds.streams_max
    found = f"limit {hard}, room for {room} connections"
    raise_it = "raise it: ulimit -Hn, LimitNOFILE= of the systemd unit, or --ulimit nofile= of the container"
    if wanted > room:
        return Finding("open files", "red", f"{found}, but limits.streams_max is {wanted}", raise_it)
    if not wanted and room < FEW_STREAMS:
        return Finding("open files", "yellow", found, f"for more than that, {raise_it}")
    return Finding("open files", "green", found)


def ports(config: Config, hub_pid: int | None) -> Iterator[Finding]:
    """Whether both listeners could be bound; a port that the hub on this directory holds is as it should be."""
    if config.host.startswith(unix_socket.PREFIX):
        yield _unix_path(config.host.removeprefix(unix_socket.PREFIX), hub_pid)
    else:
        yield _port("", config.host, config.port, hub_pid, shared=config.reuse_port)
    yield _port("admin_", config.admin_host, config.admin_port, hub_pid, shared=False)


def _port(prefix: str, host: str, port: int, hub_pid: int | None, *, shared: bool) -> Finding:
    name = f"{prefix}port"
    if port == 0:
        return Finding(name, "green", "0: the system chooses one")
    try:
        with bind(host, port, prefix, 1000, shared=shared):
            return Finding(name, "green", f"{host}:{port} is {'ours to share' if shared else 'free'}")
    except UnavailableError as error:
        if hub_pid is not None and port in listening_ports(hub_pid):
            return Finding(name, "green", f"{port}, in use by the running hub (pid {hub_pid})")
        advice = f"stop what listens there (ss -ltnp 'sport = :{port}'), or set {name}"
        return Finding(name, "red", _what(error), advice)
    except ConfigError as error:
        advice = f"set {prefix}host to an address of this machine, {name} to a free port"
        return Finding(name, "red", _what(error), advice)


def _what(error: FastSseError) -> str:
    """What is wrong, without what a start would say to do: the doctor says that on a line of its own."""
    return error.message.partition("; ")[0]


def _unix_path(path: str, hub_pid: int | None) -> Finding:
    """Only looked at: what a doctor leaves there might be another user's, and in the hub's way."""
    try:
        unix_socket.look(path, "host")
    except UnavailableError as error:
        if hub_pid is not None and unix_socket.lock_of(path).resolve() in _open_paths(hub_pid):
            return Finding("host", "green", f"{path}, in use by the running hub (pid {hub_pid})")
        return Finding(
            "host", "red", _what(error), f"stop what listens there (ss -lxp src {path}), or set host"
        )
    except ConfigError as error:
        return Finding(
            "host", "red", _what(error), "set host to a path in a directory that the hub can write to"
        )
    return Finding("host", "green", f"{path} is free")


def listening_ports(pid: int) -> set[int]:
    """TCP ports that a process listens on, as far as we may look (Linux)."""
    own = {path.name for path in _open_paths(pid)}
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            rows = Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, rows):
            if fields[3] == _LISTENING and f"socket:[{fields[9]}]" in own:
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


def _open_paths(pid: int) -> set[Path]:
    """What the descriptors of a process lead to, as far as we may look."""
    found = set()
    with contextlib.suppress(OSError):  # not ours to look at, or gone
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(link.readlink())
    return found


def clock(wall_s: float, steady_s: float, now_s: float, newest_write_s: float | None) -> Finding:
    """Whether the clock can be believed.

    Args:
        wall_s: how long the checks took by the wall clock.
        steady_s: the same by the monotonic clock.
        now_s: the wall clock.
        newest_write_s: when the log was last written, by the wall clock of then.
    """
    synchronise = (
        "let the system keep it (timedatectl set-ntp true): v2 signatures allow a minute of difference"
    )
    local = time.localtime(now_s)
    found = f"{time.strftime('%Y-%m-%d %H:%M:%S', local)}, send_time is local time ({time.strftime('%Z %z', local)})"
    if now_s < _OLDEST_S:
        return Finding("clock", "red", found, f"the date is wrong; {synchronise}")
    if newest_write_s is not None and newest_write_s > now_s + 60:
        return Finding("clock", "red", f"{found}, behind the last write of the log", synchronise)
    if abs(wall_s - steady_s) > DRIFT_S_MAX:
        return Finding(
            "clock", "yellow", f"{found}, jumped by {wall_s - steady_s:+.2f} s just now", synchronise
        )
    return Finding("clock", "green", found)


def versions(config: Config | None) -> Finding:
    """What runs here. Without uvloop the hub does not start, unless another loop is set."""
    found = {name: _version(name) for name in PACKAGES}
    text = ", ".join(f"{name} {number or 'missing'}" for name, number in found.items())
    text = f"Fast SSE {__version__}, Python {platform.python_version()}, {text}"
    missing = [name for name, number in found.items() if number is None]
    if "uvloop" in missing and config is not None and config.loop == "asyncio":
        missing.remove("uvloop")
    if missing:
        return Finding("versions", "red", text, f"install {', '.join(missing)}")
    return Finding("versions", "green", text)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

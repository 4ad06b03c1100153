"""Open files, ports, clock, versions: each check against what it could see."""

from __future__ import annotations

import os
import resource
import socket
import time
from pathlib import Path

import pytest

from fast_sse.cli.doctor import check_machine
from fast_sse.cli.doctor.check_machine import clock, listening_ports, open_files, ports, versions
from fast_sse.config import Config, load
from fast_sse.http.front.descriptors import RESERVED
from fast_sse.http.front.listener import bind

SECRET = "0123456789abcdef0123456789abcdef"


def config(**flags: object) -> Config:
    """A configuration of these settings."""
    return load(None, {"auth": {"secret": SECRET}, **flags})


@pytest.mark.parametrize(
    ("hard", "streams", "level"),
    [
        (1024, 0, "yellow"),
        (1_000_000, 0, "green"),
        (resource.RLIM_INFINITY, 10**9, "green"),
        (10_000 + RESERVED, 10_000, "green"),
        (10_000 + RESERVED - 1, 10_000, "red"),
    ],
)
def test_open_files_bound_the_streams(
    hard: int, streams: int, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Red when the streams that are allowed do not fit beside what the hub keeps back; the hard limit counts."""
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, hard))
    found = open_files(config(limits={"streams_max": streams}))
    assert found.level == level
    assert ("ulimit" in found.advice) == (level != "green")


def test_a_taken_port_is_red_and_a_free_one_is_not_kept() -> None:
    """Both listeners are tried, and what was tried is free again."""
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as soon_free:
        taken, free = other.getsockname()[1], soon_free.getsockname()[1]
        soon_free.close()
        public, admin = ports(config(port=taken, admin_port=free), None)
        assert (public.level, admin.level) == ("red", "green")
        assert f"ss -ltnp 'sport = :{taken}'" in public.advice
        socket.create_server(("127.0.0.1", free)).close()
        mine, _ = ports(config(port=taken, admin_port=free), os.getpid())
        assert (mine.level, mine.found) == (
            "green",
            f"{taken}, in use by the running hub (pid {os.getpid()})",
        )
        assert taken in listening_ports(os.getpid())
    assert listening_ports(2**22 + 1) == set()


def test_a_port_that_nodes_share_is_no_trouble() -> None:
    """With reuse_port another node that shares it may listen there already; the operators' port stays its own."""
    with (
        bind("127.0.0.1", 0, "", 1000, shared=True) as listener,
        socket.create_server(("127.0.0.1", 0)) as operators,
    ):
        other = listener.sockets[0]
        other.listen()
        settings = {"port": other.getsockname()[1], "admin_port": operators.getsockname()[1]}
        public, admin = ports(config(**settings).model_copy(update={"reuse_port": True}), None)
        assert (public.level, admin.level) == ("green", "red")
        public, _ = ports(config(**settings), None)
        assert public.level == "red"


def test_an_address_of_another_machine_is_red() -> None:
    """TEST-NET-1 is nobody's: the hub could not listen there. Port 0 cannot be taken."""
    public, admin = ports(config(host="192.0.2.1", port=30_000, admin_port=0), None)
    assert (public.level, admin.level) == ("red", "green")
    assert "set host" in public.advice


NOW_S = 1_800_000_000.0


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        ((1.0, 1.0, NOW_S, None), "green"),
        ((1.0, 1.0, NOW_S, NOW_S - 1), "green"),
        ((3.0, 1.0, NOW_S, None), "yellow"),
        ((0.9, 1.0, NOW_S, None), "yellow"),
        ((1.0, 1.0, NOW_S, NOW_S + 3600), "red"),
        ((1.0, 1.0, 1_000_000_000.0, None), "red"),
    ],
)
def test_a_clock_that_cannot_be_right_is_named(
    arguments: tuple[float, float, float, float | None], level: str
) -> None:
    """It jumped while it was watched, is behind the log's last write, or behind this version's own time."""
    assert clock(*arguments).level == level


def test_the_zone_of_send_time_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """send_time is local time: whoever reads it needs the zone."""
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    try:
        assert "+0300" in clock(1.0, 1.0, NOW_S, None).found
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_missing_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Uvloop is needed by the loop that is set; the other packages always."""
    assert versions(config()).level == "green"
    monkeypatch.setattr(check_machine, "_version", lambda name: None if name == "uvloop" else "1")
    assert versions(None).level == "red"
    assert versions(config()).advice == "install uvloop"
    assert versions(config(loop="asyncio")).level == "green"
    monkeypatch.undo()
    assert check_machine._version("no-such-package-of-ours") is None


def unix(path: Path, hub_pid: int | None = None) -> tuple[str, str]:
    """Level and words of the check of a Unix socket."""
    found, _ = ports(config(admin_port=0).model_copy(update={"host": f"unix:{path}"}), hub_pid)
    assert found.name == "host"
    return found.level, found.found


def test_the_path_of_a_unix_socket_is_looked_at_and_left_alone(tmp_path: Path) -> None:
    """Free, a leftover, held by the running hub, held by a stranger, no socket: told apart, and nothing is made or removed."""
    path = tmp_path / "hub.sock"
    assert unix(path) == ("green", f"{path} is free")
    with bind(f"unix:{path}", 0, "", 1000):
        assert unix(path, os.getpid()) == ("green", f"{path}, in use by the running hub (pid {os.getpid()})")
        assert unix(path, 1) == unix(path) == ("red", f"host: unix:{path} is already in use")
    left = sorted(tmp_path.iterdir())
    with socket.socket(socket.AF_UNIX) as leftover:
        leftover.bind(str(path))
    assert unix(path) == ("green", f"{path} is free")
    assert sorted(tmp_path.iterdir()) == sorted([*left, path])
    path.unlink()
    path.touch()
    assert unix(path) == ("red", f"host: {path} is there and is not a socket")
    assert unix(tmp_path / "none" / "hub.sock")[0] == "red"

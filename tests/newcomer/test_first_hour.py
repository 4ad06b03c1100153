"""A newcomer's first hour, from a bare machine: what README, the quick start and the tutorial say is typed as it stands, and timed."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from tests.browser.conftest import need
from tests.docs.shell import DOCS, PORTS, blocks, end
from tests.newcomer.machine import ROOT, Machine, machine
from tests.newcomer.times import Times
from tests.newcomer.tutorial import SHOP_PORT, tutorial

pytestmark = [pytest.mark.chaos, pytest.mark.wire, pytest.mark.timeout(3600)]

#: From `make demo` to the first event, when packages have been downloaded before.
FIRST_EVENT_S_MAX = 20.0


@pytest.mark.parametrize("who", ["an ordinary user", "root"])
def test_the_first_hour(who: str, tmp_path: Path, times: Times) -> None:
    """README's commands, the quick start and the tutorial work at the first try; a demo is quick once packages are there."""
    need("chromium")
    for port in (*PORTS, SHOP_PORT):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, f"something listens on {port}"
    with machine(tmp_path / "machine", who) as newcomer:
        times.of(newcomer.where, who, newcomer.commit)
        times.note(
            "packages before", newcomer.as_root(before(who)) if newcomer.where == "bare Debian" else 0.0
        )
        times.note("first event", first_event(newcomer))
        newcomer.run("rm -rf .venv var")
        warm_s = times.note("again, from the cache", first_event(newcomer))
        newcomer.run("rm -rf .venv var")
        times.note("quick start", quick_start(newcomer))
        times.note("tutorial", tutorial(newcomer))
        times.note(
            "make test, up to its tests",
            newcomer.run("make test PYTEST='.venv/bin/pytest -q tests/model/test_cursor.py'")[1],
        )
    assert warm_s < FIRST_EVENT_S_MAX


def before(who: str) -> str:
    """What README has installed first. Root installs make alone: the rest is make's to get. curl is for the quick start.

    It takes openssl, too, which python3-venv brings.
    """
    (line,) = re.findall(r"`sudo (apt-get install [^`]+)`", (ROOT / "README.md").read_text())
    packages = "apt-get install make" if who == "root" else line
    return f"apt-get update -qq && {packages} --yes -qq --no-install-recommends curl > /dev/null"


def first_event(newcomer: Machine) -> float:
    """Seconds from `make demo` until a subscriber printed what was published."""
    began_s = time.monotonic()
    demo = newcomer.start("make demo")
    try:
        assert demo.stdout
        printed = []
        for line in demo.stdout:
            printed.append(line)
            if line.startswith("ready "):
                break
        else:
            pytest.fail("".join(printed))
        publish = "fast-sse publish carid000001 cart_changed --data '{\"n\": 1}'"
        subscribe = "fast-sse subscribe carid000001 cart_changed --from earliest --count 1"
        seen, _ = newcomer.run(f"PATH=$PWD/.venv/bin:$PATH; {publish}; {subscribe}")
        assert '"n": 1' in seen or '"n":1' in seen
        return time.monotonic() - began_s
    finally:
        stop(demo)


def quick_start(newcomer: Machine) -> float:
    """Seconds for every block of the page, pasted in order."""
    pasted = "\n".join(blocks((DOCS / "quick-start.md").read_text(), "sh"))
    printed, took_s = newcomer.run(pasted)
    assert printed.count('"message_id"') >= 1
    return took_s


def stop(process: subprocess.Popen[str]) -> None:
    """End it and all that it started. Who became somebody else is in the group still."""
    end(process.pid)
    process.communicate()

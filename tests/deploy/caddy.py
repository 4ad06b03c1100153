"""The recipe of deploy/caddy run by a real Caddy, with its own port for the administrator."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

from tests.deploy.proxy import Certificate, Proxy, rendered
from tests.support.http1 import Address
from tests.support.server import ROOT, stable_port

RECIPE = ROOT / "deploy" / "caddy" / "Caddyfile"
RELOAD_S = 30.0
SITE = "sse.example.com {"

#: What a test adds to the global options: not the administrator's port of the system's Caddy, nor port 80.
OPTIONS = """\
	admin {admin}
	auto_https disable_redirects
"""


class Caddy(Proxy):
    """`recipe` is the text of one that is not RECIPE as it stands, but has its words."""

    name = "caddy"
    ready = "serving initial configuration"
    stop = signal.SIGQUIT  # at SIGTERM it would wait for streams, though not for long

    def __init__(
        self,
        directory: Path,
        hub: Address,
        certificate: Certificate,
        binary: Path | None = None,
        recipe: str | None = None,
    ) -> None:
        super().__init__(directory, hub, certificate, binary)
        self._admin = f"127.0.0.1:{stable_port()}"
        # A Caddyfile cannot say "with and without TLS" in one site: it stands there twice.
        head, site, body = (recipe or RECIPE.read_text()).partition(SITE)
        assert site, f"the site of the recipe is not {SITE}"
        options = OPTIONS.format(admin=self._admin)
        head = rendered(head, {"\n{\n": "\n{\n" + options, "127.0.0.1:30000": f"{hub[0]}:{hub[1]}"})
        secure = (
            f"https://:{self.secure[1]} {{\n\tbind 127.0.0.1\n\ttls {certificate.chain} {certificate.key}"
        )
        plain = f"http://:{self.plain[1]} {{\n\tbind 127.0.0.1"
        (directory / "Caddyfile").write_text(head + secure + body + plain + body)

    def _caddy(self, *arguments: str) -> list[str]:
        return [self.program, *arguments, "--config", "Caddyfile", "--adapter", "caddyfile"]

    def _command(self) -> list[str]:
        return self._caddy("run")

    async def reload(self) -> None:
        # Forced: the file has not changed, and Caddy would see that there is nothing to do.
        command = self._caddy("reload", "--address", self._admin, "--force")
        await asyncio.to_thread(
            subprocess.run, command, cwd=self.directory, check=True, capture_output=True, timeout=RELOAD_S
        )

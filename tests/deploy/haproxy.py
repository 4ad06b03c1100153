"""The recipe of deploy/haproxy run by a real HAProxy: a master and its worker, as its systemd unit runs it."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.deploy.proxy import Certificate, Proxy, rendered
from tests.support.http1 import Address
from tests.support.server import ROOT

RECIPE = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
SERVER = 'server hub "$FAST_SSE_HUB"'


class HAProxy(Proxy):
    """Its access log is its standard output. `server` are words for what stands behind it."""

    name = "haproxy"
    ready = "Loading success."

    def __init__(self, directory: Path, hub: Address, certificate: Certificate, *, server: str = "") -> None:
        super().__init__(directory, hub, certificate)
        both = directory / "both.pem"
        both.write_text(certificate.chain.read_text() + certificate.key.read_text())
        plain, secure = (f"{host}:{port}" for host, port in (self.plain, self.secure))
        ours = rendered(
            RECIPE.read_text(),
            {
                "127.0.0.1:30000": f"{hub[0]}:{hub[1]}",
                "bind :443 ": f"bind {plain}\n    bind {secure} ",
                "/etc/haproxy/fast-sse.pem": str(both),
                "maxconn 20000": "maxconn 1500",
                # A user's own: no other user, and no directory that only root may make its root.
                "    chroot /var/lib/haproxy\n": "",
                "    user haproxy\n": "",
                "    group haproxy\n": "",
            },
        )
        (directory / "haproxy.cfg").write_text(ours.replace(SERVER, f"{SERVER} {server}"))

    def _command(self) -> list[str]:
        return [self.program, "-W", "-f", "haproxy.cfg"]

    async def reload(self) -> None:
        await self._signal_reload(signal.SIGUSR2)

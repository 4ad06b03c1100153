"""The recipe of deploy/nginx run by a real nginx, with its own pid file and frame."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.deploy.proxy import Certificate, Proxy, rendered
from tests.support.http1 import Address
from tests.support.server import ROOT

RECIPE = ROOT / "deploy" / "nginx" / "fast-sse.conf"

#: What the recipe leaves to the system's nginx.conf.
FRAME = """\
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 4096;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 2000; }}
http {{
    access_log off;
    client_body_temp_path tmp-body;
    proxy_temp_path tmp-proxy;
    fastcgi_temp_path tmp-fastcgi;
    uwsgi_temp_path tmp-uwsgi;
    scgi_temp_path tmp-scgi;
    include recipe.conf;
}}
"""


class Nginx(Proxy):
    """`recipe` is the text of one that is not RECIPE as it stands, but has its words."""

    name = "nginx"
    ready = "start worker process "  # it listens before it starts its worker

    def __init__(
        self, directory: Path, hub: Address, certificate: Certificate, recipe: str | None = None
    ) -> None:
        super().__init__(directory, hub, certificate)
        plain, secure = (f"{host}:{port}" for host, port in (self.plain, self.secure))
        ours = rendered(
            recipe or RECIPE.read_text(),
            {
                "server 127.0.0.1:30000": f"server {hub[0]}:{hub[1]}",
                "listen 443 ssl http2;": f"listen {secure} ssl http2; listen {plain};",
                "/etc/ssl/fast-sse.pem": str(certificate.chain),
                "/etc/ssl/fast-sse.key": str(certificate.key),
                "/var/log/nginx/fast-sse.log": "access.log",
                "/var/log/nginx/fast-sse.error.log": "error.log",
            },
        )
        (directory / "recipe.conf").write_text(ours)
        user = "user root;" if os.geteuid() == 0 else ""
        (directory / "nginx.conf").write_text(FRAME.format(user=user))

    def _command(self) -> list[str]:
        return [self.program, "-p", f"{self.directory}/", "-c", "nginx.conf", "-e", "stderr"]

    async def reload(self) -> None:
        await self._signal_reload(signal.SIGHUP)

"""The recipe of deploy/apache run by a real Apache httpd, with the modules that its head asks for and no others.

Only `deflate` is there beside them, for everything: Debian has it on, and the recipe must keep it off.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.deploy.proxy import Certificate, Proxy, rendered
from tests.support.http1 import Address
from tests.support.server import ROOT

RECIPE = ROOT / "deploy" / "apache" / "fast-sse.conf"
AWAY = RECIPE.parent / "away"
SITE = "<VirtualHost *:443>"
TLS = "SSLEngine on"
MODULES = Path("/usr/lib/apache2/modules")

#: What Debian enables by itself.
OF_DEBIAN = ("authz_core", "env", "filter", "mime", "deflate")
#: What a2enmod brings with others.
DEPENDED_ON = ("proxy", "socache_shmcb")

#: What the recipe leaves to the system's apache2.conf.
FRAME = """\
{modules}
{user}
ServerRoot .
DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
Mutex pthread
ServerName localhost
ErrorLog /dev/stderr
LogLevel notice
DocumentRoot {directory}
TypesConfig /dev/null
SetOutputFilter DEFLATE
Listen {plain}
Listen {secure}
Include {directory}/recipe.conf
"""


def modules() -> str:
    """LoadModule for each module of the recipe's own `a2enmod`."""
    (found,) = re.findall(r"^#   a2enmod (.*)$", RECIPE.read_text(), re.MULTILINE)
    names = (*OF_DEBIAN, *DEPENDED_ON, *found.split())
    return "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names)


class Apache(Proxy):
    """Its user is not root, and reads what it says for the hub in a directory that everybody may read."""

    name = "apache2"
    ready = "resuming normal operations"
    stop = signal.SIGKILL
    sees_leaving = False
    streams = 6

    def __init__(self, directory: Path, hub: Address, certificate: Certificate) -> None:
        super().__init__(directory, hub, certificate)
        self._public = Path(tempfile.mkdtemp(prefix="fast-sse-apache-"))
        plain, secure = (f"{host}:{port}" for host, port in (self.plain, self.secure))
        ours = rendered(
            RECIPE.read_text().replace("http://127.0.0.1:30000/", f"http://{hub[0]}:{hub[1]}/"),
            {
                "/etc/ssl/fast-sse.pem": str(certificate.chain),
                "/etc/ssl/fast-sse.key": str(certificate.key),
                "/var/log/apache2/fast-sse.log": str(directory / "access.log"),
                "/var/log/apache2/fast-sse.error.log": str(directory / "error.log"),
                "/etc/apache2/fast-sse/away/": f"{self._public}/away/",
            },
        )
        # One site is with TLS or without it: it stands there twice.
        head, site, body = ours.partition(SITE)
        assert site, f"the site of the recipe is not {SITE}"
        ours = (
            f"{head}<VirtualHost {secure}>{body}<VirtualHost {plain}>{rendered(body, {TLS: 'SSLEngine off'})}"
        )
        (directory / "recipe.conf").write_text(ours)
        frame = FRAME.format(
            modules=modules(),
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            directory=directory,
            plain=plain,
            secure=secure,
        )
        (directory / "apache.conf").write_text(frame)

    def _command(self) -> list[str]:
        return [self.program, "-D", "FOREGROUND", "-f", str(self.directory / "apache.conf")]

    async def reload(self) -> None:
        await self._signal_reload(signal.SIGUSR1)

    def __enter__(self) -> Self:
        shutil.copytree(AWAY, self._public / "away")
        self._public.chmod(0o755)
        return super().__enter__()

    def __exit__(self, *_exception: object) -> None:
        assert self._process is not None
        # A thread that waits for a hub's next bytes keeps a stop for ten seconds.
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self._process.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        super().__exit__()
        shutil.rmtree(self._public)

"""The recipe of deploy/nginx run by a real nginx: the file itself, with ports, certificate and paths of the test.

It runs from a directory of its own, with its own pid file, and touches nothing of an nginx that the system has.
Beside the TLS listener it gets a plain one on the same server block, for clients that want to see every byte.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import IO, Self

from tests.support.http1 import Address
from tests.support.server import ROOT, stable_port

RECIPE = ROOT / "deploy" / "nginx" / "fast-sse.conf"
START_S = 10.0

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


def program() -> str | None:
    """Where nginx is; Debian keeps it out of a user's path."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def rendered(text: str, replacements: dict[str, str]) -> str:
    """The recipe with each of its own words replaced; one that is not there, or twice, is a mistake of the test."""
    for own, ours in replacements.items():
        assert text.count(own) == 1, f"{own!r} stands {text.count(own)} times in the recipe"
        text = text.replace(own, ours)
    return text


class Certificate:
    """A certificate for 127.0.0.1, signed by itself."""

    def __init__(self, directory: Path) -> None:
        self.chain = directory / "chain.pem"
        self.key = directory / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", str(self.key), "-out", str(self.chain)),
            ],
            check=True,
            capture_output=True,
        )


class Nginx:
    """One nginx before one hub. A context manager.

    `recipe` is the text of one that is not RECIPE as it stands, but has its words.

    Attributes:
        plain: where it speaks HTTP/1.1 without TLS, for raw sockets.
        secure: where it speaks TLS, HTTP/2 and HTTP/1.1.
    """

    def __init__(
        self, directory: Path, hub: Address, certificate: Certificate, recipe: str | None = None
    ) -> None:
        self.directory = directory
        self.certificate = certificate
        self.plain: Address = ("127.0.0.1", stable_port())
        self.secure: Address = ("127.0.0.1", stable_port())
        self._process: subprocess.Popen[str] | None = None
        self._log = directory / "stderr.log"
        self._started = threading.Event()
        self._reader = threading.Thread()
        plain, secure = (f"{host}:{port}" for host, port in (self.plain, self.secure))
        ours = rendered(
            recipe or RECIPE.read_text(),
            {
                "server 127.0.0.1:30000;": f"server {hub[0]}:{hub[1]};",
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

    def url(self, target: str) -> str:
        """The address of a path and query, for clients that speak TLS."""
        return f"https://{self.secure[0]}:{self.secure[1]}{target}"

    def logged(self) -> str:
        """All that nginx has written down anywhere."""
        files = sorted(self.directory.glob("*.log"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    def __enter__(self) -> Self:
        command = [program() or "nginx", "-p", f"{self.directory}/", "-c", "nginx.conf", "-e", "stderr"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._keep_log, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        if not self._started.wait(START_S) or self._process.poll() is not None:
            self.__exit__()
            raise RuntimeError(f"nginx did not start\n{self.logged()}")
        return self

    def _keep_log(self, stderr: IO[str]) -> None:
        with stderr, self._log.open("a") as log:
            for line in stderr:
                log.write(line)
                log.flush()
                if "start worker process " in line:  # it listens before it starts its worker
                    self._started.set()
        self._started.set()

    def __exit__(self, *_exception: object) -> None:
        assert self._process is not None
        self._process.terminate()  # never SIGKILL: its worker would stay
        self._process.wait(START_S)
        self._reader.join()
